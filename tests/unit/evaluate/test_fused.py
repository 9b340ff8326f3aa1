"""Parts weighed against each other, and stored as one linear component."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn comes with the extra 'train'")
from tamiz.domain.errors import ConfigError
from tamiz.domain.gate import Policy
from tamiz.lab.frozen_encoder import find_encoder
from tamiz.lab.fused import Slices, train_fused
from tamiz.lab.linear_parts import fit_parts, merged
from tamiz.lab.train_baseline import matrix
from tamiz.lab.weigh import FEWEST, weigh
from tamiz.models.open import open_model

RNG = np.random.default_rng(5)


def scores_of(truth: Any, noise: float, classes: int = 3) -> Any:
    return np.eye(classes)[truth] + RNG.normal(0, noise, (len(truth), classes))


def test_the_better_part_gets_the_greater_say() -> None:
    y = RNG.integers(0, 3, 300)
    found = weigh([scores_of(y, 0.4), scores_of(y, 3.0)], y, np.bincount(y))
    assert found.fusion.weights[0] > 3 * found.fusion.weights[1]
    assert found.crossed.shape == (300, 3)
    assert found.crossed.sum(axis=1) == pytest.approx(1.0)


def test_rare_classes_are_pushed_when_that_costs_little() -> None:
    y = (RNG.random(600) < 0.06).astype(int)
    scores = scores_of(y, 0.9, 2) + np.array([0.8, 0.0])
    found = weigh([scores], y, np.array([940, 60]))
    plain = weigh([scores], y, np.array([500, 500]))
    caught = found.fusion.probabilities([scores]).argmax(axis=1)[y == 1].mean()
    assert found.push > 0
    assert caught > plain.fusion.probabilities([scores]).argmax(axis=1)[y == 1].mean()


def test_with_hardly_any_labels_every_part_has_the_same_say() -> None:
    y = np.full(50, -1)
    y[: FEWEST - 1] = 0
    found = weigh([np.zeros((50, 3)), np.zeros((50, 3))], y, np.array([9, 0, 0]))
    assert found.fusion.weights == (0.5, 0.5)


def test_unlabelled_rows_get_probabilities_too() -> None:
    y = RNG.integers(0, 3, 60)
    scores = scores_of(y, 0.5)
    y[::7] = -1
    found = weigh([scores], y, np.array([20, 20, 20]))
    assert found.crossed.sum(axis=1) == pytest.approx(1.0)


def test_merged_parts_say_what_their_weighted_sum_says(taxonomy: Any, make: Any) -> None:
    train, texts = make(120), [e.text for e in make(15, seed=9, start=900)]
    tfidf, parts = fit_parts(train, taxonomy, 0)
    shares = [0.5 + i for i in range(len(parts))]
    component = merged(tfidf, parts, {"topic": shares, "level": shares})
    features = matrix(tfidf, texts)
    wanted = sum(share * part.margins(features, "topic") for share, part in zip(shares, parts, strict=True))
    assert component.scores(texts)["topic"] == pytest.approx(wanted, abs=0.01)


def test_a_fused_model_is_written_opened_and_right(taxonomy: Any, make: Any, tmp_path: Path) -> None:
    slices = Slices(make(150), make(60, seed=1, start=500))
    fused = train_fused(slices, taxonomy, None, lambda text: None)
    model = open_model(fused.write(tmp_path / "model", "small", Policy(), slices))
    judged = make(40, seed=2, start=900)
    guesses = [p.distributions["topic"].best[0] for p in model.predict([e.text for e in judged])]
    assert guesses == [e.labels["topic"] for e in judged]
    assert len(fused.crossed) == 60


def test_a_folder_without_an_encoder_is_refused_and_none_is_none(tmp_path: Path) -> None:
    assert find_encoder("none", tmp_path, [], 0.0) is None
    with pytest.raises(ConfigError, match="not the folder of an encoder model"):
        find_encoder(str(tmp_path), tmp_path, [], 0.0)
