"""Training tickets that a model remembers, to show which ones a new ticket resembles.

Files: exemplars.safetensors ("unit" [N, D] float16) and exemplars.json (id, labels and, for public or synthetic rows
only, the text). A customer's own texts are never written into a model: theirs are found by id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tamiz.domain.errors import BrokenArtifactError
from tamiz.domain.ports import Neighbour

VECTORS, ROWS = "exemplars.safetensors", "exemplars.json"


class ExemplarIndex:
    """Unit vectors [N, D] and what stood there; exact search, for a few thousand rows."""

    def __init__(self, unit: NDArray[np.float16], rows: Sequence[Mapping[str, object]]) -> None:
        self._unit = unit.astype(np.float32)
        self._stored = unit
        self._rows = tuple(rows)

    @property
    def units(self) -> NDArray[np.float32]:
        """The vectors [N, D], in the order of the rows."""
        return self._unit

    def nearest(self, vector: NDArray[np.float32], k: int) -> list[Neighbour]:
        """The k most similar rows by cosine, nearest first."""
        similarity = self._unit @ vector
        best = np.argsort(-similarity, kind="stable")[:k]
        return [_neighbour(self._rows[i], float(similarity[i])) for i in best.tolist()]

    def files(self) -> dict[str, bytes]:
        """The index as files for `write_artifact`."""
        rows = json.dumps(list(self._rows), ensure_ascii=False).encode()
        return {VECTORS: save({"unit": self._stored}), ROWS: rows}

    @classmethod
    def load(cls, folder: Path) -> ExemplarIndex | None:
        """Read what `files` wrote; None for a model without exemplars. Raises BrokenArtifactError."""
        if not (folder / ROWS).is_file():
            return None
        try:
            rows = json.loads((folder / ROWS).read_text("utf-8"))
            return cls(load((folder / VECTORS).read_bytes())["unit"], rows)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise BrokenArtifactError(
                path=folder, mistake=f"its exemplars cannot be read ({error})"
            ) from error


def _neighbour(row: Mapping[str, object], similarity: float) -> Neighbour:
    labels = row["labels"]
    assert isinstance(labels, dict)
    return Neighbour(str(row["id"]), similarity, labels, str(row.get("text", "")))
