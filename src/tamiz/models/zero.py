"""A start without any labelled ticket: labels are compared with the ticket by what the taxonomy says of them.

Every label's names, synonyms and descriptions become unit vectors (one per language, averaged); a ticket's score for it
is a cosine. The scores are poor evidence, and the scale says so: SCALE was set on Banking77's training questions (77
intents by their names alone), where it leaves the model less sure than it has a right to be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamiz.domain.gate import FieldPolicy, Policy
from tamiz.domain.ports import ModelInfo
from tamiz.domain.taxonomy import Field, Label, Taxonomy
from tamiz.domain.triage import Distribution, Prediction
from tamiz.models.calibration import softmax
from tamiz.models.text_encoder import TextEncoder

KIND = "zero-shot"
SCALE = 20.0
NONE_MARGIN = 1.5
"""That a field does not apply is as likely as a label that stands out by this many standard deviations."""

RECOMMEND_AT = 0.5

Floats = NDArray[np.float32]


class ZeroShotModel:
    """Label descriptions against tickets, by an encoder that knows neither."""

    def __init__(self, encoder: TextEncoder, taxonomy: Taxonomy, text_version: str) -> None:
        digest = hashlib.sha256(f"{taxonomy.classes_hash}{taxonomy.prose_hash}".encode()).hexdigest()
        self.info = ModelInfo(f"zero-shot {taxonomy.name}", KIND, digest, taxonomy.classes_hash, text_version)
        self.taxonomy = taxonomy
        self.policy = Policy({f.name: FieldPolicy(recommend_at=RECOMMEND_AT) for f in taxonomy.choices})
        self._encoder = encoder
        self._labels = {f.name: self._vectors(f) for f in taxonomy.predicted}

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text, in order; never raises on any text."""
        vectors = self._encoder.embed(texts)
        return [self._one(vector) for vector in vectors]

    def _one(self, vector: Floats) -> Prediction:
        found = {}
        for f in self.taxonomy.predicted:
            cosines = self._labels[f.name] @ vector
            if f.nullable:
                cosines = np.append(cosines, cosines.mean() + NONE_MARGIN * cosines.std())
            shares = softmax(SCALE * cosines[None].astype(np.float64))[0]
            found[f.name] = Distribution(f.classes, tuple(shares.tolist()))
        return Prediction(found, embedding=vector.tolist())

    def _vectors(self, f: Field) -> Floats:
        """Unit vectors [labels, D]."""
        rows = []
        for label in f.labels:
            mean = self._encoder.embed(descriptions(label, self.taxonomy.languages)).mean(axis=0)
            rows.append(mean / max(float(np.linalg.norm(mean)), 1e-9))
        return np.stack(rows)


def descriptions(label: Label, languages: Iterable[str]) -> list[str]:
    """What the taxonomy says of a label, one text per language."""
    texts: dict[str, Any] = {}
    for language in languages:
        name = label.display.get(language, label.key).replace("_", " ")
        said = [name, label.description.get(language, ""), ", ".join(label.synonyms)]
        texts[". ".join(part for part in said if part)] = None
    return list(texts) or [label.key.replace("_", " ")]
