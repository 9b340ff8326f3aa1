"""Train quickly on somebody's own tickets: linear words, linear characters and heads on a frozen encoder, fused late.

Features that disagree are worth combining, and class weighting trades accuracy for small classes. So each linear
block is trained plainly and class-balanced, and held-out rows weigh all parts against each other (`lab.weigh`). The
linear parts share one vocabulary and their margins add up, so they are stored as ONE linear component: serving costs
no more than the plain baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from tamiz.domain.gate import Policy
from tamiz.domain.taxonomy import Field, Taxonomy
from tamiz.domain.triage import Distribution, Prediction
from tamiz.lab.calibrate import fit_scope
from tamiz.lab.data.example import Example
from tamiz.lab.encoder_config import parse
from tamiz.lab.encoder_data import targets_of
from tamiz.lab.frozen_encoder import FrozenEncoder
from tamiz.lab.frozen_heads import frozen_heads
from tamiz.lab.linear_parts import Part, fit_parts, merged
from tamiz.lab.train_baseline import make_manifest, matrix
from tamiz.lab.weigh import Weighed, weigh
from tamiz.models import encoder as encoder_model
from tamiz.models import linear as linear_model
from tamiz.models.artifact import Manifest, write_artifact
from tamiz.models.calibration import Calibration, Fusion
from tamiz.models.encoder_heads import EncoderHeads
from tamiz.models.linear import LinearComponent, linear_signals
from tamiz.models.tfidf import Tfidf

Say = Callable[[str], None]
Floats = NDArray[Any]
Heads = Mapping[str, NDArray[np.float32]]

EMBEDDED = 8_000
"""Training rows that the frozen encoder reads; its heads gain little from more."""
REFITTED = 40_000
"""Up to so many rows, the parts finally learn from the calibration slice too; beyond, it would add little."""


@dataclass(frozen=True, slots=True)
class Slices:
    """The rows to learn from (`train`, older) and those that weigh the parts and set thresholds (`calibrate`)."""

    train: Sequence[Example]
    calibrate: Sequence[Example]

    @property
    def all(self) -> list[Example]:
        """Both, the training rows first."""
        return [*self.train, *self.calibrate]


@dataclass(frozen=True, slots=True)
class Fused:
    """A trained model before its policy is chosen. `crossed` are predictions for the calibration rows, none of them
    fitted on itself; `weighed` says how each field was put together. `refitted`: the parts learned from the
    calibration rows too, after weights and thresholds were set by parts that had not seen them."""

    taxonomy: Taxonomy
    linear: LinearComponent
    encoder: FrozenEncoder | None
    heads: Heads
    calibration: Calibration
    crossed: list[Prediction]
    weighed: Mapping[str, Weighed]
    refitted: bool

    def write(self, folder: Path, name: str, policy: Policy, slices: Slices) -> Path:
        """Write the model folder: kind "encoder" where there is a frozen encoder, else "linear"."""
        kind = encoder_model.KIND if self.encoder else linear_model.KIND
        training = {
            "encoder": self.encoder.name if self.encoder else "",
            "refitted": self.refitted,
            "weights": {name: list(w.fusion.weights) for name, w in self.weighed.items()},
            "pushes": {name: w.push for name, w in self.weighed.items()},
        }
        manifest = Manifest(
            **make_manifest(kind, name, 0, self.taxonomy, slices.train, slices.calibrate),
            training=training,
            policy=policy.to_dict(),
            calibration=self.calibration.to_dict(),
        )
        return write_artifact(folder, manifest, self.taxonomy, self._files())

    def _files(self) -> dict[str, bytes | Path]:
        if self.encoder is None:
            return {**self.linear.files()}
        heads = {encoder_model.HEADS: save(dict(self.heads))}
        return {**self.encoder.files, **heads, **self.linear.files(f"{encoder_model.LINEAR}/")}


def train_fused(
    slices: Slices, taxonomy: Taxonomy, encoder: FrozenEncoder | None, say: Say, seed: int = 0
) -> Fused:
    """Train every part on `train`, weigh them on `calibrate`, and, up to REFITTED rows, learn from both at last.

    A row without a field's label is passed over. DataError when there is no word.
    """
    embedded = _embedded(slices, encoder, say, seed)
    say("learning words and characters")
    first = _learn(slices.train, taxonomy, embedded, seed)
    say("weighing the parts on the calibration slice")
    weighed, calibration, crossed = _calibrated(first, slices, taxonomy, embedded, seed)
    last, refitted = first, len(slices.all) <= REFITTED
    if refitted:
        say("learning from the calibration slice too")
        last = _learn(slices.all, taxonomy, embedded, seed)
    return Fused(taxonomy, last.linear(weighed), encoder, last.heads, calibration, crossed, weighed, refitted)


@dataclass(frozen=True, slots=True)
class _Embedded:
    """Unit vectors [N, D] of all rows, training rows first; `known` [N] says which of them were read."""

    units: Floats
    known: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Learned:
    """The parts before they are weighed; no heads where there is no encoder."""

    tfidf: Tfidf
    parts: list[Part]
    heads: Heads

    def linear(self, weighed: Mapping[str, Weighed]) -> LinearComponent:
        """The linear parts as one component; in a fusion the encoder's weight comes first."""
        ahead = 1 if self.heads else 0
        return merged(self.tfidf, self.parts, {name: w.fusion.weights[ahead:] for name, w in weighed.items()})


