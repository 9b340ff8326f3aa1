"""Make a candidate: the active model moved by people's words, or an encoder trained anew with them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save
from scipy.sparse import csr_matrix

from tamiz.domain.errors import ConfigError
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.lab.calibrate import fit_policy
from tamiz.lab.data.example import Example
from tamiz.lab.encoder_data import targets_of
from tamiz.lab.learn.opened import Open
from tamiz.lab.learn.update import Parts, Rows, update
from tamiz.lab.train_baseline import make_manifest, matrix
from tamiz.models import encoder as encoder_model
from tamiz.models import linear as linear_model
from tamiz.models.artifact import MANIFEST, TAXONOMY, Manifest, read_manifest, write_artifact
from tamiz.models.calibration import Scope
from tamiz.models.encoder import EncoderModel, Raw
from tamiz.models.encoder_heads import EncoderHeads
from tamiz.models.linear import LinearModel, linear_signals
from tamiz.models.open import open_model
from tamiz.models.text_encoder import TextEncoder

Floats = NDArray[Any]

SUFFIX = "-learned"
REPLAYED, REPLAY_HELD_OUT = 8_000, 800
"""Synthetic tickets that a full run of the default taxonomy sees beside people's, so that it does not forget them."""


@dataclass(frozen=True, slots=True)
class Made:
    """A candidate's folder, and per field what was changed (empty where it was trained anew)."""

    folder: Path
    changes: dict[str, dict[str, float]]


def quick(
    active: Path,
    taught: Sequence[Example],
    weighed: Sequence[Example],
    out: Path,
    budget: float,
    opened: Open = open_model,
) -> Made:
    """Move the heads of an encoder or linear model; the encoder stays. ConfigError for a model of another kind."""
    model, manifest = opened(active), read_manifest(active)
    if not isinstance(model, EncoderModel | LinearModel):
        raise ConfigError(key="model", mistake=f"a model of kind '{manifest.kind}' cannot learn quickly")
    heads = load((active / encoder_model.HEADS).read_bytes()) if isinstance(model, EncoderModel) else {}
    linear = model.linear if isinstance(model, EncoderModel) else model.component
    encoder = model.encoder if isinstance(model, EncoderModel) else None
    before = Parts(model.taxonomy, model.calibration, heads, linear)
    old, new = _rows(before, encoder, taught), _rows(before, encoder, weighed)
    found = update(before, old, new)
    texts = [e.text for e in weighed]
    signals = _signals(found.weighed, new.units, texts)
    scope = _moved_scope(model.calibration.scope, _signals(before, new.units, texts), signals)
    calibration = replace(found.weighed.calibration, scope=scope)
    predictions = calibration.predictions(model.taxonomy, _scores(found.weighed, new), signals)
    policy = fit_policy(model.taxonomy, predictions, weighed, budget, earned=True, before=model.policy)
    changes = {name: asdict(change) for name, change in found.changes.items()}
    facts = make_manifest(manifest.kind, learned_name(manifest.name), 0, model.taxonomy, taught, weighed)
    training = {"way": "quick", "from": manifest.content_hash, "changes": changes}
    served = replace(found.served.calibration, scope=scope)
    whole = Manifest(**facts, training=training, policy=policy.to_dict(), calibration=served.to_dict())
    write_artifact(out, whole, model.taxonomy, _files(active, manifest, found.served))
    return Made(out, changes)


def full(
    active: Path, taught: Sequence[Example], weighed: Sequence[Example], out: Path, budget: float, config: str
) -> Made:
    """Train an encoder anew on people's words, and beside them on synthetic tickets where the taxonomy is the default one.
    A run that was killed goes on where it was when it is started with the same rows."""
    from tamiz.lab.encoder_config import load_config
    from tamiz.lab.train_encoder import train_encoder

    manifest, taxonomy = read_manifest(active), open_model(active).taxonomy
    known, held = replay(taxonomy, REPLAYED, "train"), replay(taxonomy, REPLAY_HELD_OUT, "valid")
    strange = [e for e in held if e.abstain]
    place = out.parent.parent / learned_name(
        manifest.name
    )  # the same for every run, so that a killed one goes on
    shutil.rmtree(place, ignore_errors=True)
    train_encoder(
        load_config(config),
        [*known, *taught],
        [*strange, *weighed],
        taxonomy,
        place,
        earned=True,
        budget=budget,
    )
    place.rename(out)
    return Made(out, {})


