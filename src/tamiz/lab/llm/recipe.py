"""Make the adapter that ships: fine-tune on the synthetic bank, export, calibrate, judge, and take it into the package.

    python -m tamiz.lab.llm.recipe recipes/it-helpdesk-llm

Every step finds what an earlier run left below runs/ and goes on from there. The model may recommend, never apply.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tamiz.bootstrap.wiring import STARTER_LLM, starter_folder
from tamiz.domain.errors import ConfigError
from tamiz.domain.ports import ModelInfo
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.triage import Pool
from tamiz.lab.data.example import Example
from tamiz.lab.data.public import load_public
from tamiz.lab.data.sft import of_synthetic, sft_rows
from tamiz.lab.data.synthetic import synthetic_examples
from tamiz.lab.llm import judge
from tamiz.lab.llm.calibrate import Fitted, fit
from tamiz.lab.llm.config import LlmConfig, parse
from tamiz.lab.llm.export import export_gguf_adapter, read_run
from tamiz.lab.llm.report import as_markdown, headline
from tamiz.lab.llm.train import ADAPTER, FACTS, train_llm
from tamiz.lab.recipe_command import command
from tamiz.lab.synth import Split, generate
from tamiz.lab.train_baseline import make_manifest
from tamiz.models.artifact import Manifest, write_artifact
from tamiz.models.encoder import EncoderModel
from tamiz.models.llm.decode import Asking, Decoded
from tamiz.models.llm.llama import LlamaScorer
from tamiz.models.llm.prompt import Shown, instructions
from tamiz.models.llm.weights import base_file, packaged_gguf
from tamiz.models.llm.writer import ADAPTER as ADAPTER_FILE
from tamiz.models.llm.writer import KIND, OPTIONS, LlmModel
from tamiz.pipeline.cascade import Cascade, SummaryMode

RUNS = Path("runs")
LANGUAGE, WORDING = "en", 0
"""The instruction that serves; training has seen it beside all others."""

REAL = {"category": ("it-topics", ("Hardware", "Access")), "request_type": ("it-request-type", ())}
"""Field → real set, and those of its labels that are labels of the field too (none: all)."""


def run(folder: Path) -> dict[str, Any]:
    """Train, export, calibrate and judge; returns the report."""
    recipe = tomllib.loads((folder / "recipe.toml").read_text("utf-8"))
    place, taxonomy = RUNS / folder.name, default_taxonomy()
    config = parse(recipe["llm"], "recipe.toml")
    trained(recipe, config, taxonomy, place / "run")
    facts = json.loads((place / "run" / FACTS).read_text("utf-8"))
    encoder = EncoderModel.open(starter_folder())
    model = made(recipe, config, taxonomy, encoder, place)
    report = judged(recipe, model, encoder, taxonomy)
    shutil.rmtree(starter_folder("llm"), ignore_errors=True)
    shutil.copytree(place / STARTER_LLM, starter_folder("llm"))
    size = sum(path.stat().st_size for path in (place / STARTER_LLM).rglob("*") if path.is_file())
    return {
        **report,
        "headline": headline(report),
        "training": facts,
        "megabytes": round(size / 1e6, 2),
        "hash": model.info.content_hash,
    }


def trained(recipe: dict[str, Any], config: LlmConfig, taxonomy: Taxonomy, place: Path) -> Path:
    """The PEFT adapter of the recipe's rows."""
    if (place / FACTS).is_file():
        return place / ADAPTER

    def rows(count: int, split: Split) -> list[dict[str, Any]]:
        sources = list(of_synthetic(generate(count, recipe["seed"], split=split)))
        return list(sft_rows(sources, taxonomy, recipe["seed"]))

    return train_llm(
        config, rows(recipe["train"], "train"), rows(recipe["held_out"], "valid"), taxonomy, place
    )


def made(
    recipe: dict[str, Any],
    config: LlmConfig,
    taxonomy: Taxonomy,
    encoder: EncoderModel,
    place: Path,
) -> LlmModel:
    """The calibrated model folder, as `tamiz` opens it."""
    folder = place / STARTER_LLM
    if not folder.exists():
        if not (place / "gguf").exists():
            export_gguf_adapter(read_run(place / "run"), place / "gguf")
        exported = next((place / "gguf").glob("*.gguf"))
        held_out = synthetic_examples(recipe["calibration"], recipe["seed"], "valid")
        raw = uncalibrated(config.base, taxonomy, exported)
        fitted = fit(taxonomy, decode_all(raw, held_out), held_out, encoder)
        manifest = _manifest(recipe, config, taxonomy, held_out, fitted)
        options = {
            "base": config.base,
            "base_sha256": hashlib.sha256(base_file(config.base).read_bytes()).hexdigest(),
            "language": LANGUAGE,
            "wording": WORDING,
            "shown": Shown.NOTHING.value,
        }
        files: dict[str, bytes | Path] = {ADAPTER_FILE: exported, OPTIONS: json.dumps(options).encode()}
        write_artifact(folder, manifest, taxonomy, files)
    return LlmModel.open(folder)


