"""Move a model's heads towards what people said, and no further: the active model stays the starting point.

For a field the active model says softmax(l), l its fused logits. The candidate says softmax(l + U·φ + u): φ holds the
centred embedding and the TF-IDF features of the text. U is fitted on people's words with a ridge that pulls it to zero
(to the model of before: Li, Grandvalet and Davoine 2018), its strength chosen on newer rows; no change at all is one of
the choices. The encoder stays as it is, so what the memory holds of it stays true. U is folded into the heads and the
linear component: serving costs what it did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, hstack, issparse, vstack

from tamiz.domain.taxonomy import Field, Taxonomy
from tamiz.lab.calibrate import fit_fusion
from tamiz.models.calibration import Calibration, Fusion, softmax
from tamiz.models.linear import LinearComponent

Floats = NDArray[Any]
Ints = NDArray[np.int64]
Heads = Mapping[str, NDArray[np.float32]]

STRENGTHS = (0.1, 0.5, 2.0, 8.0)
"""Inverse ridges that are tried; 0, no change, is tried before them."""
FEWEST_TAUGHT, FEWEST_WEIGHED = 40, 20
"""A field with fewer rows to learn from, or fewer to choose the strength on, stays as it is."""
_LEAST_SAY = 0.05
"""A component with less weight than this in a fusion is not what a change is folded into."""
DENSE = 3_000
_TINY = 1e-9
_ENOUGH = 1e-5
"""The search ends when a step gains less than this share of the loss."""
_SPREAD = 0.05
"""The standard deviation of a coordinate that centred embeddings are brought to, as in `lab.frozen_heads`."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a model answers with, before its policy. `heads` are empty for a linear model, `linear` is None where there
    is no such component; in a fusion the encoder comes first."""

    taxonomy: Taxonomy
    calibration: Calibration
    heads: Heads
    linear: LinearComponent | None

    def scores(self, rows: Rows, name: str) -> list[Floats]:
        """Scores [N, K] of a field, one array per component."""
        found = (
            [_head_scores(self.heads, self.taxonomy.field(name), rows.units, self.taxonomy)]
            if self.heads
            else []
        )
        if self.linear is not None:
            found.append(self.linear.of_features(name, rows.features))
        return found

    def logits(self, rows: Rows, name: str) -> Floats:
        """Fused logits [N, K] of a field."""
        fusion, scores = self.calibration.fusions[name], self.scores(rows, name)
        mixed = sum((w * s for w, s in zip(fusion.weights, scores, strict=True)), np.zeros(1))
        return np.asarray(mixed + np.asarray(fusion.bias) if fusion.bias else mixed)


@dataclass(frozen=True, slots=True)
class Rows:
    """Texts as the components see them: embeddings [N, D] (width 0 without an encoder), TF-IDF features [N, F] (width 0
    without a linear component); and per field class indices [N], -1 where nobody said anything."""

    units: Floats
    features: Any
    classes: Mapping[str, Ints]

    def at(self, places: Ints) -> Rows:
        """Some of the rows."""
        classes = {name: own[places] for name, own in self.classes.items()}
        return Rows(self.units[places], self.features[places], classes)

    def both(self, other: Rows) -> Rows:
        """These rows and others behind them."""
        classes = {name: np.concatenate([own, other.classes[name]]) for name, own in self.classes.items()}
        features = vstack([self.features, other.features], format="csr")
        return Rows(np.concatenate([self.units, other.units]), features, classes)

    def labelled(self, name: str) -> Rows:
        """The rows that have a label of a field."""
        return self.at(np.flatnonzero(self.classes[name] >= 0))


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a field: the strength that was chosen (0: its heads stay) and the temperature on top."""

    strength: float
    temperature: float
    taught: int
    weighed: int


@dataclass(frozen=True, slots=True)
class Update:
    """The parts as weighed (fitted on the older rows, thresholds may be set on the newer ones), as they will serve (fitted
    on both), and what changed."""

    weighed: Parts
    served: Parts
    changes: Mapping[str, Change]


