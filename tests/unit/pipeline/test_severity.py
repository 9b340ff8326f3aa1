"""The severity floor: words that speak for urgency and impact, in English and Spanish."""

from __future__ import annotations

import dataclasses
import random
import time

import pytest

from tamiz.domain.taxonomy import Field, FieldKind, Label, Taxonomy
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.pipeline.severity import floor, floors

TAXONOMY = default_taxonomy()


def ranks(text: str, taxonomy: Taxonomy = TAXONOMY) -> dict[str, int]:
    return {name: found.rank for name, found in floor(text, taxonomy).items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Total outage at the north site, nobody can work", {"impact": 0, "urgency": 0}),
        ("The whole site is offline", {"impact": 0}),
        ("This concerns ALL USERS here", {"impact": 0}),
        ("production down", {"impact": 0, "urgency": 0}),
        ("data breach: records of strangers are in my mailbox", {"impact": 1, "urgency": 0}),
        ("Ransomware on my laptop", {"impact": 1, "urgency": 0}),
        ("I cannot do any work and the deadline is tonight", {"urgency": 0}),
        ("The rest of my team has it too", {"impact": 1}),
        ("Caída total: nadie puede trabajar", {"impact": 0, "urgency": 0}),
        ("CAIDA TOTAL", {"impact": 0, "urgency": 0}),
        ("No funciona para todos los usuarios", {"impact": 0}),
        ("Toda la oficina sin red", {"impact": 0}),
        ("Paro de producción en la nave 2", {"impact": 0, "urgency": 0}),
        ("Posible fuga de datos", {"impact": 1, "urgency": 0}),
        ("No puedo seguir y la entrega es hoy a las 17:00", {"urgency": 0}),
        ("Solo mi pantalla parpadea", {}),
        ("My mouse is broken", {}),
        ("URGENT!!! CRITICAL!!! ¡URGENTE!", {}),
        ("", {}),
    ],
)
def test_words_set_the_floor(text, expected) -> None:
    assert ranks(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "There is no outage, only a question",
        "It does not affect all users",
        "not the whole site",
        "Not urgent",
        "The outage is over now",
        "The whole site was offline. It has already been fixed, already solved",
        "An outage drill for the whole company",
        "In case of ransomware, whom do I call?",
        "No hay ninguna caída total",
        "Sin fuga de datos",
        "No afecta a todos los usuarios",
        "Toda la oficina estaba sin red. Ya está resuelto, gracias",
        "Simulacro de ransomware para toda la empresa",
        "all usernames", "the wholesale offices",
    ],
)  # fmt: skip
def test_what_is_denied_over_or_only_spoken_of_sets_none(text) -> None:
    assert ranks(text) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The whole site is down! The printer is already fixed", {"impact": 0}),
        ("Toda la oficina sin red. Lo de la impresora ya está resuelto", {"impact": 0}),
        ("Ransomware on my laptop. It was already solved. The whole site is offline", {"urgency": 0}),
        ("The whole site is offline", {}),
        ("It was already solved. Now the whole site is offline again", {}),
        ("No outage, already fixed", {}),
    ],
)
def test_what_something_that_is_over_takes_back_is_eased_and_not_forgotten(text, expected) -> None:
    assert {name: found.rank for name, found in floors(text, TAXONOMY)[1].items()} == expected


def test_what_is_not_over_yet_still_counts() -> None:
    assert ranks("Nobody can work until it is already fixed")["urgency"] == 0
    assert ranks("No puedo trabajar hasta que ya esté resuelto")["urgency"] == 0
    assert ranks("It was already solved. Now the whole site is offline again") == {"impact": 0}


def test_labels_and_words_are_given_for_the_explanation() -> None:
    found = floor("¡Atención! TODA LA OFICINA de Málaga parada", TAXONOMY)["impact"]
    assert found.label == TAXONOMY.field("impact").keys[0]
    assert found.words == ("TODA LA OFICINA",)


def test_only_ordered_fields_of_these_names_are_spoken_of() -> None:
    text = "Total outage, nobody can work, ransomware"
    plain = tuple(dataclasses.replace(f, ordered=False) for f in TAXONOMY.fields)
    assert ranks(text, dataclasses.replace(TAXONOMY, fields=plain)) == {}
    labels = tuple(Label(key) for key in ("now", "later"))
    small = Taxonomy("t", (Field("urgency", FieldKind.CHOICE, ordered=True, labels=labels),), "urgency")
    assert floor(text, small)["urgency"].label == "now"
    assert ranks("an outage", small) == {}, "the last label is no floor"


def test_time_grows_with_the_text_and_no_faster() -> None:
    rng = random.Random(0)
    words = "all the whole no not nobody can work is already until site nadie puede todo el equipo a b 12 , .".split()

    def seconds(size: int) -> float:
        text = " ".join(rng.choice(words) for _ in range(size))
        start = time.process_time()
        floor(text, TAXONOMY)
        return time.process_time() - start

    floor("warm", TAXONOMY)
    assert min(seconds(16_000) for _ in range(5)) < 24 * min(seconds(2_000) for _ in range(5))