def uncalibrated(base: str, taxonomy: Taxonomy, adapter: Path | None) -> LlmModel:
    """The bare model: fine-tuned with an adapter, else as it came, with the labels shown."""
    gguf = packaged_gguf(base) or Path(base)
    if gguf.suffix != ".gguf":
        raise ConfigError(
            key="base", mistake=f"'{base}' is no GGUF file; export one first (tamiz export gguf)"
        )
    asking = Asking(instructions()[LANGUAGE][WORDING], LANGUAGE, Shown.NOTHING if adapter else Shown.LABELS)
    name = "fine-tuned" if adapter else "untuned"
    info = ModelInfo(name, KIND, "", taxonomy.classes_hash, "")
    return LlmModel(info, taxonomy, LlamaScorer.open(gguf, adapter), asking)


def decode_all(model: LlmModel, examples: Sequence[Example]) -> list[Decoded]:
    """Uncalibrated answers to all fields, no summaries."""
    return [model.decoder.decode(model.question(e.text)) for e in examples]


def judged(
    recipe: dict[str, Any], model: LlmModel, encoder: EncoderModel, taxonomy: Taxonomy
) -> dict[str, Any]:
    """Figures on tickets of unseen scenarios and on real tickets."""
    train = synthetic_examples(recipe["train"], recipe["seed"], "train")
    known = [e for e in train if not e.abstain]
    test = synthetic_examples(recipe["test"], recipe["seed"], "test")
    clear = [e for e in test if not e.abstain]
    untuned = uncalibrated(recipe["llm"]["base"], taxonomy, None)
    pools = model.pools_with(encoder.info.content_hash)
    cascade = Cascade(
        model,
        {name: Pool(w["encoder"], w["writer"], tuple(w["bias"])) for name, w in pools.items()},
        SummaryMode.EXTRACTIVE,
    )
    synthetic = judge.ask(clear, model, untuned, encoder, cascade, known)
    strange = [e for e in test if e.abstain]
    report: dict[str, Any] = {
        "rows": {part: recipe[part] for part in ("train", "calibration", "test")},
        "fields": judge.compare(synthetic, taxonomy, known),
        "encoder_gate": judge.encoder_gate(encoder, clear, taxonomy, encoder.policy),
        "scope": judge.scope(synthetic, model, encoder, strange),
        "summaries": judge.summaries(model, clear[: recipe["summaries"]]),
        "pools": {name: {k: w[k] for k in ("encoder", "writer", "rows")} for name, w in pools.items()},
        "real": {},
    }
    for name, (source, labels) in REAL.items():
        rows = real_rows(name, source, labels, recipe["real"], recipe["seed"])
        if rows:
            asked = judge.ask(rows, model, untuned, encoder, cascade, known)
            report["real"][name] = {"source": source, **judge.compare(asked, taxonomy, known)[name]}
    return report


def real_rows(name: str, source: str, labels: Sequence[str], count: int, seed: int) -> list[Example]:
    """Real tickets, as many of each label; none where the data set cannot be had here."""
    found: list[Example] = []
    examples = [e for part in load_public(source).values() for e in part]
    field = next(iter(examples[0].labels))
    wanted = labels or sorted({e.labels[field] for e in examples if field in e.labels})
    rng = np.random.default_rng(seed)
    for label in wanted:
        own = [e for e in examples if e.labels.get(field) == label and len(e.text.split()) >= 6]
        for i in rng.permutation(len(own))[: count // len(wanted)]:
            found.append(replace(own[i], labels={name: label}))
    return found


def _manifest(
    recipe: dict[str, Any], config: LlmConfig, taxonomy: Taxonomy, held_out: Sequence[Example], fitted: Fitted
) -> Manifest:
    train = synthetic_examples(recipe["train"], recipe["seed"], "train")
    return Manifest(
        **make_manifest(KIND, STARTER_LLM, recipe["seed"], taxonomy, train, held_out),
        training=config.model_dump(),
        policy=fitted.policy.to_dict(),
        calibration={**fitted.calibration.to_dict(), "pools": fitted.pools},
    )


if __name__ == "__main__":
    command(__doc__, run, as_markdown)
