"""Every choice of an encoder training run, read from TOML or a ready profile.

    base = "all-MiniLM-L6-v2"
    mode = "lora"            # lora | full | frozen
    epochs = 8

Profiles that ship: cuda, mps, cpu, frozen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tamiz.lab import config_file

PACKAGE = "tamiz.lab"
ALL_LINEAR: Literal["all-linear"] = "all-linear"

_Share = Annotated[float, Field(ge=0.0, lt=1.0)]
_Count = Annotated[int, Field(ge=1)]
_CountOrOff = Annotated[int, Field(ge=0)]


class EncoderConfig(BaseModel):
    """A frozen training configuration; unknown keys and wrong types are refused.

    Optimisation counts in optimiser steps: one step sees `batch` × `accumulate` examples. Shares (`warmup`,
    `dropout`, `label_smoothing`, `ema`) lie in [0, 1). 0 switches `patience`, `save_every`, `layers`,
    `contrastive` and `ema` off.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    base: str = Field("all-MiniLM-L6-v2", min_length=1)
    """A hub id, a local folder, or packaged weights (`tamiz.lab.base_models.PACKAGED`)."""
    layers: _CountOrOff = 0
    """Keep this many transformer layers."""
    layer_choice: Literal["first", "spread"] = "first"
    """Which layers are kept: the first ones, or evenly spread ones (every other one when half are kept)."""
    vocabulary: _CountOrOff = 24_000
    """Rows that the embedding matrix of a multilingual base may keep when its packaged form is trimmed."""
    max_tokens: int = Field(128, ge=8, le=512)

    mode: Literal["lora", "full", "frozen"] = "lora"
    rank: _Count = 16
    alpha: _Count = 32
    lora_dropout: _Share = 0.05
    targets: Literal["all-linear"] | list[str] = ALL_LINEAR
    """`all-linear`, or the last parts of module names; a name that matches no linear layer is an error."""
    dropout: _Share = 0.1

    train_embeddings: bool = True
    """In full fine-tuning, train the word vectors too; without, a step costs about a quarter less."""

    epochs: _Count = 8
    batch: _Count = 32
    accumulate: _Count = 1
    learning_rate: float = Field(0.0, ge=0.0)
    """Of the encoder's weights; 0 means 1e-3 for LoRA and 1e-4 for full fine-tuning."""
    head_rate: float = Field(5e-3, gt=0.0)
    weight_decay: float = Field(0.01, ge=0.0)
    warmup: _Share = 0.06
    label_smoothing: _Share = 0.1
    scale: float = Field(20.0, gt=0.0)
    """Of the cosine heads: logit = scale · cos(embedding, class vector) + bias."""
    centred: bool = False
    """Start class vectors from means around the overall mean; for encoders whose vectors all point one way (E5)."""
    contrastive: float = Field(0.0, ge=0.0)
    """Weight of the supervised contrastive loss over two dropout views of each batch (Khosla et al. 2020)."""
    temperature: float = Field(0.07, gt=0.0)
    """Of the contrastive loss."""
    class_weights: bool = False
    """Give every class of a field the same say."""
    inverse_penalty: float = Field(15.0, gt=0.0)
    """C of the logistic regressions in frozen mode."""
    ema: _Share = 0.0
    """Decay of the exponential moving average of the weights that is judged and exported."""
    patience: _CountOrOff = 0
    """Stop after this many epochs without a better mean macro-F1 on the held-out half; the best epoch is kept."""

    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    checkpointing: bool = False
    save_every: _CountOrOff = 0
    """Optimiser steps between saved states, besides one after every epoch."""
    seed: int = Field(0, ge=0, lt=2**31)

    label_texts: bool = False
    """Every label's name, synonyms and description are training rows too; pays where classes have few rows."""
    hybrid: bool = False
    """Train the linear (TF-IDF) component too; calibration weighs the two against each other."""
    linear_features: _Count = 200_000
    """How many word and character n-grams the linear component may use."""
    exemplars: _CountOrOff = 0
    """So many training rows are remembered, to show which ones a new ticket resembles."""
    quantize: Literal["auto", "int8", "fp32"] = "auto"
    """The ONNX file that ships; auto takes int8 unless it loses more than 0.3 points."""

    @field_validator("targets")
    @classmethod
    def _some_target(cls, value: str | list[str]) -> str | list[str]:
        if not value:
            raise ValueError('names no layer; write "all-linear" or a list of layer names')
        return value

    @property
    def rate(self) -> float:
        """The encoder's learning rate, its default by mode filled in."""
        return self.learning_rate or (1e-4 if self.mode == "full" else 1e-3)


def parse(data: dict[str, Any], source: str = "encoder configuration") -> EncoderConfig:
    """A configuration from plain data; ConfigError names the key and the mistake."""
    return config_file.parse(EncoderConfig, data, source)


def load_config(path: str | Path) -> EncoderConfig:
    """Read a TOML file, or a profile by its name (`cpu`, `cuda`, `mps`, `frozen`)."""
    return config_file.load(EncoderConfig, path, PACKAGE)


def profiles() -> tuple[str, ...]:
    """The names of the ready profiles."""
    return config_file.profiles(PACKAGE)
