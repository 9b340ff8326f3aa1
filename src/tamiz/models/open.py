"""Open any model folder: its manifest says which class reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tamiz.domain.errors import BrokenArtifactError
from tamiz.domain.ports import Model
from tamiz.models import linear, majority
from tamiz.models.artifact import read_manifest


def open_model(folder: Path, base: Path | None = None, cache: Path | None = None) -> Model:
    """The model at a folder. `base` is the GGUF file below a language model's adapter, where its wheel is not meant;
    in `cache` both are merged, so that tickets take half the time.

    Raises BrokenArtifactError; ONNX Runtime is loaded only for encoders."""
    kind = read_manifest(folder).kind
    if kind == "encoder":  # imported here: linear serving stays free of ONNX Runtime
        from tamiz.models.encoder import EncoderModel

        return EncoderModel.open(folder)
    if kind == "llm":  # likewise free of llama.cpp
        from tamiz.models.llm.writer import LlmModel

        return LlmModel.open(folder, base, cache=cache)
    openers: dict[str, Callable[[Path], Model]] = {
        linear.KIND: linear.LinearModel.open,
        majority.KIND: majority.MajorityModel.open,
    }
    if kind not in openers:
        raise BrokenArtifactError(path=folder, mistake=f"its kind '{kind}' is unknown to this version")
    return openers[kind](folder)
