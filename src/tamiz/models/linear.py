"""TF-IDF and one linear head per field: a model of its own, and a component of hybrid encoders.

Files below its folder: vocabulary.txt (one term per line), linear.json (options), linear.safetensors
("idf" [F], "<field>.weight" [F, K] float16, "<field>.bias" [K]).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tamiz.domain.errors import BrokenArtifactError
from tamiz.domain.gate import Policy
from tamiz.domain.ports import ModelInfo
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Prediction
from tamiz.models.artifact import read_manifest, read_taxonomy
from tamiz.models.calibration import Calibration, confidence_signals
from tamiz.models.tfidf import Tfidf, TfidfOptions

Floats = NDArray[np.float32]
KIND = "linear"
_FILES = ("vocabulary.txt", "linear.json", "linear.safetensors")


class LinearComponent:
    """Scores [N, K] per field from sparse features; `weights[field]` is [F, K], `biases[field]` is [K]."""

    def __init__(
        self, tfidf: Tfidf, weights: Mapping[str, NDArray[np.float16]], biases: Mapping[str, Floats]
    ) -> None:
        self.tfidf = tfidf
        self.fields = tuple(weights)
        self._weights = dict(weights)
        self._biases = dict(biases)

    def scores(self, texts: Sequence[str]) -> dict[str, Floats]:
        """Field → margins [N, K]; a text without known terms gets the biases."""
        rows = [self.score(text) for text in texts]
        return {name: np.stack([row[name] for row in rows]) for name in self.fields}

    def score(self, text: str) -> dict[str, Floats]:
        """Field → margins [K] of one text."""
        places, values = self.tfidf.transform(text)
        found: dict[str, Floats] = {}
        for name in self.fields:
            picked = self._weights[name][places].astype(np.float32)
            found[name] = values @ picked + self._biases[name]
        return found

    def known_share(self, texts: Sequence[str]) -> NDArray[Any]:
        """For each text, the share of its words that the vocabulary knows."""
        return np.array([self.tfidf.known_share(text) for text in texts], dtype=np.float64)

    def of_features(self, name: str, features: Any) -> NDArray[Any]:
        """Margins [N, K] of a field from features [N, F], dense or sparse; to the last bits those of `scores`."""
        return np.asarray(features @ self._weights[name].astype(np.float32) + self._biases[name])

    def moved(self, name: str, change: NDArray[Any]) -> LinearComponent:
        """The component with a change [F, K] added to the weights of one field."""
        weights = {**self._weights, name: (self._weights[name] + change).astype(np.float16)}
        return LinearComponent(self.tfidf, weights, self._biases)

    def files(self, prefix: str = "") -> dict[str, bytes]:
        """The component's files for `write_artifact`; `prefix` such as "linear/" puts them in a subfolder."""
        options = {**asdict(self.tfidf.options), "word_features": self.tfidf.word_features}
        arrays = {"idf": self.tfidf.idf}
        for name in self.fields:
            arrays[f"{name}.weight"] = np.ascontiguousarray(self._weights[name])
            arrays[f"{name}.bias"] = self._biases[name]
        contents = ("\n".join(self.tfidf.vocabulary).encode(), json.dumps(options).encode(), save(arrays))
        return {prefix + name: content for name, content in zip(_FILES, contents, strict=True)}

    @classmethod
    def load(cls, folder: Path) -> LinearComponent:
        """Read what `files` wrote. Raises BrokenArtifactError."""
        try:
            vocabulary, options, arrays = ((folder / name).read_bytes() for name in _FILES)
            facts = json.loads(options)
            tensors = load(arrays)
            word_features = facts.pop("word_features")
            terms = vocabulary.decode("utf-8").split("\n") if vocabulary else []
            facts.update({key: tuple(facts[key]) for key in ("words", "characters")})
            tfidf = Tfidf(TfidfOptions(**facts), terms, word_features, tensors.pop("idf"))
            names = [key.removesuffix(".weight") for key in tensors if key.endswith(".weight")]
            weights = {name: tensors[f"{name}.weight"] for name in names}
            biases = {name: tensors[f"{name}.bias"] for name in names}
            if len(tfidf.idf) != len(terms) or any(
                weights[name].shape != (len(terms), *biases[name].shape) for name in names
            ):
                raise ValueError("terms and weights differ in number")
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise BrokenArtifactError(
                path=folder, mistake=f"its linear component cannot be read ({error})"
            ) from error
        return cls(tfidf, weights, biases)


class LinearModel:
    """The TF-IDF model behind the Model port."""

    def __init__(
        self,
        info: ModelInfo,
        taxonomy: Taxonomy,
        policy: Policy,
        calibration: Calibration,
        component: LinearComponent,
    ) -> None:
        self.info = info
        self.taxonomy = taxonomy
        self.policy = policy
        self.calibration = calibration
        self.component = component

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text, each independent of its neighbours."""
        if not texts:
            return []
        scores = self.component.scores(texts)
        return self.calibration.predictions(self.taxonomy, [scores], self._signals(texts, scores))

    def _signals(self, texts: Sequence[str], scores: Mapping[str, Floats]) -> dict[str, NDArray[Any]]:
        primary = self.taxonomy.primary
        fused = self.calibration.fusions[primary].probabilities([scores[primary]])
        return linear_signals(self.component, texts, fused, scores[primary])

    @classmethod
    def open(cls, folder: Path) -> LinearModel:
        """Open a model folder of kind "linear"."""
        manifest = read_manifest(folder)
        calibration = Calibration.from_dict(manifest.calibration)
        component = LinearComponent.load(folder)
        return cls(
            manifest.info, read_taxonomy(folder, manifest), manifest.read_policy(), calibration, component
        )


def linear_signals(
    component: LinearComponent, texts: Sequence[str], probabilities: NDArray[Any], scores: Floats
) -> dict[str, NDArray[Any]]:
    """Signals of scope [N] of the linear component; `max_logit` comes first, it serves alone where nothing is fitted."""
    signals = confidence_signals(probabilities, scores.astype(np.float64))
    return {**signals, "known_share": component.known_share(texts)}
