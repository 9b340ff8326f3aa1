"""From a trained encoder to the ONNX file that serves: fp32, then int8, then the loss of accuracy, measured.

The graph: input_ids, attention_mask (int64 [B, T]) → embedding (float32 [B, D], mean-pooled, length 1).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from tamiz.domain.errors import MissingExtraError
from tamiz.lab.encoder_config import EncoderConfig
from tamiz.lab.encoder_data import Targets
from tamiz.models.encoder_heads import EncoderHeads
from tamiz.models.text_encoder import TextEncoder

LOSS_ALLOWED = 0.003
"""Accuracy that int8 may cost (mean over fields) before fp32 ships instead."""

_OPSET = 17


@dataclass(frozen=True, slots=True)
class Exported:
    """The chosen file and why: accuracy per field of both files on the same held-out rows."""

    path: Path
    precision: str
    accuracy: dict[str, dict[str, float]]
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the manifest."""
        return {"precision": self.precision, "rows": self.rows, "accuracy": self.accuracy}


class _Embedder(nn.Module):  # type: ignore[misc]
    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask.unsqueeze(-1).float()
        return functional.normalize((hidden * weights).sum(1) / weights.sum(1), dim=1)


def export_fp32(encoder: Any, path: Path) -> Path:
    """Write a transformers encoder (LoRA merged) as an optimised fp32 graph."""
    import onnxruntime

    encoder.set_attn_implementation("eager")
    ids = torch.ones((2, 16), dtype=torch.int64)
    mask = torch.ones_like(ids)
    mask[1, 12:] = 0
    raw = path.with_suffix(".raw")
    axes = {0: "batch", 1: "tokens"}
    with _quiet():
        torch.onnx.export(
            _Embedder(encoder).eval(),
            (ids, mask),
            str(raw),
            dynamo=False,
            opset_version=_OPSET,
            input_names=["input_ids", "attention_mask"],
            output_names=["embedding"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "embedding": {0: "batch"}},
        )
    options = onnxruntime.SessionOptions()
    # "Extended" fuses operators for any processor; only the level above lays data out for the one at hand.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(raw), options, providers=["CPUExecutionProvider"])
    raw.unlink()
    return path


def quantize_int8(fp32: Path, path: Path) -> Path:
    """Write the graph with 8-bit weights per channel and dynamic activations; the embedding matrix is 8-bit too.

    Weights use 7 of the 8 bits, because processors without VNNI add pairs of products in 16 bits and saturate.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError(package="onnx", extra="train") from error
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quiet():
        quantize_dynamic(
            str(fp32),
            str(path),
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    return path


def export(
    encoder: Any,
    heads: EncoderHeads,
    tokenizer: Any,
    config: EncoderConfig,
    texts: Sequence[str],
    targets: Targets,
    folder: Path,
) -> Exported:
    """Export both precisions into `folder`, judge them on held-out texts, choose one.

    `config.quantize` "auto" ships int8 unless its accuracy (mean over fields) is lower by more than LOSS_ALLOWED.
    """
    fp32 = export_fp32(encoder, folder / "fp32.onnx")
    files = {"fp32": fp32}
    if config.quantize != "fp32":
        files["int8"] = quantize_int8(fp32, folder / "int8.onnx")
    accuracy = {}
    for precision, path in files.items():
        embedder = TextEncoder(path.read_bytes(), tokenizer, config.max_tokens)
        accuracy[precision] = _accuracy(heads, embedder.embed(texts), targets)
    chosen = config.quantize if config.quantize != "auto" else choose(accuracy, len(texts))
    return Exported(files[chosen], chosen, accuracy, len(texts))


def _accuracy(heads: EncoderHeads, units: NDArray[np.float32], targets: Targets) -> dict[str, float]:
    scores, _ = heads.read(units)
    rows = {name: targets.labelled(name) for name in scores}
    return {
        name: float(np.mean(scores[name][kept].argmax(axis=1) == targets.fields[name][kept]))
        for name, kept in rows.items()
        if len(kept)
    }


def choose(accuracy: Mapping[str, Mapping[str, float]], rows: int) -> str:
    """The precision to ship, from accuracy per precision and field: int8 unless it loses too much.

    On few held-out rows a single one is more than LOSS_ALLOWED; one row alone never decides.
    """
    fields = accuracy["fp32"]
    lost = sum(fields[name] - accuracy["int8"][name] for name in fields) / max(1, len(fields))
    return "fp32" if lost > max(LOSS_ALLOWED, 1.5 / max(1, rows)) else "int8"


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what exporter and quantiser always say: that they are the older ones, and that shapes were traced."""
    logger = logging.getLogger()
    level = logger.level
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=UserWarning)
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
