"""Field heads over a unit embedding, in plain numpy: scores per field and the signals of scope."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tamiz.domain.taxonomy import Taxonomy

Floats = NDArray[np.float32]

ABSTAIN_HEAD = "abstain"
CENTROIDS = "centroids"


class EncoderHeads:
    """Linear heads by name: "<field>.weight" [K, D] and "<field>.bias" [K]; a child field may have
    "<field>.parent" [K, P], which adds parent @ softmax(parent's logits). "abstain.weight" [1, D] and "abstain.bias"
    say whether a person must decide; "centroids" [C, D] are unit class means of the primary field.

    KeyError when a head of a predicted field is missing, ValueError when shapes do not fit the taxonomy.
    """

    def __init__(self, arrays: Mapping[str, Floats], taxonomy: Taxonomy) -> None:
        self.primary = taxonomy.primary
        self.fields = tuple(f.name for f in taxonomy.predicted)
        names = [*self.fields, *([ABSTAIN_HEAD] if f"{ABSTAIN_HEAD}.weight" in arrays else [])]
        self._weights = np.concatenate([arrays[f"{name}.weight"] for name in names]).astype(np.float32)
        self._biases = np.concatenate([arrays[f"{name}.bias"] for name in names]).astype(np.float32)
        self._parents = {
            f.name: (f.parent, arrays[f"{f.name}.parent"].astype(np.float32))
            for f in taxonomy.predicted
            if f"{f.name}.parent" in arrays
        }
        self._centroids = arrays.get(CENTROIDS)
        self._slices: dict[str, slice] = {}
        start = 0
        for name in names:
            size = len(arrays[f"{name}.bias"])
            self._slices[name] = slice(start, start + size)
            start += size
        self._check(taxonomy)

    def _check(self, taxonomy: Taxonomy) -> None:
        for f in taxonomy.predicted:
            if self.size(f.name) != len(f.classes):
                raise ValueError(f"head of '{f.name}' has {self.size(f.name)} classes, not {len(f.classes)}")
        if len(self._weights) != len(self._biases):
            raise ValueError("weights and biases differ in length")

    def logits(self, unit: Floats) -> dict[str, Floats]:
        """Logits [K] of every field (and of the abstain head, [1]) for one unit vector [D].

        One vector at a time, because the last bits of a matrix product depend on how many rows it has.
        """
        flat = self._weights @ unit + self._biases
        found = {name: flat[piece] for name, piece in self._slices.items()}
        for name, (parent, matrix) in self._parents.items():
            found[name] = found[name] + matrix @ _softmax(found[parent])
        return found

    def read(self, units: Floats) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """Scores per field ([N, K]) and signals of scope ([N]) for unit vectors [N, D], each row on its own.

        Signals: "distance" to the nearest class centroid of the primary field, and "abstain_logit".
        """
        rows = [self.logits(unit) for unit in units]
        scores = {
            name: np.stack([row[name] for row in rows])
            if rows
            else np.zeros((0, self.size(name)), np.float32)
            for name in self._slices
        }
        signals = {}
        if self._centroids is not None:
            nearest = [float((self._centroids @ unit).max()) for unit in units]
            signals["distance"] = 1.0 - np.array(nearest, np.float32)
        if ABSTAIN_HEAD in scores:
            signals["abstain_logit"] = scores.pop(ABSTAIN_HEAD)[:, 0]
        return scores, signals

    def size(self, name: str) -> int:
        """The number of classes of a head."""
        return int(self._slices[name].stop - self._slices[name].start)


def _softmax(values: Floats) -> Floats:
    powers = np.exp(values - values.max())
    return np.asarray(powers / powers.sum(), np.float32)
