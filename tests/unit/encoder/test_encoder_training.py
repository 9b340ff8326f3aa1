"""The training loop: resuming, masking, batches, settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch comes with the extra 'train'")

from tamiz.domain.errors import ConfigError
from tamiz.domain.taxonomy import infer
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.lab.base_models import load_base
from tamiz.lab.data.example import Example
from tamiz.lab.encoder_config import load_config, parse, profiles
from tamiz.lab.encoder_data import (
    MASKED,
    balanced_weights,
    bucketed,
    halves,
    label_rows,
    padded,
    targets_of,
)
from tamiz.lab.encoder_loop import Rows, Run, embed, hardware
from tamiz.lab.encoder_net import EncoderNet, adapt, contrastive_loss, loss_of, merged
from tamiz.lab.export_onnx import choose, export_fp32, quantize_int8
from tamiz.models.encoder_heads import EncoderHeads
from tamiz.models.text_encoder import TextEncoder, TextTokens


def _run(tiny: Any, config: Any, folder: Path) -> Run:
    base = load_base(config)
    tokens = TextTokens(base.tokenizer, config.max_tokens)
    train = tiny.examples(40)
    torch.manual_seed(config.seed)
    net = EncoderNet(base, tiny.taxonomy, config, abstain=True)
    adapt(net, config)
    rows = Rows([tokens.ids(e.text) for e in train], targets_of(train, tiny.taxonomy), base.pad)
    return Run(net, rows, config, hardware(config), folder)


@pytest.mark.parametrize(
    "changes, stops",
    [
        ({"mode": "lora"}, [3]),
        ({"mode": "full", "accumulate": 2, "ema": 0.9, "patience": 3}, [2, 5]),
        ({"mode": "lora", "contrastive": 0.3, "patience": 2}, [1, 7]),
    ],
)
def test_a_killed_run_resumes_to_the_same_weights(
    tiny: Any, tmp_path: Path, changes: dict[str, Any], stops: list[int]
) -> None:
    config = tiny.config(**changes)
    held_out = [[2, 4, 3], [2, 5, 6, 3]]

    def judge(units: np.ndarray) -> float:
        return float(np.abs(units).mean())

    whole = _run(tiny, config, tmp_path / "whole")
    finished = whole.fit(judge, held_out, "key")
    for stop in stops:
        _run(tiny, config, tmp_path / "killed").fit(judge, held_out, "key", stop_after=stop)
    resumed = _run(tiny, config, tmp_path / "killed")
    progress = resumed.fit(judge, held_out, "key")

    assert progress == finished
    for left, right in zip(whole.trained, resumed.trained, strict=True):
        assert torch.equal(left, right)


def test_a_state_of_another_run_is_refused(tiny: Any, tmp_path: Path) -> None:
    config = tiny.config()
    _run(tiny, config, tmp_path).fit(None, [], "one", stop_after=2)
    with pytest.raises(ConfigError, match="belongs to a run with other settings or data"):
        _run(tiny, config, tmp_path).fit(None, [], "two")
    (tmp_path / "state.safetensors").write_bytes(b"half")
    with pytest.raises(ConfigError, match="delete it to start over"):
        _run(tiny, config, tmp_path).fit(None, [], "one")


def test_early_stopping_keeps_the_best_epoch(tiny: Any, tmp_path: Path) -> None:
    scores = iter([0.5, 0.9, 0.7, 0.6, 1.0])
    seen = []

    def judge(units: np.ndarray) -> float:
        seen.append(units)
        return next(scores)

    run = _run(tiny, tiny.config(epochs=5, patience=2), tmp_path)
    progress = run.fit(judge, [[2, 4, 3]], "key")
    assert progress.best_epoch == 1
    assert len(seen) == 4
    assert np.array_equal(embed(run.net, [[2, 4, 3]], 0, run.where), seen[1])


def test_a_row_without_a_label_adds_nothing_to_its_field(tiny: Any) -> None:
    config = tiny.config()
    net = EncoderNet(load_base(config), tiny.taxonomy, config, abstain=False).eval()
    unit = torch.nn.functional.normalize(torch.randn(4, 32), dim=1).requires_grad_()
    full = {"category": [0, 1, 0, 1], "type": [0, 2, 1, 3], "application": [MASKED] * 4}
    part = {**full, "category": [0, 1, MASKED, 1], "type": [MASKED] * 4}
    tensors = {name: torch.tensor(rows) for name, rows in part.items()}
    loss = loss_of(net, unit, tensors, torch.zeros(4), {}, config)
    loss.backward()
    assert not unit.grad[2].any()
    assert unit.grad[0].any()
    only = torch.nn.functional.cross_entropy(
        net.logits(unit)["category"][[0, 1, 3]], torch.tensor([0, 1, 1]), label_smoothing=0.1
    )
    assert torch.allclose(loss, only)
    nothing = {name: torch.full((4,), MASKED) for name in full}
    assert loss_of(net, unit, nothing, torch.zeros(4), {}, config).item() == 0.0


def test_what_goes_to_a_person_teaches_no_field(tiny: Any) -> None:
    rows = targets_of([Example("a", "x", {"category": "network"}, abstain="vague")], tiny.taxonomy)
    assert rows.fields["category"].tolist() == [MASKED]
    assert rows.abstain.tolist() == [1.0]


def test_a_child_class_starts_unlikely_below_a_foreign_parent(tiny: Any) -> None:
    config = tiny.config()
    net = EncoderNet(load_base(config), tiny.taxonomy, config, abstain=False)
    matrix = net.plain_heads()["type.parent"]
    assert (matrix[:2, 0] == 0).all()
    assert (matrix[2:, 0] < 0).all()
    assert (matrix[2:, 1] == 0).all()


def test_exported_vectors_and_heads_equal_the_trained_ones(tiny: Any, tmp_path: Path) -> None:
    config = tiny.config()
    run = _run(tiny, config, tmp_path)
    run.fit(None, [], "key", stop_after=4)
    base = load_base(config)
    texts = [e.text for e in tiny.examples(6)]
    ids = [TextTokens(base.tokenizer, 16).ids(text) for text in texts]
    unit = embed(run.net, ids, base.pad, run.where)
    with torch.inference_mode():
        logits = run.net.logits(torch.from_numpy(unit))
    heads = EncoderHeads(run.net.plain_heads(), tiny.taxonomy)
    scores, signals = heads.read(unit)
    for name, rows in scores.items():
        assert np.allclose(rows, logits[name].numpy(), atol=1e-4)
    assert set(signals) == {"abstain_logit"}
    fp32 = export_fp32(merged(run.net), tmp_path / "fp32.onnx")
    int8 = quantize_int8(fp32, tmp_path / "int8.onnx")
    assert np.allclose(TextEncoder(fp32.read_bytes(), base.tokenizer, 16).embed(texts), unit, atol=1e-5)
    cosines = (TextEncoder(int8.read_bytes(), base.tokenizer, 16).embed(texts) * unit).sum(axis=1)
    assert cosines.min() > 0.95


@pytest.mark.parametrize(
    "int8, rows, shipped",
    [
        (0.90, 5000, "int8"),
        (0.898, 5000, "int8"),
        (0.896, 5000, "fp32"),
        (0.895, 200, "int8"),
        (0.89, 200, "fp32"),
    ],
)
def test_int8_ships_unless_it_loses_too_much(int8: float, rows: int, shipped: str) -> None:
    assert choose({"fp32": {"category": 0.9}, "int8": {"category": int8}}, rows) == shipped


def test_partners_lower_the_contrastive_loss() -> None:
    unit = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0.1], [0, 1], [0.1, 1]]), dim=1)
    near = contrastive_loss(unit, torch.tensor([0, 0, 1, 1]), 0.1)
    far = contrastive_loss(unit, torch.tensor([0, 1, 0, 1]), 0.1)
    assert float(near) < float(far)
    assert float(contrastive_loss(unit, torch.tensor([0, 1, 2, 3]), 0.1)) == 0.0
    assert float(contrastive_loss(unit, torch.full((4,), MASKED), 0.1)) == 0.0


def test_batches_hold_every_row_once_and_texts_of_similar_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 1000).tolist()
    batches = bucketed(lengths, 16, seed=1, epoch=2)
    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    assert np.mean([np.ptp(np.array(lengths)[b]) for b in batches]) < 20
    again, other = bucketed(lengths, 16, seed=1, epoch=2), bucketed(lengths, 16, seed=1, epoch=3)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(batches, other, strict=True))


def test_a_sample_holds_random_rows_and_a_few_of_every_class() -> None:
    taxonomy = infer("x", {"area": ["common", "rare"]})
    examples = [Example(str(i), "text", {"area": "rare" if i % 200 == 0 else "common"}) for i in range(2000)]
    targets = targets_of(examples, taxonomy)
    rows = targets.sample(100, seed=3)
    assert np.array_equal(rows, targets.sample(100, seed=3))
    assert 100 <= len(rows) <= 120
    assert (targets.only(rows).fields["area"] == taxonomy.field("area").classes.index("rare")).sum() >= 8
    assert np.array_equal(targets.sample(5000, seed=3), np.arange(2000))


def test_labels_teach_themselves_but_levels_do_not() -> None:
    taxonomy = default_taxonomy()
    rows = label_rows(taxonomy)
    assert {name for e in rows for name in e.labels} == {f.name for f in taxonomy.predicted if not f.ordered}
    told = [e.text for e in rows if e.labels == {"application": "Outlook"}]
    assert told == [
        "Outlook",
        "Exchange",
        "mail",
        "correo",
        "e-mail",
        "buzón",
        "Outlook, Exchange and mailboxes.",
    ]
    assert len(targets_of(rows, taxonomy).labelled("category")) >= 6


def test_padding_is_masked() -> None:
    ids, mask = padded([[5, 6, 7], [8]], pad=1)
    assert ids.tolist() == [[5, 6, 7], [8, 1, 1]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_balanced_weights_ignore_unlabelled_rows() -> None:
    weights = balanced_weights(np.array([0, 0, 0, 1, MASKED]), 3)
    assert weights.tolist() == pytest.approx([2 / 3, 2.0, 0.0])


def test_halves_keep_groups_together() -> None:
    rows = [Example(str(i), "x", group=f"g{i // 3}" if i < 30 else "") for i in range(60)]
    left, right = halves(rows, seed=0)
    assert len(left) + len(right) == 60
    assert len(left) > 10
    assert len(right) > 10
    assert not {e.group for e in left if e.group} & {e.group for e in right if e.group}


@pytest.mark.parametrize(
    "data, key, mistake",
    [
        ({"mode": "qlora"}, "mode", "'lora', 'full' or 'frozen'"),
        ({"rank": 0}, "rank", "greater than or equal to 1, not 0"),
        ({"epochs": "3"}, "epochs", "valid integer"),
        ({"learn_rate": 1.0}, "learn_rate", "is not a setting of"),
        ({"targets": []}, "targets", "names no layer"),
        ({"warmup": 1.5}, "warmup", "less than 1"),
        ({"device": "tpu"}, "device", "'auto', 'cpu', 'cuda' or 'mps'"),
    ],
)
def test_a_wrong_setting_is_named(data: dict[str, Any], key: str, mistake: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(data)
    assert caught.value.facts["key"] == key
    assert mistake in str(caught.value)


def test_configurations_come_from_files_and_profiles(tmp_path: Path) -> None:
    assert profiles() == ("cpu", "cuda", "frozen", "mps")
    assert {load_config(name).device for name in profiles()} == {"cpu", "cuda", "mps", "auto"}
    (tmp_path / "c.toml").write_text('mode = "full"\ntargets = ["query"]\n')
    assert load_config(tmp_path / "c.toml").rate == 1e-4
    (tmp_path / "c.toml").write_text("mode = \n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_config(tmp_path / "c.toml")
    with pytest.raises(ConfigError, match="profiles are cpu, cuda, frozen, mps"):
        load_config(tmp_path / "none.toml")


def test_an_absent_device_is_refused(tiny: Any) -> None:
    absent = next(name for name in ("mps", "cuda") if not getattr(torch, name).is_available())
    with pytest.raises(ConfigError, match=f"no '{absent}'"):
        hardware(tiny.config(device=absent))


def test_automatic_settings_fit_this_machine(tiny: Any) -> None:
    where = hardware(tiny.config(device="auto", precision="auto"))
    assert where.device.type in {"cpu", "cuda", "mps"}
    assert where.dtype in {torch.bfloat16, torch.float16, torch.float32}