def _embedded(slices: Slices, encoder: FrozenEncoder | None, say: Say, seed: int) -> _Embedded | None:
    if encoder is None:
        return None
    say(f"reading texts with the encoder {encoder.name}")
    rows = slices.all
    known = np.ones(len(rows), dtype=bool)
    known[np.random.default_rng(seed).permutation(len(slices.train))[EMBEDDED:]] = False
    units = np.zeros((len(rows), encoder.encoder.width), dtype=np.float32)
    units[known] = encoder.encoder.embed([e.text for e, read in zip(rows, known, strict=True) if read])
    return _Embedded(units, known)


def _learn(
    examples: Sequence[Example], taxonomy: Taxonomy, embedded: _Embedded | None, seed: int
) -> _Learned:
    """All parts from the first rows of the slices."""
    tfidf, parts = fit_parts(examples, taxonomy, seed)
    if embedded is None:
        return _Learned(tfidf, parts, {})
    known = embedded.known[: len(examples)]
    read = [_learnable(e, taxonomy) for e, wanted in zip(examples, known, strict=True) if wanted]
    units = embedded.units[: len(examples)][known]
    config = parse({"mode": "frozen", "seed": seed})
    return _Learned(tfidf, parts, frozen_heads(units, targets_of(read, taxonomy), taxonomy, config))


def _learnable(example: Example, taxonomy: Taxonomy) -> Example:
    """The example without labels of classes that the model does not have."""
    known = {f.name: f.classes for f in taxonomy.predicted}
    return replace(example, labels={k: v for k, v in example.labels.items() if v in known.get(k, ())})


def _calibrated(
    learned: _Learned, slices: Slices, taxonomy: Taxonomy, embedded: _Embedded | None, seed: int
) -> tuple[dict[str, Weighed], Calibration, list[Prediction]]:
    """What the calibration slice says, of a model that has not learned from it."""
    texts = [e.text for e in slices.calibrate]
    features = matrix(learned.tfidf, texts)
    raw = None
    if embedded is not None:
        units = embedded.units[len(slices.train) :]
        scores, own = EncoderHeads(learned.heads, taxonomy).read(units)
        raw = encoder_model.Raw(units, (scores,), own)
    weighed = {}
    for f in taxonomy.predicted:
        ahead = [raw.components[0][f.name]] if raw else []
        counts = np.bincount(_indices(slices.train, f) + 1, minlength=len(f.classes) + 1)[1:]
        scores_of_parts = [part.margins(features, f.name) for part in learned.parts]
        weighed[f.name] = weigh([*ahead, *scores_of_parts], _indices(slices.calibrate, f), counts, seed)
    fusions = {
        name: Fusion((*w.fusion.weights[: bool(raw)], 1.0), w.fusion.bias) for name, w in weighed.items()
    }
    signals = _signals(learned.linear(weighed), raw, texts, fusions[taxonomy.primary], taxonomy.primary)
    scope = fit_scope(signals, np.array([not e.abstain for e in slices.calibrate]))
    crossed = _crossed(taxonomy, weighed, scope.score(signals, len(texts)))
    return weighed, Calibration(fusions, scope), crossed


def _indices(examples: Sequence[Example], f: Field) -> NDArray[np.int64]:
    """The class index of every row, -1 where it has no label of the field or must go to a person."""
    index = {label: i for i, label in enumerate(f.classes)}
    return np.array([-1 if e.abstain else index.get(e.labels.get(f.name, ""), -1) for e in examples])


def _signals(
    linear: LinearComponent, raw: encoder_model.Raw | None, texts: Sequence[str], fusion: Fusion, primary: str
) -> dict[str, Any]:
    """The signals of scope [N], by the code that serves."""
    scores = linear.scores(texts)
    if raw is None:
        return linear_signals(linear, texts, fusion.probabilities([scores[primary]]), scores[primary])
    both = encoder_model.Raw(raw.embeddings, (*raw.components, scores), raw.own)
    return both.signals(texts, primary, fusion, linear)


def _crossed(
    taxonomy: Taxonomy, weighed: Mapping[str, Weighed], scope: NDArray[np.float64]
) -> list[Prediction]:
    classes = {f.name: f.classes for f in taxonomy.predicted}
    return [
        Prediction(
            {
                name: Distribution(classes[name], tuple(w.crossed[row].tolist()))
                for name, w in weighed.items()
            },
            float(score),
        )
        for row, score in enumerate(scope)
    ]