def update(before: Parts, taught: Rows, weighed: Rows) -> Update:
    """Learn from `taught`, choose strengths and temperatures on `weighed`, then learn from both at the same strengths."""
    parts, changes = before, dict[str, Change]()
    for f in before.taxonomy.predicted:  # parents come before their children, whose logits rest on them
        old, new = taught.labelled(f.name), weighed.labelled(f.name)
        sizes = len(old.units), len(new.units)
        strength, heat = 0.0, 1.0
        if sizes[0] >= FEWEST_TAUGHT and sizes[1] >= FEWEST_WEIGHED:
            parts, strength = _chosen(parts, f, old, new)
            heat = _heat(parts.logits(new, f.name), new.classes[f.name])
            parts = _heated(parts, f, heat)
        changes[f.name] = Change(strength, heat, *sizes)
    return Update(parts, _again(before, changes, taught.both(weighed)), changes)


def _again(before: Parts, changes: Mapping[str, Change], rows: Rows) -> Parts:
    parts = before
    for f in before.taxonomy.predicted:
        change = changes[f.name]
        if change.strength:
            own = rows.labelled(f.name)
            space = _space(parts, f, own)
            parts = _folded(parts, f, own, space.slopes(_fit(parts, f, own, space, change.strength)))
        parts = _heated(parts, f, change.temperature)
    return parts


def _chosen(parts: Parts, f: Field, old: Rows, new: Rows) -> tuple[Parts, float]:
    """The parts that make the newer rows likeliest, and the strength that gave them."""
    best, strength, least = parts, 0.0, _loss(parts, f, new)
    space, table = _space(parts, f, old), None
    for tried in STRENGTHS:
        table = _fit(parts, f, old, space, tried, table)
        moved = _folded(parts, f, old, space.slopes(table))
        loss = _loss(moved, f, new)
        if loss < least:
            best, strength, least = moved, tried, loss
    return best, strength


def _loss(parts: Parts, f: Field, rows: Rows) -> float:
    """Mean log loss at the best temperature: a sharper model is not a better one."""
    logits, y = parts.logits(rows, f.name), rows.classes[f.name]
    logits = _heat(logits, y) * logits
    return float((_log_sum(logits) - logits[np.arange(len(y)), y]).mean())


def _heat(logits: Floats, y: Ints) -> float:
    return fit_fusion([logits], y, bias=False).weights[0]


def _heated(parts: Parts, f: Field, heat: float) -> Parts:
    own = parts.calibration.fusions[f.name]
    return _with_fusion(
        parts, f, Fusion(tuple(heat * w for w in own.weights), tuple(heat * b for b in own.bias))
    )


def _with_fusion(parts: Parts, f: Field, fusion: Fusion) -> Parts:
    fusions = {**parts.calibration.fusions, f.name: fusion}
    return replace(parts, calibration=replace(parts.calibration, fusions=fusions))


@dataclass(frozen=True, slots=True)
class _Space:
    """The features of some rows, block by block [N, F'], and the axes [N, R] in which a change is searched. Up to DENSE rows these are the
    principal axes of the rows: the same problem in as many columns as there are rows, and ten times as fast."""

    blocks: Sequence[Any]
    axes: Any
    turn: Floats | None

    def slopes(self, table: Floats) -> Floats:
        """The change [F + 1, K] of a table [R + 1, K], its last row the offsets."""
        if self.turn is None:
            return table
        turned = self.turn @ table[:-1]
        return np.concatenate([*(block.T @ turned for block in self.blocks), table[-1:]])


def _space(parts: Parts, f: Field, rows: Rows) -> _Space:
    blocks = _blocks(parts, f, rows)
    count = len(rows.units)
    if count > DENSE:
        return _Space(blocks, hstack([csr_matrix(block) for block in blocks], format="csr"), None)
    alike = np.zeros((count, count))
    for block in blocks:
        product = block @ block.T
        alike += product.toarray() if issparse(product) else product
    values, axes = np.linalg.eigh(alike)
    kept = values > _TINY * values[-1]
    roots = np.sqrt(values[kept])
    return _Space(blocks, axes[:, kept] * roots, axes[:, kept] / roots)


