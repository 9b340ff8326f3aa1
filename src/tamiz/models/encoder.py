"""The fine-tuned encoder behind the Model port: one forward pass per text, all fields and the embedding from it.

Files: encoder.onnx, tokenizer.json, encoder.json (max_tokens), heads.safetensors, and linear/ where a TF-IDF
component is fused in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf
from safetensors import SafetensorError
from safetensors.numpy import load
from tokenizers import Tokenizer

from tamiz.domain.errors import BadPredictionError, BrokenArtifactError
from tamiz.domain.gate import Policy
from tamiz.domain.ports import ModelInfo, Neighbour
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Prediction
from tamiz.models.artifact import read_manifest, read_taxonomy
from tamiz.models.calibration import Calibration, Fusion, confidence_signals
from tamiz.models.encoder_heads import EncoderHeads
from tamiz.models.exemplars import ExemplarIndex
from tamiz.models.linear import LinearComponent
from tamiz.models.text_encoder import TextEncoder

Floats = NDArray[np.floating[Any]]

KIND = "encoder"
GRAPH, TOKENIZER, OPTIONS, HEADS = "encoder.onnx", "tokenizer.json", "encoder.json", "heads.safetensors"
LINEAR = "linear"


@dataclass(frozen=True, slots=True)
class Raw:
    """Uncalibrated answers for N texts: unit embeddings [N, D], one score table (field → [N, K]) per component
    (the encoder first), and the encoder's own signals of scope [N]."""

    embeddings: NDArray[np.float32]
    components: tuple[Mapping[str, Floats], ...]
    own: Mapping[str, Floats]

    def signals(
        self, texts: Sequence[str], primary: str, fusion: Fusion, linear: LinearComponent | None
    ) -> dict[str, Floats]:
        """All signals of scope; `max_logit` comes first, it serves alone where nothing is fitted."""
        fused = fusion.probabilities([scores[primary] for scores in self.components])
        found = {**confidence_signals(fused, self.components[0][primary].astype(np.float64)), **self.own}
        if linear is not None:
            found["known_share"] = linear.known_share(texts)
        return found


class EncoderModel:
    """An encoder read from an artifact. Every text is computed on its own, so neighbours never change an answer."""

    def __init__(
        self,
        info: ModelInfo,
        taxonomy: Taxonomy,
        policy: Policy,
        calibration: Calibration,
        encoder: TextEncoder,
        heads: EncoderHeads,
        linear: LinearComponent | None = None,
        exemplars: ExemplarIndex | None = None,
    ) -> None:
        self.info = info
        self.taxonomy = taxonomy
        self.policy = policy
        self.calibration = calibration
        self.encoder = encoder
        self.heads = heads
        self.linear = linear
        self.exemplars = exemplars

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text, in order, with its embedding."""
        if not texts:
            return []
        raw = answer(self.encoder, self.heads, self.linear, texts)
        primary = self.taxonomy.primary
        signals = raw.signals(texts, primary, self.calibration.fusions[primary], self.linear)
        return self.calibration.predictions(self.taxonomy, raw.components, signals, raw.embeddings)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors [N, D] of the texts, as `predict` returns them."""
        return self.encoder.embed(texts)

    def nearest(self, text: str, k: int) -> list[Neighbour]:
        """The k remembered training tickets most similar to a text; none where the model remembers none."""
        return self.resembling(self.encoder.embed_one(text), k)

    def resembling(self, embedding: Sequence[float] | NDArray[np.float32], k: int) -> list[Neighbour]:
        """The same for a text that `predict` gave this embedding."""
        return self.exemplars.nearest(np.asarray(embedding, np.float32), k) if self.exemplars else []

    @classmethod
    def open(cls, folder: Path) -> EncoderModel:
        """Open a model folder of kind "encoder". Raises BrokenArtifactError."""
        manifest = read_manifest(folder)
        taxonomy = read_taxonomy(folder, manifest)
        try:
            options = json.loads((folder / OPTIONS).read_text("utf-8"))
            encoder = TextEncoder(
                (folder / GRAPH).read_bytes(), _tokenizer(folder / TOKENIZER), options["max_tokens"]
            )
            heads = EncoderHeads(load((folder / HEADS).read_bytes()), taxonomy)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError, *_GRAPH_ERRORS) as error:
            raise BrokenArtifactError(path=folder, mistake=f"its encoder cannot be read ({error})") from error
        linear = LinearComponent.load(folder / LINEAR) if (folder / LINEAR).is_dir() else None
        calibration = Calibration.from_dict(manifest.calibration)
        exemplars = ExemplarIndex.load(folder)
        policy = manifest.read_policy()
        return cls(manifest.info, taxonomy, policy, calibration, encoder, heads, linear, exemplars)


def _tokenizer(path: Path) -> Tokenizer:
    text = path.read_text("utf-8")
    if "model" not in json.loads(text):  # the library tells a wrong file only by a bare Exception
        raise ValueError(f"{path.name} is not a tokenizer")
    return Tokenizer.from_str(text)


_GRAPH_ERRORS = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf)


def answer(
    encoder: TextEncoder, heads: EncoderHeads, linear: LinearComponent | None, texts: Sequence[str]
) -> Raw:
    """What the components say about N texts, before calibration; training and serving share it. BadPredictionError where
    the encoder gives no vectors."""
    embeddings = encoder.embed(texts)
    if embeddings.shape != (len(texts), encoder.width) or not np.isfinite(embeddings).all():
        mistake = f"vectors of shape {embeddings.shape}, finite: {bool(np.isfinite(embeddings).all())}"
        raise BadPredictionError(name=KIND, mistake=mistake)
    scores, own = heads.read(embeddings)
    components = (scores,) if linear is None else (scores, linear.scores(texts))
    return Raw(embeddings, components, own)
