"""Models that share what their encoder saw: a candidate has the encoder of the active model, and reading texts is most of the
work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tamiz.domain.ports import Model
from tamiz.models.artifact import read_manifest
from tamiz.models.encoder import GRAPH, TOKENIZER, EncoderModel
from tamiz.models.open import open_model
from tamiz.models.text_encoder import TextEncoder

Open = Callable[[Path], Model]
Seen = dict[str, NDArray[np.float32]]


class Remembering(TextEncoder):
    """An encoder that reads a text once. `seen` maps texts to their vectors [D]."""

    def __init__(self, encoder: TextEncoder, seen: Seen) -> None:
        self._encoder, self._seen, self.width = encoder, seen, encoder.width

    def embed_one(self, text: str) -> NDArray[np.float32]:
        """The unit vector [D] of a text."""
        unit: NDArray[np.float32] = self.embed([text])[0]
        return unit

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors [N, D] in order."""
        fresh = list(dict.fromkeys(text for text in texts if text not in self._seen))
        self._seen.update(zip(fresh, self._encoder.embed(fresh), strict=True))
        return np.stack([self._seen[text] for text in texts]) if texts else self._encoder.embed(texts)


class Opened:
    """Opens models; those with the same encoder share what it saw."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], Seen] = {}

    def __call__(self, folder: Path) -> Model:
        """The model at a folder. ArtifactError."""
        model = open_model(folder)
        if isinstance(model, EncoderModel):
            files = read_manifest(folder).files
            model.encoder = Remembering(
                model.encoder, self.seen.setdefault((files[GRAPH], files[TOKENIZER]), {})
            )
        return model
