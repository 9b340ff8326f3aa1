"""The forms of listed words."""

from __future__ import annotations

import pytest

from tamiz.text.contrast_forms import english_noun, english_verb, spanish_noun, spanish_verb, without_clitics


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        ("turn", "turns turned turning"),
        ("revoke", "revokes revoked revoking"),
        ("deny", "denies denied denying"),
        ("unplug", "unplugs unplugged unplugging"),
        ("cancel", "canceled cancelled cancelling"),
        ("agree", "agreed agreeing"),
        ("untie", "untied untying"),
        ("withdraw", "withdrew withdrawn"),
        ("unfreeze", "unfroze unfrozen"),
        ("fix", "fixes fixed"),
    ],
)
def test_english_verbs(verb: str, forms: str) -> None:
    assert {verb, *forms.split()} <= english_verb(verb)


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        ("instalar", "instalo instala instalad instalen instalando instalado instalacion"),
        ("cerrar", "cierro cierra cerrad cierren cerrado"),
        ("mostrar", "muestra mostrad muestren"),
        ("pedir", "pide pedid pidan pidiendo"),
        ("conseguir", "consigo consigue consigan"),
        ("revocar", "revoque revoquen"),
        ("apagar", "apague apaguen"),
        ("comenzar", "comience comienza"),
        ("reducir", "reduzca redujo reducid"),
        ("detener", "detiene detenga detuvo detened detenido"),
        ("excluir", "excluye excluyan excluid"),
        ("poner", "pon ponga puso poned puesto"),
        ("dar", "doy da den dad dio"),
    ],
)
def test_spanish_verbs(verb: str, forms: str) -> None:
    assert {verb, *forms.split()} <= spanish_verb(verb)


def test_nouns() -> None:
    assert english_noun("directory") == {"directory", "directories"}
    assert english_noun("switch") == {"switch", "switches"}
    assert spanish_noun("roto") == {"roto", "rota", "rotos", "rotas"}
    assert "veces" in spanish_noun("vez")
    assert {"error", "errores"} <= spanish_noun("error")


@pytest.mark.parametrize(
    ("word", "host"),
    [
        ("instaladme", "instalad"),
        ("quitarle", "quitar"),
        ("ponedmelo", "poned"),
        ("activandola", "activando"),
    ],
)
def test_pronouns_are_taken_off(word: str, host: str) -> None:
    assert host in set(without_clitics(word))


def test_nothing_is_taken_off_where_no_verb_is_left() -> None:
    assert list(without_clitics("lo")) == []
    assert list(without_clitics("poned")) == []
