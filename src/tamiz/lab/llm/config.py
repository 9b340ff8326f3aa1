"""Every choice of a language model's fine-tuning, read from TOML or a ready profile.

base = "SmolLM2-135M-Instruct"
mode = "lora"            # lora | qlora
epochs = 1
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tamiz.lab import config_file

PACKAGE = "tamiz.lab.llm"
ALL_LINEAR: Literal["all-linear"] = "all-linear"

_Share = Annotated[float, Field(ge=0.0, lt=1.0)]
_Count = Annotated[int, Field(ge=1)]
_CountOrOff = Annotated[int, Field(ge=0)]


class LlmConfig(BaseModel):
    """A frozen training configuration; unknown keys and wrong types are refused.

    Optimisation counts in optimiser steps: one step sees `batch` × `accumulate` examples. Shares lie in [0, 1).
    0 switches `patience`, `evaluate_every`, `save_every` and `max_steps` off.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    base: str = Field("SmolLM2-135M-Instruct", min_length=1)
    """A hub id, a local folder, a GGUF file (de-quantised), or packaged weights (`tamiz.lab.llm.base.PACKAGED`)."""
    mode: Literal["lora", "qlora"] = "lora"
    """qlora holds the base in 4 bits (NF4, Dettmers et al. 2023); it is meant for CUDA and slow elsewhere."""
    rank: _Count = 16
    alpha: _Count = 32
    dropout: _Share = 0.05
    targets: Literal["all-linear"] | list[str] = ALL_LINEAR
    """`all-linear`, or the last parts of module names; a name that matches no linear layer is an error."""

    max_tokens: int = Field(640, ge=64, le=8192)
    """Longer rows are left out and counted: a cut row would lack a part of its answer."""
    epochs: _Count = 1
    max_steps: _CountOrOff = 0
    batch: _Count = 8
    accumulate: _Count = 1
    learning_rate: float = Field(5e-4, gt=0.0)
    weight_decay: float = Field(0.0, ge=0.0)
    warmup: _Share = 0.05
    evaluate_every: _CountOrOff = 0
    """Optimiser steps between looks at the held-out loss, besides one at the end."""
    patience: _CountOrOff = 0
    """Stop after this many looks without a better held-out loss; the best state is kept."""
    save_every: _CountOrOff = 0
    """Optimiser steps between saved states, from which a stopped run goes on."""

    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    checkpointing: bool = False
    """Compute activations again in the backward pass: about a third slower, much less memory."""
    seed: int = Field(0, ge=0, lt=2**31)

    @field_validator("targets")
    @classmethod
    def _some_target(cls, value: str | list[str]) -> str | list[str]:
        if not value:
            raise ValueError('names no layer; write "all-linear" or a list of layer names')
        return value

    @model_validator(mode="after")
    def _patience_looks(self) -> LlmConfig:
        if self.patience and not self.evaluate_every:
            raise ValueError("patience needs evaluate_every, the steps between looks at the held-out loss")
        return self


def parse(data: dict[str, Any], source: str = "language model configuration") -> LlmConfig:
    """A configuration from plain data; ConfigError names the key and the mistake."""
    return config_file.parse(LlmConfig, data, source)


def load_config(path: str | Path) -> LlmConfig:
    """Read a TOML file, or a profile by its name."""
    return config_file.load(LlmConfig, path, PACKAGE)


def profiles() -> tuple[str, ...]:
    """The names of the ready profiles."""
    return config_file.profiles(PACKAGE)
