"""A model that answers nonsense: the ticket is tried again, then a person has it, and no label was made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from tamiz.bootstrap.wiring import starter_folder
from tamiz.domain.errors import BadPredictionError
from tamiz.domain.stages import Stage, Watch
from tamiz.domain.status import Status
from tamiz.domain.triage import Distribution, Prediction
from tamiz.models.encoder import EncoderModel
from tamiz.pipeline.answers import answers
from tamiz.pipeline.explain import evidence_words
from tamiz.service.accept import TRIAGE
from tamiz.service.people import Feedback, correct
from tamiz.testing.scripted import ScriptedModel
from tamiz.text import canonicalize

from .test_service import MESSAGE, SURE, TAXONOMY, TENANT, House

NAN, INF = float("nan"), float("inf")
FIRST = TAXONOMY.predicted[0]
Broken = Callable[[list[Prediction]], list[Prediction]]


def with_first(*probabilities: float, labels: Sequence[str] = FIRST.classes) -> Broken:
    """Predictions whose first field has these probabilities."""
    wrong = Distribution(tuple(labels), probabilities)
    return lambda found: [
        replace(one, distributions={**one.distributions, FIRST.name: wrong}) for one in found
    ]


SIZE = len(FIRST.classes)
NONSENSE: dict[str, Broken] = {
    "NaN": with_first(*[NAN] * SIZE),
    "one NaN": with_first(NAN, *[1 / (SIZE - 1)] * (SIZE - 1)),
    "infinite": with_first(INF, *[0.0] * (SIZE - 1)),
    "negative": with_first(1.5, -0.5, *[0.0] * (SIZE - 2)),
    "no mass": with_first(*[0.0] * SIZE),
    "too short": with_first(*[1 / (SIZE - 1)] * (SIZE - 1)),
    "empty": with_first(),
    "other classes": with_first(*[1 / SIZE] * SIZE, labels=[f"x{i}" for i in range(SIZE)]),
    "a field missing": lambda found: [replace(one, distributions={}) for one in found],
    "NaN of scope": lambda found: [replace(one, scope=NAN) for one in found],
    "no answer": lambda found: [],
    "an answer too many": lambda found: [*found, *found],
}


@dataclass
class BrokenModel(ScriptedModel):
    """Answers well, and then spoils it."""

    spoil: Broken = list

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        return self.spoil(super().predict(texts))


def broken(spoil: Broken) -> BrokenModel:
    return BrokenModel(TAXONOMY, lambda text: SURE, spoil=spoil)


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_tried_again_then_a_person_has_it_and_it_is_no_label(name: str) -> None:
    house = House()
    well = house.judge
    house.judge = replace(well, model=broken(NONSENSE[name]))
    ticket_id = house.accept()
    house.work()
    assert house.ticket(ticket_id).status is Status.PENDING
    for _ in range(11):
        house.clock.pause(3600.0)
        house.work()
    record = house.ticket(ticket_id)
    assert (record.status, record.revision, house.revision(ticket_id)) == (Status.FAILED, 0, None)
    (dead,) = house.store.read(lambda tx: tx.jobs.dead(TENANT))
    assert "BadPredictionError" in dead.reason
    house.judge = well
    later = house.accept()
    house.work()
    assert house.ticket(later).status is Status.BY_AI


def test_nonsense_explains_nothing() -> None:
    with pytest.raises(BadPredictionError):
        evidence_words(broken(NONSENSE["NaN"]), MESSAGE, canonicalize, FIRST.name)


def test_a_model_that_recovers_in_time_has_its_ticket_triaged() -> None:
    house = House()
    tries = iter([NONSENSE["NaN"], NONSENSE["empty"], list])
    house.judge = replace(house.judge, model=broken(lambda found: next(tries)(found)))
    ticket_id = house.accept()
    for _ in range(4):
        house.work()
        house.clock.pause(3600.0)
    assert house.ticket(ticket_id).status is Status.BY_AI


@dataclass
class FakeEncoder:
    """Vectors by order, in place of a network."""

    vectors: Callable[[int, int], np.ndarray]
    width: int

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return self.vectors(len(texts), self.width)


@pytest.mark.parametrize(
    "vectors",
    [
        lambda n, d: np.full((n, d), np.nan, np.float32),
        lambda n, d: np.full((n, d), np.inf, np.float32),
        lambda n, d: np.zeros((n, d - 1), np.float32),
        lambda n, d: np.zeros((n + 1, d), np.float32),
        lambda n, d: np.zeros((0, d), np.float32),
        lambda n, d: np.zeros((0,), np.float32),
        lambda n, d: np.zeros((n, 1, d), np.float32),
    ],
)
def test_an_encoder_that_gives_no_vectors_gives_no_prediction(vectors) -> None:
    model = EncoderModel.open(starter_folder())
    assert answers(model, ["The VPN drops."])
    model.encoder = FakeEncoder(vectors, model.encoder.width)
    with pytest.raises(BadPredictionError, match="vectors of shape"):
        answers(model, ["The VPN drops."])


def test_the_steps_of_a_triage_are_told_by_ticket() -> None:
    house, told = House(), list[Stage]()
    ticket_id = house.accept()
    handler = replace(house.handler(TRIAGE), watch=Watch(house.clock, told.append))
    now = house.clock.now()
    handler(house.store.write(lambda tx: tx.jobs.lease((TRIAGE,), "w", 8, now, now)))
    assert [stage.name for stage in told] == [
        "canonicalize",
        "recall",
        "predict",
        "remember",
        "decide",
        "store",
    ]
    assert {stage.tickets for stage in told} == {(ticket_id,)}
    assert {stage.error for stage in told} == {""}


def test_a_correction_tells_how_sure_the_model_was_of_what_it_had_shown() -> None:
    house = House()
    ticket_id = house.accept()
    house.work()

    def say(**values: str) -> dict[str, float]:
        done = correct(house.store, house.clock, TAXONOMY, Feedback(TENANT, ticket_id, values, "ana"))
        return dict(done.confidence)

    sure = house.revision(ticket_id).triage.fields["category"].confidence
    right = FIRST.classes[0]
    assert say(category=right) == {"category": sure}
    assert say(category=right) == {}, "a person's value stood there"