def replay(taxonomy: Taxonomy, count: int, split: Any) -> list[Example]:
    """Synthetic tickets of the default taxonomy; none for another one."""
    from tamiz.lab.data.synthetic import synthetic_examples

    same = taxonomy.classes_hash == default_taxonomy().classes_hash
    return synthetic_examples(count, 0, split) if same else []


def learned_name(name: str) -> str:
    """What the successors of a model are called."""
    return name if name.endswith(SUFFIX) else name + SUFFIX


def _rows(parts: Parts, encoder: TextEncoder | None, examples: Sequence[Example]) -> Rows:
    texts = [e.text for e in examples]
    units = encoder.embed(texts) if encoder is not None else np.zeros((len(texts), 0), np.float32)
    features = matrix(parts.linear.tfidf, texts) if parts.linear is not None else csr_matrix((len(texts), 0))
    return Rows(units, features, targets_of(examples, parts.taxonomy).fields)


def _scores(parts: Parts, rows: Rows) -> list[dict[str, Floats]]:
    names = [f.name for f in parts.taxonomy.predicted]
    by_field = {name: parts.scores(rows, name) for name in names}
    return [{name: by_field[name][i] for name in names} for i in range(len(by_field[names[0]]))]


def _signals(parts: Parts, units: Floats, texts: Sequence[str]) -> dict[str, Floats]:
    """Signals of scope, as serving computes them."""
    primary = parts.taxonomy.primary
    fusion = parts.calibration.fusions[primary]
    words = parts.linear.scores(texts) if parts.linear is not None else None
    if not parts.heads:
        assert parts.linear is not None
        assert words is not None
        fused = fusion.probabilities([words[primary]])
        return linear_signals(parts.linear, texts, fused, words[primary])
    scores, own = EncoderHeads(parts.heads, parts.taxonomy).read(units)
    raw = Raw(units, (scores, words) if words is not None else (scores,), own)
    return raw.signals(texts, primary, fusion, parts.linear)


def _moved_scope(scope: Scope, before: dict[str, Floats], after: dict[str, Floats]) -> Scope:
    """The scope score for heads that were moved: signals are read so that the same tickets have their mean and spread of
    before."""

    def moved(name: str, level: float) -> float:
        return float(after[name].mean() + grown(name) * (level - before[name].mean()))

    def grown(name: str) -> float:
        return float(after[name].std() / max(before[name].std(), 1e-9))

    if scope.reference:
        own = scope.signals[0]
        return replace(scope, reference=tuple(moved(own, level) for level in scope.reference))
    means = zip(scope.signals, scope.mean, strict=True)
    spreads = zip(scope.signals, scope.spread, strict=True)
    return replace(
        scope,
        mean=tuple(moved(name, mean) for name, mean in means),
        spread=tuple(grown(name) * spread for name, spread in spreads),
    )


def _files(active: Path, manifest: Manifest, parts: Parts) -> dict[str, bytes | Path]:
    """The files of the active model, with the heads and the linear component that were moved."""
    kept = {name: active / name for name in manifest.files if name not in (MANIFEST, TAXONOMY)}
    if manifest.kind == linear_model.KIND:
        assert parts.linear is not None
        return {**kept, **parts.linear.files()}
    moved: dict[str, bytes | Path] = {encoder_model.HEADS: save(dict(parts.heads))}
    return {**kept, **moved, **(parts.linear.files(f"{encoder_model.LINEAR}/") if parts.linear else {})}
