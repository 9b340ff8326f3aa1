"""Heads are moved by people's words, and only where they said something."""

from __future__ import annotations

import numpy as np
import pytest

for package in ("sklearn", "scipy"):
    pytest.importorskip(package, reason="the extra 'train' is not installed")

from scipy.sparse import csr_matrix

from tamiz.domain.taxonomy import Field, FieldKind, Label, Taxonomy
from tamiz.lab.learn.update import Parts, Rows, update
from tamiz.models.calibration import Calibration, Fusion
from tamiz.models.encoder_heads import EncoderHeads


def keyed(*keys: str) -> tuple[Label, ...]:
    return tuple(Label(key) for key in keys)


CHILD = tuple(Label(key, parents=("A", "B", "C")) for key in ("x", "y"))
TAXONOMY = Taxonomy(
    "small",
    (
        Field("topic", FieldKind.CHOICE, labels=keyed("A", "B", "C")),
        Field("part", FieldKind.CHOICE, labels=CHILD, parent="topic"),
        Field("level", FieldKind.CHOICE, labels=keyed("High", "Low")),
    ),
    "topic",
)
WIDTH = 16


def parts() -> Parts:
    rng = np.random.default_rng(0)
    heads = {}
    for f in TAXONOMY.predicted:
        heads[f"{f.name}.weight"] = rng.normal(size=(len(f.classes), WIDTH)).astype(np.float32)
        heads[f"{f.name}.bias"] = np.zeros(len(f.classes), np.float32)
    heads["part.parent"] = rng.normal(size=(2, 3)).astype(np.float32)
    fusions = {f.name: Fusion((1.5,), (0.1,) * len(f.classes)) for f in TAXONOMY.predicted}
    return Parts(TAXONOMY, Calibration(fusions), heads, None)


def rows(count: int, seed: int, before: Parts, told: bool = True) -> Rows:
    """What the model says, but for its topic A, which people call B; nobody speaks of levels."""
    rng = np.random.default_rng(seed)
    units = rng.normal(size=(count, WIDTH)).astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    empty = {f.name: np.full(count, -1) for f in TAXONOMY.predicted}
    blank = Rows(units, csr_matrix((count, 0)), empty)
    topic = before.logits(blank, "topic").argmax(axis=1)
    classes = {**empty, "topic": np.where(topic == 0, 1, topic)} if told else empty
    return Rows(units, blank.features, classes)


def test_a_habit_is_learned_and_what_nobody_spoke_of_stays() -> None:
    before = parts()
    found = update(before, rows(300, 1, before), rows(100, 2, before))
    fresh = rows(300, 3, before)
    truth = fresh.classes["topic"]
    was = (before.logits(fresh, "topic").argmax(axis=1) == truth).mean()
    now = (found.served.logits(fresh, "topic").argmax(axis=1) == truth).mean()
    assert was < 0.75
    assert now > 0.9
    assert found.changes["topic"].strength > 0
    assert found.changes["level"].strength == 0
    assert (found.served.logits(fresh, "level") == before.logits(fresh, "level")).all()
    assert found.served.heads["level.weight"] is before.heads["level.weight"]


def test_the_scores_are_those_of_serving() -> None:
    before = parts()
    found = update(before, rows(300, 1, before), rows(100, 2, before)).served
    fresh = rows(20, 3, before)
    served = EncoderHeads(found.heads, TAXONOMY).read(fresh.units)[0]
    for name, scores in served.items():
        assert np.allclose(scores, found.scores(fresh, name)[0], atol=1e-5)


def test_without_words_nothing_moves() -> None:
    before = parts()
    found = update(before, rows(300, 1, before, told=False), rows(100, 2, before, told=False))
    assert all(change.strength == 0 and change.temperature == 1 for change in found.changes.values())
    fresh = rows(50, 4, before)
    for f in TAXONOMY.predicted:
        assert (found.served.logits(fresh, f.name) == before.logits(fresh, f.name)).all()


def test_words_that_say_nothing_new_change_no_label() -> None:
    before = parts()
    same = [rows(300, 1, before), rows(100, 2, before)]
    agreed = [
        Rows(one.units, one.features, {**one.classes, "topic": before.logits(one, "topic").argmax(axis=1)})
        for one in same
    ]
    found = update(before, *agreed)
    fresh = rows(300, 5, before)
    moved = found.served.logits(fresh, "topic").argmax(axis=1) != before.logits(fresh, "topic").argmax(axis=1)
    assert moved.mean() < 0.03
