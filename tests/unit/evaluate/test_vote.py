"""Learning the weight of votes: simulated corrections give a curve that helps where neighbours share labels."""

from __future__ import annotations

import pytest

pytest.importorskip("scipy", reason="needs the extra 'train'")

import numpy as np

from tamiz.domain.taxonomy import infer
from tamiz.lab.vote import Known, Rows, cases, fit, judged

NOTHING = Known(np.zeros((0, 16), np.float32), {})
TAXONOMY = infer("toy", {"topic": [*"aaabbc"]}, "topic")


def toy_rows(shared: bool, count=240, seed=0) -> Rows:
    """Six groups around centres of their own; `shared`: a group's tickets have one class, else any."""
    rng = np.random.default_rng(seed)
    groups = np.arange(count) % 6
    units = rng.normal(size=(6, 16))[groups] + 0.3 * rng.normal(size=(count, 16))
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    truth = groups % 3 if shared else rng.integers(0, 3, count)
    own = np.full((count, 3), 0.2)
    own[np.arange(count), np.where(groups < 3, groups % 3, 0)] = 0.6
    return Rows(units.astype(np.float32), {"topic": own}, {"topic": truth}, groups)


def test_where_neighbours_share_labels_votes_learn_to_count_and_help() -> None:
    found = list(cases(toy_rows(shared=True), NOTHING, TAXONOMY, told=5))
    figures = judged(found, fit(found, beside=False))
    assert figures["new_recall"] > 0.9
    assert figures["others_after"] > figures["others_before"] + 0.1
    assert figures["log_loss_after"] < figures["log_loss_before"]


def test_where_they_share_none_votes_learn_to_be_silent() -> None:
    found = list(cases(toy_rows(shared=False), NOTHING, TAXONOMY, told=1))
    figures = judged(found, fit(found, beside=True))
    assert figures["log_loss_after"] <= figures["log_loss_before"] + 1e-3
