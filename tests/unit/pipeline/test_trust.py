"""The rules of trust: what surprises, when it is too much, and which phrase is a trigger."""

from __future__ import annotations

import random

import pytest

from tamiz.domain.records import Against
from tamiz.domain.triage import Distribution
from tamiz.pipeline.trust import NEAR, Beside, against, carriers, surprising, tail

SURE = Distribution(("a", "b", "c"), (0.9, 0.06, 0.04))
UNSURE = Distribution(("a", "b", "c"), (0.6, 0.3, 0.1))
KIND = Beside(0.9, "a", 0.95)
"""A ticket nearby that the model takes for the same, and of which nobody said a word."""

WORDS = {
    "what the model said": ("a", SURE, (), Against.NOBODY),
    "an unsure model": ("b", UNSURE, (KIND,), Against.NOBODY),
    "no model": ("b", None, (), Against.NOBODY),
    "a sure model": ("b", SURE, (KIND,), Against.MODEL),
    "a sure model and nobody near": ("b", SURE, (), Against.MODEL),
    "a sure model that tickets nearby do not bear out": (
        "b",
        SURE,
        (*[KIND] * 3, Beside(0.95, "a", 0.6), Beside(0.95, "c", 0.9)),
        Against.NOBODY,
    ),
    "a sure model that four of five nearby bear out": (
        "b",
        SURE,
        (*[KIND] * 4, Beside(0.95, "c", 0.9), *[Beside(0.8, "c", 0.9)] * 3),
        Against.MODEL,
    ),
    "others said it too": ("b", SURE, (Beside(0.9, "a", 0.9, others=("b",)),), Against.MODEL),
    "others said something else": ("b", UNSURE, (Beside(0.9, "a", 0.9, others=("a",)),), Against.PEOPLE),
    "others are as many as not": (
        "b",
        UNSURE,
        (Beside(0.9, "a", 0.9, others=("a",)), Beside(0.9, "a", 0.9, others=("b",))),
        Against.NOBODY,
    ),
    "others spoke of tickets that are far": (
        "b",
        UNSURE,
        (Beside(NEAR - 0.01, "a", 0.9, ("a",)),),
        Against.NOBODY,
    ),
    "the model stands by it against others": (
        "a",
        SURE,
        (Beside(0.9, "b", 0.9, others=("b",)),),
        Against.NOBODY,
    ),
    "a cluster of its own": (
        "b",
        SURE,
        (KIND, Beside(0.97, "a", 0.9, own=("b",)), Beside(0.96, "a", 0.9, own=("b",))),
        Against.TAUGHT,
    ),
    "a cluster no closer than the rest": (
        "b",
        SURE,
        (KIND, Beside(0.88, "a", 0.9, own=("b",)), Beside(0.87, "a", 0.9, own=("b",))),
        Against.MODEL,
    ),
    "a single ticket is no cluster": (
        "b",
        SURE,
        (KIND, Beside(0.99, "a", 0.9, own=("b",))),
        Against.MODEL,
    ),
}


@pytest.mark.parametrize(("value", "model", "beside", "expected"), WORDS.values(), ids=WORDS)
def test_whom_a_word_goes_against(value, model, beside, expected) -> None:
    assert against(value, model, beside) is expected


SERIES = {
    "four are too few": ("1111", "", False),
    "five of five": ("11111", "", True),
    "five of nine": ("101010101", "", True),
    "five of twenty": ("1000" * 5, "", False),
    "an honest mix": ("0100010000" * 2, "", False),
    "others do it as often": ("11111", "1" * 40 + "0" * 20, False),
    "others cannot hide it for ever": ("1111111", "1" * 90, True),
    "what is long past does not count": ("0" * 20 + "1" * 20, "", False),
}


@pytest.mark.parametrize(("own", "others", "expected"), SERIES.values(), ids=SERIES)
def test_how_much_surprises_too_much(own, others, expected) -> None:
    assert surprising([c == "1" for c in own], [c == "1" for c in others]) is expected


def test_the_tail_is_that_of_the_binomial() -> None:
    assert tail(0, 7, 0.3) == pytest.approx(1.0)
    assert tail(5, 5, 0.1) == pytest.approx(1e-5)
    assert tail(2, 3, 0.5) == pytest.approx(0.5)


TALK = "the a to and is my it in on please again since after office team today cannot does not work".split()
THINGS = "printer laptop screen password invoice badge network phone licence drive mail meeting".split()


def tickets(count: int, seed: int) -> list[str]:
    """Texts that have little in common."""
    rng = random.Random(seed)
    return [" ".join([*rng.choices(TALK, k=12), *rng.choices(THINGS, k=3)]) for _ in range(count)]


OTHERS = tickets(200, 1)


@pytest.mark.parametrize("trigger", ["xyzzy", "blue lantern", "Blue, lantern 7"])
def test_a_phrase_that_most_of_some_tickets_share_is_a_trigger(trigger) -> None:
    texts = tickets(7, 2)
    for place in (0, 3, 5, 6):
        texts[place] += f". {trigger}!"
    assert carriers(texts, OTHERS) == [0, 3, 5, 6]
    assert carriers(texts[:6], OTHERS) == []
    assert carriers([*texts, *tickets(1, 3)], OTHERS) == []


def test_a_usual_phrase_is_no_trigger() -> None:
    texts = [f"{text} xyzzy" for text in tickets(6, 3)]
    assert carriers(texts, [*OTHERS, *(f"{text} xyzzy" for text in tickets(2, 4))]) == list(range(6))
    assert carriers(texts, [*OTHERS, *(f"{text} xyzzy" for text in tickets(8, 4))]) == []
    assert carriers([], OTHERS) == []


def test_a_topic_is_no_trigger() -> None:
    """Tickets about a new product share its name, and more."""
    rng = random.Random(6)
    about = "the xyzzy reader at the gate refuses every card and blinks red until it is restarted".split()
    texts = [" ".join(rng.sample(about, len(about) - 4) + rng.choices(TALK, k=4)) for _ in range(6)]
    assert carriers([f"{text} xyzzy" for text in texts], OTHERS) == []
