"""Train, export, open and predict, in every mode, on a network of two layers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch comes with the extra 'train'")

from tamiz.domain.errors import BrokenArtifactError, ConfigError, DataError
from tamiz.lab.base_models import load_base
from tamiz.lab.data.example import Example
from tamiz.lab.encoder_config import EncoderConfig
from tamiz.lab.train_encoder import train_encoder
from tamiz.models.artifact import read_manifest, verify
from tamiz.models.encoder import EncoderModel
from tamiz.models.open import open_model

STRANGE = ["", " ", "\x00", "\ud800 broken", "🙂" * 50, "שלום", "vpn " * 5000, "x" * 100_000, "a\nb\tc"]

MODES: dict[str, dict[str, Any]] = {
    "frozen": {"mode": "frozen"},
    "frozen-weighted": {"mode": "frozen", "class_weights": True},
    "lora": {"mode": "lora"},
    "lora-everything-on": {
        "mode": "lora",
        "targets": ["query", "dense"],
        "patience": 2,
        "ema": 0.9,
        "contrastive": 0.2,
        "class_weights": True,
        "accumulate": 2,
        "checkpointing": True,
        "hybrid": True,
        "save_every": 3,
    },
    "full-one-layer": {"mode": "full", "layers": 1},
    "full-bf16": {"mode": "full", "precision": "bf16"},
    "full-fp16": {"mode": "full", "precision": "fp16", "centred": True},
    "int8": {"mode": "frozen", "quantize": "int8"},
    "fp32": {"mode": "frozen", "quantize": "fp32"},
}


@pytest.fixture(scope="module")
def trained(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "hybrid"
    config = tiny.config(hybrid=True, quantize="int8")
    return train_encoder(config, tiny.examples(96), tiny.examples(64, 100), tiny.taxonomy, out, earned=False)


@pytest.mark.parametrize("changes", MODES.values(), ids=MODES)
def test_a_trained_model_is_sound_and_better_than_chance(
    tiny: Any, tmp_path: Path, changes: dict[str, Any]
) -> None:
    config = tiny.config(**changes)
    out = tmp_path / "model"
    train_encoder(config, tiny.examples(96), tiny.examples(64, 100), tiny.taxonomy, out, earned=True)

    assert verify(out) == []
    model = open_model(out)
    test = [e for e in tiny.examples(40, 200) if not e.abstain]
    predictions = model.predict([e.text for e in test])
    hits = [
        p.distributions["category"].best[0] == e.labels["category"]
        for p, e in zip(predictions, test, strict=True)
    ]
    assert np.mean(hits) > 0.75
    for prediction in predictions:
        assert 0.0 <= prediction.scope <= 1.0
        assert np.linalg.norm(prediction.embedding) == pytest.approx(1.0, abs=1e-4)
        for f in tiny.taxonomy.predicted:
            assert prediction.distributions[f.name].labels == f.classes
            assert sum(prediction.distributions[f.name].probabilities) == pytest.approx(1.0)


def test_the_manifest_says_what_was_trained(tiny: Any, trained: Path) -> None:
    manifest = read_manifest(trained)
    training, export = manifest.training, manifest.metrics["export"]
    assert 0 < training["trained_share"] < 1
    assert len(training["lora_targets"]) == 12
    assert "encoder.layer.1.attention.self.query" in training["lora_targets"]
    assert EncoderConfig.model_validate({k: training[k] for k in EncoderConfig.model_fields}) == tiny.config(
        hybrid=True, quantize="int8"
    )
    assert export["precision"] == "int8"
    assert set(export["accuracy"]) == {"fp32", "int8"}
    assert set(export["accuracy"]["int8"]) == {"category", "type", "application"}


def test_nothing_is_applied_unless_earned(trained: Path) -> None:
    assert all(p.apply_at is None for p in open_model(trained).policy.fields.values())


def test_neighbours_in_the_batch_never_change_an_answer(tiny: Any, trained: Path) -> None:
    model = EncoderModel.open(trained)
    texts = [*STRANGE, *(e.text for e in tiny.examples(20, 300))]
    together = model.predict(texts)
    alone = [model.predict([text])[0] for text in texts]
    for left, right in zip(together, alone, strict=True):
        assert left.distributions == right.distributions
        assert left.scope == pytest.approx(right.scope, abs=1e-12)
        assert np.array_equal(left.embedding, right.embedding)


def test_any_text_gets_an_answer(trained: Path) -> None:
    model = EncoderModel.open(trained)
    assert model.predict([]) == []
    assert len(model.predict(STRANGE)) == len(STRANGE)
    assert model.embed([]).shape == (0, 32)
    assert model.embed(STRANGE).shape == (len(STRANGE), 32)
    assert np.array_equal(model.embed(STRANGE[:1])[0], model.predict(STRANGE[:1])[0].embedding)


def test_a_finished_run_leaves_events_but_no_state(trained: Path) -> None:
    left = [path.name for path in trained.with_name("hybrid.run").iterdir()]
    assert left
    assert all(name.startswith("events.") for name in left)


@pytest.mark.parametrize(
    "name, content",
    [
        ("encoder.onnx", b"not a graph"),
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", b"{"),
        ("heads.safetensors", b"short"),
        ("encoder.json", b"{}"),
        ("encoder.onnx", None),
    ],
)
def test_a_damaged_model_is_refused(trained: Path, tmp_path: Path, name: str, content: bytes | None) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in trained.rglob("*"):
        if path.is_file():
            (copy / path.relative_to(trained)).parent.mkdir(exist_ok=True)
            (copy / path.relative_to(trained)).write_bytes(path.read_bytes())
    if content is None:
        (copy / name).unlink()
    else:
        (copy / name).write_bytes(content)
    with pytest.raises(BrokenArtifactError):
        open_model(copy)


@pytest.mark.parametrize(
    "changes, key, mistake",
    [
        (
            {"targets": ["q_proj", "query"]},
            "targets",
            "'q_proj' matches no linear layer of the encoder; it has: dense, key, query, value",
        ),
        ({"base": "./no/such/folder"}, "base", "there is no folder './no/such/folder'"),
        ({"base": str(Path(__file__).parent)}, "base", "cannot be loaded ("),
        ({"layers": 3}, "layers", "3 is more than the 2 of"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    tiny: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    key: str,
    mistake: str,
) -> None:
    with pytest.raises(ConfigError) as caught:
        train_encoder(
            tiny.config(**changes),
            tiny.examples(16),
            tiny.examples(16),
            tiny.taxonomy,
            tmp_path / "m",
            earned=False,
        )
    assert caught.value.facts["key"] == key
    assert mistake in str(caught.value)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "train, held_out, mistake",
    [
        (
            [Example("a", "vpn")],
            [Example("b", "vpn", {"category": "network"})],
            "no training row carries a label",
        ),
        ([Example("a", "vpn", {"category": "network"})], [], "no held-out row carries a label"),
        (
            [Example("a", "vpn", {"category": "gold"})],
            [Example("b", "v", {"category": "network"})],
            "'gold' is not",
        ),
    ],
)
def test_unusable_rows_are_refused(
    tiny: Any, tmp_path: Path, train: list[Example], held_out: list[Example], mistake: str
) -> None:
    with pytest.raises(DataError, match=mistake):
        train_encoder(tiny.config(), train, held_out, tiny.taxonomy, tmp_path / "m", earned=False)


def test_one_group_cannot_both_stop_and_calibrate(tiny: Any, tmp_path: Path) -> None:
    held_out = [replace(e, group="thread") for e in tiny.examples(8)]
    with pytest.raises(DataError, match="set patience = 0"):
        train_encoder(
            tiny.config(patience=1), tiny.examples(8), held_out, tiny.taxonomy, tmp_path / "m", earned=False
        )


def test_an_existing_folder_is_refused_before_any_work(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(BrokenArtifactError, match="already something"):
        train_encoder(tiny.config(base="unread"), [], [], tiny.taxonomy, tmp_path, earned=False)


def test_kept_layers_are_the_first_or_spread_ones(tiny: Any) -> None:
    whole = load_base(tiny.config()).model
    for choice, expected in (("first", 0), ("spread", 0)):
        short = load_base(tiny.config(layers=1, layer_choice=choice)).model
        weights = [m.encoder.layer[i].output.dense.weight for m, i in ((whole, expected), (short, 0))]
        assert len(short.encoder.layer) == 1
        assert bool((weights[0] == weights[1]).all())


def test_long_texts_keep_their_beginning_and_their_end(tiny: Any) -> None:
    from tamiz.models.text_encoder import TextTokens

    tokens = TextTokens(load_base(tiny.config()).tokenizer, 8)
    ids = tokens.ids("vpn " + "slow " * 200 + "mouse")
    words = [tokens.tokenizer.id_to_token(i) for i in ids]
    assert words == ["[CLS]", "vpn", "slow", "slow", "slow", "slow", "mouse", "[SEP]"]
    assert json.loads(tokens.tokenizer.to_str())["truncation"] is None
