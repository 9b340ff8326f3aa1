"""Train an encoder on labelled tickets and write it as an artifact.

    config = load_config("cpu")
    train_encoder(config, train, held_out, taxonomy, Path("models/mine"), earned=True)

While it trains, `<out>.run/` holds the state from which a killed run resumes, and TensorBoard events.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save

from tamiz.domain.errors import BrokenArtifactError, DataError
from tamiz.domain.taxonomy import Taxonomy
from tamiz.lab import metrics
from tamiz.lab.base_models import Base, load_base
from tamiz.lab.calibrate import Answers, fit_calibration, fit_policy, fit_scope
from tamiz.lab.data.example import Example, fingerprint
from tamiz.lab.encoder_config import EncoderConfig
from tamiz.lab.encoder_data import Targets, halves, label_rows, targets_of
from tamiz.lab.encoder_loop import Rows, Run, embed, hardware
from tamiz.lab.encoder_net import EncoderNet, adapt, class_means, merged
from tamiz.lab.encoder_state import forget_state, has_state
from tamiz.lab.export_onnx import Exported, export
from tamiz.lab.frozen_heads import frozen_heads
from tamiz.lab.train_baseline import BaselineOptions, fit_component, make_manifest
from tamiz.models import encoder as serving
from tamiz.models.artifact import Manifest, write_artifact
from tamiz.models.calibration import Calibration
from tamiz.models.encoder_heads import CENTROIDS, EncoderHeads
from tamiz.models.exemplars import ExemplarIndex
from tamiz.models.linear import LinearComponent
from tamiz.models.text_encoder import TextEncoder, TextTokens
from tamiz.models.tfidf import TfidfOptions

Floats = NDArray[np.float32]

SAMPLED_ROWS = 4_000
"""About so many training rows are embedded for the heads' first class vectors, and once more for the centroids."""


def train_encoder(
    config: EncoderConfig,
    train: Sequence[Example],
    held_out: Sequence[Example],
    taxonomy: Taxonomy,
    out: Path,
    *,
    earned: bool,
    budget: float = 0.02,
    public: bool = False,
) -> Path:
    """Train on `train`, calibrate and set thresholds on `held_out`, write a model folder to `out`.

    With early stopping, half of `held_out` stops and the other half calibrates. `earned` says whether the rows are
    the tenant's own tickets (only then may anything be applied); `budget` is the wrong share among applied values.
    `public` says that training texts may be shown to anybody, so that exemplars may carry them.
    Raises DataError for unusable rows, ConfigError for settings that do not fit, BrokenArtifactError when something
    already stands at `out`.
    """
    stop, judged = _checked(config, train, held_out, out)
    run_folder = out.with_name(f"{out.name}.run")
    base = load_base(config, [e.text for e in train])
    started = time.monotonic()
    taught = [*train, *label_rows(taxonomy)] if config.label_texts else train
    learned = learn(base, config, taught, stop, taxonomy, run_folder)
    linear = _linear(config, train, taxonomy) if config.hybrid else None
    seconds = round(time.monotonic() - started, 1)
    with tempfile.TemporaryDirectory() as folder:
        heads = EncoderHeads(learned.heads, taxonomy)
        texts = [e.text for e in judged]
        exported = export(
            learned.encoder, heads, base.tokenizer, config, texts, targets_of(judged, taxonomy), Path(folder)
        )
        encoder = TextEncoder(exported.path.read_bytes(), base.tokenizer, config.max_tokens)
        raw = serving.answer(encoder, heads, linear, texts)
        calibration, signals = calibrate(raw, judged, taxonomy, linear)
        predictions = calibration.predictions(taxonomy, raw.components, signals)
        facts = {
            **make_manifest(serving.KIND, out.name, config.seed, taxonomy, train, held_out),
            "training": {**config.model_dump(), **learned.report, "seconds": seconds},
            "metrics": {"export": exported.to_dict()},
            "policy": fit_policy(taxonomy, predictions, judged, budget, earned).to_dict(),
            "calibration": calibration.to_dict(),
        }
        files = _files(exported, base, config, learned, linear)
        if config.exemplars:
            files |= remembered(encoder, train, config, public).files()
        write_artifact(out, Manifest(**facts), taxonomy, files)
    forget_state(run_folder)
    return out


def _checked(
    config: EncoderConfig, train: Sequence[Example], held_out: Sequence[Example], out: Path
) -> tuple[list[Example], list[Example]]:
    """The held-out rows that stop training and those that calibrate, once all is fit for training."""
    if out.exists():
        raise BrokenArtifactError(path=out, mistake="there is already something at this place")
    if not any(e.labels for e in train):
        raise DataError(path=out.name, mistake="no training row carries a label")
    if not any(e.labels for e in held_out):
        raise DataError(
            path=out.name, mistake="no held-out row carries a label, so nothing can be calibrated"
        )
    if not config.patience or config.mode == "frozen":
        return [], list(held_out)
    stop, judged = halves(held_out, config.seed)
    if not (stop and judged):
        raise DataError(
            path=out.name,
            mistake="the held-out rows are one group and cannot both stop training and calibrate; set patience = 0",
        )
    return stop, judged


def _linear(config: EncoderConfig, train: Sequence[Example], taxonomy: Taxonomy) -> LinearComponent:
    tfidf = TfidfOptions(max_features=config.linear_features)
    options = BaselineOptions(seed=config.seed, balanced=config.class_weights, tfidf=tfidf)
    return fit_component(train, taxonomy, options)


