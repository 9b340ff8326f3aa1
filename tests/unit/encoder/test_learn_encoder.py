"""A candidate from an encoder: its heads moved, or trained anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch comes with the extra 'train'")

from tamiz.domain.errors import ConfigError
from tamiz.lab.learn import candidate
from tamiz.lab.learn.opened import Opened
from tamiz.lab.train_baseline import BaselineOptions, train_baseline
from tamiz.lab.train_encoder import train_encoder
from tamiz.models.artifact import read_manifest, verify
from tamiz.models.open import open_model


@pytest.fixture
def active(tiny: Any, tmp_path: Path) -> Path:
    config = tiny.config(mode="frozen", hybrid=True, exemplars=8)
    rows = tiny.examples(120)
    return train_encoder(config, rows[:90], rows[90:], tiny.taxonomy, tmp_path / "desk", earned=False)


def test_a_moved_model_keeps_its_encoder_and_its_exemplars(tiny: Any, active: Path, tmp_path: Path) -> None:
    rows = tiny.examples(200)
    made = candidate.quick(active, rows[:150], rows[150:], tmp_path / "out" / "model", 0.02)
    assert verify(made.folder) == []
    before, after = read_manifest(active), read_manifest(made.folder)
    assert after.name == "desk-learned"
    assert after.training["from"] == before.content_hash
    for kept in ("encoder.onnx", "tokenizer.json", "exemplars.json"):
        assert after.files[kept] == before.files[kept]
    texts = [e.text for e in rows[:10]]
    old, new = open_model(active).predict(texts), open_model(made.folder).predict(texts)
    for one, other in zip(old, new, strict=True):
        assert np.allclose(one.embedding, other.embedding)
    shared = Opened()
    for path, told in ((active, old), (made.folder, new)):
        assert shared(path).predict(texts)[3].distributions == told[3].distributions
    assert [len(seen) for seen in shared.seen.values()] == [len(set(texts))]
    again = candidate.quick(made.folder, rows[:150], rows[150:], tmp_path / "out" / "again", 0.02)
    assert read_manifest(again.folder).name == "desk-learned"


def test_a_full_run_trains_anew_and_takes_the_place_of_a_killed_one(
    tiny: Any, active: Path, tmp_path: Path
) -> None:
    rows, settings = tiny.examples(120), tmp_path / "run.toml"
    config = tiny.config(mode="frozen")
    told = config.model_dump(include=config.model_fields_set)
    lines = (
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}"
        for key, value in told.items()
    )
    settings.write_text("\n".join(lines), "utf-8")
    out = tmp_path / "learn" / "now" / "model"
    out.parent.mkdir(parents=True)
    (tmp_path / "learn" / "desk-learned").mkdir()
    made = candidate.full(active, rows[:90], rows[90:], out, 0.02, str(settings))
    assert verify(made.folder) == []
    assert read_manifest(made.folder).name == "desk-learned"


def test_a_model_without_heads_cannot_learn(tiny: Any, tmp_path: Path) -> None:
    rows, options = tiny.examples(40), BaselineOptions(majority=True)
    folder = train_baseline(rows, [], tiny.taxonomy, tmp_path / "most", options)
    with pytest.raises(ConfigError, match="cannot learn"):
        candidate.quick(folder, rows[:30], rows[30:], tmp_path / "out", 0.02)