def _fit(
    parts: Parts, f: Field, rows: Rows, space: _Space, strength: float, start: Floats | None = None
) -> Floats:
    """The table [R + 1, K] that minimises the log loss of labelled rows under a ridge, searched from `start`."""
    logits, y, block = parts.logits(rows, f.name), rows.classes[f.name], space.axes
    shape = (block.shape[1] + 1, logits.shape[1])
    onehot = np.zeros(logits.shape)
    onehot[np.arange(len(y)), y] = 1.0

    def loss(x: Floats) -> tuple[float, Floats]:
        table = x.reshape(shape)
        mixed = logits + block @ table[:-1] + table[-1]
        logs = mixed - _log_sum(mixed)[:, None]
        gap = np.exp(logs) - onehot
        slope = np.concatenate([block.T @ gap, gap.sum(axis=0)[None]]) + table / strength
        return float(-(logs * onehot).sum() + (table**2).sum() / (2 * strength)), slope.ravel()

    first = np.zeros(shape) if start is None else start
    options = {"maxiter": 100, "ftol": _ENOUGH}
    found = minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options=options).x
    return np.asarray(found.reshape(shape))


def _says(parts: Parts, f: Field) -> dict[str, float]:
    """The components that a change of the field may be folded into, and their weights."""
    names = [*(["encoder"] if parts.heads else []), *(["linear"] if parts.linear is not None else [])]
    weights = parts.calibration.fusions[f.name].weights
    return {name: w for name, w in zip(names, weights, strict=True) if w >= _LEAST_SAY}


def _blocks(parts: Parts, f: Field, rows: Rows) -> list[Any]:
    """The features of rows [N, F'], a block for each component that a change may be folded into."""
    says = _says(parts, f)
    centre, factor = _centring(rows.units)
    blocks: list[Any] = [(rows.units - centre) * factor] if "encoder" in says else []
    return [*blocks, *([rows.features] if "linear" in says else [])]


def _centring(units: Floats) -> tuple[Floats, float]:
    """The mean [D] of embeddings, and the factor that brings them to one spread around it."""
    centre = units.mean(axis=0).astype(np.float64)
    return centre, _SPREAD / max(float((units - centre).std()), 1e-6) if units.size else 1.0


def _folded(parts: Parts, f: Field, rows: Rows, change: Floats) -> Parts:
    """The parts with a change [F + 1, K] that was fitted on these rows."""
    says, fusion = _says(parts, f), parts.calibration.fusions[f.name]
    width = rows.units.shape[1] if "encoder" in says else 0
    slopes, offsets = change[:-1], change[-1]
    heads, linear = dict(parts.heads), parts.linear
    if "encoder" in says:
        centre, factor = _centring(rows.units)
        own = slopes[:width].T * factor
        heads[f"{f.name}.weight"] = (heads[f"{f.name}.weight"] + own / says["encoder"]).astype(np.float32)
        offsets = offsets - own @ centre
    if "linear" in says and linear is not None:
        linear = linear.moved(f.name, slopes[width:] / says["linear"])
    bias = np.asarray(fusion.bias) if fusion.bias else np.zeros(len(f.classes))
    moved = Parts(parts.taxonomy, parts.calibration, heads, linear)
    return _with_fusion(moved, f, Fusion(fusion.weights, tuple((bias + offsets).tolist())))


def _head_scores(heads: Heads, f: Field, units: Floats, taxonomy: Taxonomy) -> Floats:
    """Scores [N, K] of a field's head, as `EncoderHeads` reads them one by one."""
    scores = units @ heads[f"{f.name}.weight"].T + heads[f"{f.name}.bias"]
    if f"{f.name}.parent" in heads:
        parent = _head_scores(heads, taxonomy.field(f.parent), units, taxonomy)
        scores = scores + softmax(parent) @ heads[f"{f.name}.parent"].T
    return np.asarray(scores, np.float64)


def _log_sum(logits: Floats) -> Floats:
    peak = logits.max(axis=1)
    return np.asarray(peak + np.log(np.exp(logits - peak[:, None]).sum(axis=1)))