def calibrate(
    raw: serving.Raw, judged: Sequence[Example], taxonomy: Taxonomy, linear: LinearComponent | None
) -> tuple[Calibration, dict[str, NDArray[Any]]]:
    """The calibration of held-out answers, and their signals of scope as serving will compute them."""
    fitted = fit_calibration(taxonomy, Answers(raw.components, {}), judged)
    texts = [e.text for e in judged]
    signals = raw.signals(texts, taxonomy.primary, fitted.fusions[taxonomy.primary], linear)
    ordinary = np.array([not e.abstain for e in judged])
    return replace(fitted, scope=fit_scope(signals, ordinary)), signals


def _files(
    exported: Exported, base: Base, config: EncoderConfig, learned: Learned, linear: LinearComponent | None
) -> dict[str, bytes | Path]:
    return {
        serving.GRAPH: exported.path,
        serving.TOKENIZER: base.tokenizer.to_str().encode(),
        serving.OPTIONS: json.dumps({"max_tokens": config.max_tokens}).encode(),
        serving.HEADS: save(learned.heads),
        **(linear.files(f"{serving.LINEAR}/") if linear is not None else {}),
    }


def remembered(
    encoder: TextEncoder, train: Sequence[Example], config: EncoderConfig, public: bool
) -> ExemplarIndex:
    """Up to `config.exemplars` ordinary training rows, drawn by the seed, as the serving encoder sees them."""
    ordinary = [e for e in train if not e.abstain]
    drawn = np.sort(np.random.default_rng(config.seed).permutation(len(ordinary))[: config.exemplars])
    rows = [ordinary[i] for i in drawn]
    facts = [
        {"id": e.id, "labels": dict(e.labels), **({"text": e.text[:300]} if public else {})} for e in rows
    ]
    return ExemplarIndex(encoder.embed([e.text for e in rows]).astype(np.float16), facts)


@dataclass(frozen=True, slots=True)
class Learned:
    """The outcome of training: the plain encoder, head arrays for serving, and what to report."""

    encoder: Any
    heads: dict[str, Floats]
    report: dict[str, Any]


def learn(
    base: Base,
    config: EncoderConfig,
    train: Sequence[Example],
    stop: Sequence[Example],
    taxonomy: Taxonomy,
    folder: Path,
) -> Learned:
    """Train encoder and heads (or, in frozen mode, the heads alone). `stop` is judged after every epoch if given."""
    where = hardware(config)
    tokens = TextTokens(base.tokenizer, config.max_tokens)
    targets = targets_of(train, taxonomy)
    rows = Rows([tokens.ids(e.text) for e in train], targets, base.pad)
    both = 0 < targets.abstain.sum() < len(train)
    torch.manual_seed(config.seed)
    net = EncoderNet(base, taxonomy, config, abstain=both)
    trainable = adapt(net, config)
    net.to(where.device)
    report: dict[str, Any] = {
        "trained_parameters": trainable.parameters,
        "trained_share": round(trainable.share, 6),
        "lora_targets": list(trainable.targets),
    }
    if config.mode == "frozen":
        unit = embed(net, rows.ids, base.pad, where)
        heads = frozen_heads(unit, targets, taxonomy, config)
        heads[CENTROIDS] = _centroids(unit, targets, taxonomy)
        return Learned(merged(net), heads, report)
    sample = targets.sample(SAMPLED_ROWS, config.seed)
    sampled = [rows.ids[i] for i in sample]
    if not has_state(folder):  # a resumed run brings its heads along
        net.start_heads(embed(net, sampled, base.pad, where), targets.only(sample), config.centred)
    judged = targets_of(stop, taxonomy)
    run = Run(net, rows, config, where, folder)
    progress = run.fit(
        (lambda units: mean_macro_f1(net, units, judged, taxonomy)) if stop else None,
        [tokens.ids(e.text) for e in stop],
        run_key(config, train, stop, taxonomy),
    )
    report |= {"steps": progress.step, "held_out_macro_f1": [round(score, 5) for score in progress.scores]}
    unit = embed(net, sampled, base.pad, where)
    heads = {**net.plain_heads(), CENTROIDS: _centroids(unit, targets.only(sample), taxonomy)}
    return Learned(merged(net), heads, report)


def run_key(
    config: EncoderConfig, train: Sequence[Example], stop: Sequence[Example], taxonomy: Taxonomy
) -> str:
    """What makes a run that run: a saved state is only resumed under the same key."""
    facts = f"{config.model_dump_json()} {fingerprint(train)} {fingerprint(stop)} {taxonomy.classes_hash}"
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def _centroids(unit: Floats, targets: Targets, taxonomy: Taxonomy) -> Floats:
    classes = targets.fields[taxonomy.primary]
    return class_means(unit, classes, len(taxonomy.field(taxonomy.primary).classes))


def mean_macro_f1(net: EncoderNet, units: Floats, targets: Targets, taxonomy: Taxonomy) -> float:
    """Macro-F1 of the heads' first choice, averaged over the fields that have labels."""
    scores, _ = EncoderHeads(net.plain_heads(), taxonomy).read(units)
    figures = []
    for name, rows in scores.items():
        kept = targets.labelled(name)
        if len(kept):
            figures.append(metrics.macro_f1(targets.fields[name][kept], rows[kept].argmax(axis=1)))
    return float(np.mean(figures)) if figures else 0.0
