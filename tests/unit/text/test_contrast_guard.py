"""When a stored answer may serve another text."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamiz.text.contrast import Kind, contrast, refusals, same_request
from tamiz.text.contrast_lists import languages

CLOSE = 0.97
OPPOSED = """
Turn on the VPN. Please turn off the VPN | Please turn off the VPN
Please send me reports. Do not send me reports | Do not send me reports
Por favor, habiliten el acceso. ¿Pueden inhabilitar el acceso? | ¿Pueden inhabilitar el acceso?
Mi tarjeta debería abrir la puerta. ¿Puede dejar de abrir la puerta? | ¿Puede mi tarjeta dejar de abrir la puerta?
Please leave the server on | Please leave the server off
Put me in the sales group | Take me out of the sales group
I received the parcel | I sent the parcel
The backup has finished | The backup has started
Keep my old number | Give up my old number
Make the field required | Make the field optional
Call me before you come | Call me after you leave
The update solved the issue | The update caused the issue
My laptop is back from repair | My laptop has to go to repair
Use the old template | Use the new template
Only the admins can log in | All but the admins can log in
Allow pop-ups from the portal | Suppress pop-ups from the portal
The screen hangs too low | Please lower the screen
The tray is full, please empty it | The tray is empty, please refill it
The colleague gets the phone | The colleague returns the phone
Our team wants to get the digest | Our team does not want to get the digest
Mails from the bank do not arrive | Mails to the bank do not arrive
Move my appointment to March 3 | Move my appointment to May 3
Map drive S: for me | Map drive T: for me
Add me to #releases | Add me to #random
My problem is solved, close the case | My problem is not solved, do not close the case
El servidor debe quedarse encendido | El servidor debe quedarse apagado
Meted a Ana en el grupo | Sacad a Ana del grupo
He recibido el paquete | He enviado el paquete
La copia ha terminado | La copia ha empezado
Llamadme antes de venir | Llamadme después de venir
Poned el aviso en la web | Quitad el aviso de la web
Que Ana pueda entrar | Que Ana no pueda entrar
Dadme permiso | Quitadme el permiso
Permitid las ventanas emergentes | Suprimid las ventanas emergentes
Instaládmelo en el portátil | Desinstaládmelo del portátil
La pantalla está demasiado alta | Subid la pantalla
El compañero recibe el móvil | El compañero devuelve el móvil
Todos menos yo recibieron el correo | Solo yo recibí el correo
Me viene bien el cambio de turno | Me viene mal el cambio de turno
La avería ha vuelto | La avería se ha ido
""".strip().splitlines()
SAME = """
Please give Ana access to the share | Ana needs access to the share
I can't open Outlook since the update | Since the update Outlook does not start
My notebook is completely dead | My laptop won't power up
The projector in room Oslo shows no picture | No image from the projector in room Oslo
The account is locked, please unlock it | Please unlock the account
Could you set up a mailbox for sales? | Please create a mailbox for sales.
The VPN drops all the time | I keep getting disconnected when the VPN drops
Please add me to the mailing list projects | Could you include me in the distribution list projects?
Dad acceso a Ana a la carpeta | Ana necesita acceso a la carpeta
No consigo abrir Outlook | Outlook no arranca
Mi portátil no enciende | No consigo encender el ordenador
Desbloqueadme la cuenta, por favor | ¿Podríais desbloquear mi cuenta?
Excel se cuelga todo el rato | Excel se queda colgado continuamente
Necesitamos una licencia de Visio | ¿Podéis facilitarnos una licencia de Visio?
""".strip().splitlines()
TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from([side.strip() for line in (*OPPOSED, *SAME) for side in line.split("|")]),
    st.lists(
        st.sampled_from("let take give too low is locked unlock in out into no want Ana 809 sin sale".split())
    ).map(" ".join),
)


@pytest.mark.parametrize("line", OPPOSED)
def test_opposed_requests_never_share_an_answer(line: str) -> None:
    one, other = line.split(" | ")
    assert refusals(one, other, CLOSE)
    assert not same_request(other, one, 1.0)


@pytest.mark.parametrize("line", SAME)
def test_wordings_of_one_request_share_an_answer(line: str) -> None:
    one, other = line.split(" | ")
    assert refusals(one, other, CLOSE) == ()
    assert same_request(other, one, CLOSE)


def test_words_that_no_list_knows_refuse() -> None:
    assert [d.kind for d in refusals("Frobnicate the queue", "Defenestrate the queue", 1.0)] == [Kind.WORDING]
    assert refusals("Frobnicate the queue", "The queue", 1.0)


def test_texts_without_anything_in_common_refuse_though_nothing_contrasts() -> None:
    assert contrast("The frame squeaks", "A wheel wobbles") == ()
    assert refusals("The frame squeaks", "A wheel wobbles", 1.0)


def test_the_closer_the_texts_the_more_one_may_say_alone() -> None:
    pair = ("Outlook is slow", "Outlook on my laptop is slow")
    assert refusals(*pair, 0.7)
    assert refusals(*pair, CLOSE) == ()


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS, st.floats(-1, 1))
def test_sides_may_be_swapped(a: str, b: str, similarity: float) -> None:
    assert [(d.kind, d.right, d.left) for d in refusals(a, b, similarity)] == [
        (d.kind, d.left, d.right) for d in refusals(b, a, similarity)
    ]


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS)
def test_it_is_never_laxer_than_contrast_and_never_stricter_for_closer_texts(a: str, b: str) -> None:
    loose, strict = refusals(a, b, 1.0), refusals(a, b, 0.0)
    assert loose or not contrast(a, b)
    assert strict or not loose


@pytest.mark.parametrize(
    "piece", ["take ", "too low ", "is locked unlock ", "un", "unlock lock ", "no want the "]
)
def test_time_grows_with_the_text(piece: str) -> None:
    refusals("a", "b", 1.0)

    def seconds(size: int) -> float:
        one, other = piece * (size // len(piece)), piece * (size // len(piece)) + " end"
        started = time.thread_time()
        refusals(one, other, 1.0)
        return time.thread_time() - started

    quarter = max(min(seconds(10_000) for _ in range(2)), 0.002)
    assert min(seconds(40_000) for _ in range(2)) < 8 * quarter  # of one the collector may make a second


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("please turn the screen off", ("en",)),
        ("por favor apagad la pantalla", ("es",)),
        ("vpn sap 809", ("en", "es")),
    ],
)
def test_lists_are_read_in_the_language_of_the_text(text: str, expected: tuple[str, ...]) -> None:
    assert languages(text.split()) == expected


def test_every_process_reads_alike() -> None:
    """A word may stand in several lists of one kind; which one counts must not depend on the order of a set."""
    program = (
        "from tamiz.text.contrast_reading import read;"
        "print([sorted(read(t).times.items()) for t in ('El segundo intento del lunes falla', 'the second try')])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("4", "5", "6")
    }
    assert len(said) == 1
