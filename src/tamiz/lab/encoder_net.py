"""The network that is trained: one shared encoder, one cosine head per field, an abstain head.

Embedding: mean over the tokens' last hidden states, scaled to length 1. Field head: scale · cos(embedding, class
vector) + bias. The head of a child field (a subcategory) adds parent @ softmax(parent's logits), so it is
conditioned on what the network thinks of the category. The abstain head says whether a person must decide.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tamiz.domain.errors import ConfigError
from tamiz.domain.taxonomy import Taxonomy
from tamiz.lab.base_models import Base
from tamiz.lab.encoder_config import ALL_LINEAR, EncoderConfig
from tamiz.lab.encoder_data import MASKED, Targets

Floats = NDArray[np.float32]

_FORBIDDEN = -4.0


@dataclass(frozen=True, slots=True)
class Trainable:
    """What is trained: parameters of the encoder and heads together, and the encoder's layers that LoRA adapts."""

    parameters: int
    total: int
    targets: tuple[str, ...]

    @property
    def share(self) -> float:
        """Trained parameters as a share of all."""
        return self.parameters / self.total


class Head(nn.Module):  # type: ignore[misc]
    """Cosine logits [B, K] of one field; `parent` [K, P] conditions them on the parent field's probabilities."""

    def __init__(self, width: int, size: int, scale: float, parent: Floats | None) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.randn(size, width) * 0.02)
        self.bias = nn.Parameter(torch.zeros(size))
        self.parent = None if parent is None else nn.Parameter(torch.from_numpy(parent))

    def forward(self, unit: Tensor, parent_logits: Tensor | None = None) -> Tensor:
        logits = self.scale * unit @ functional.normalize(self.weight, dim=1).T + self.bias
        if self.parent is not None and parent_logits is not None:
            logits = logits + parent_logits.softmax(1) @ self.parent.T
        return logits

    def plain(self) -> dict[str, Floats]:
        """The head as an ordinary linear layer over the unit embedding, scale folded in."""
        weight = self.scale * functional.normalize(self.weight.detach(), dim=1)
        arrays = {"weight": weight, "bias": self.bias.detach()}
        if self.parent is not None:
            arrays["parent"] = self.parent.detach()
        return {key: value.float().cpu().numpy() for key, value in arrays.items()}


class EncoderNet(nn.Module):  # type: ignore[misc]
    """Encoder and heads. `forward(ids [B, T], mask [B, T])` → unit embeddings [B, D]; `logits` reads them."""

    def __init__(self, base: Base, taxonomy: Taxonomy, config: EncoderConfig, abstain: bool) -> None:
        super().__init__()
        self.encoder = base.model
        self.primary = taxonomy.primary
        self.parents = {f.name: f.parent for f in taxonomy.predicted}
        # Prefixed, because a field may bear the name of a method of torch's modules ("type").
        self.heads = nn.ModuleDict(
            {
                f"field_{f.name}": Head(base.width, len(f.classes), config.scale, _relation(taxonomy, f.name))
                for f in taxonomy.predicted
            }
        )
        self.abstain = Head(base.width, 1, config.scale, None) if abstain else None

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weights = mask.unsqueeze(-1).float()
        return functional.normalize((hidden * weights).sum(1) / weights.sum(1), dim=1)

    def logits(self, unit: Tensor) -> dict[str, Tensor]:
        """Logits [B, K] of every field, parents before children."""
        found: dict[str, Tensor] = {}
        for name, parent in self.parents.items():
            found[name] = self.heads[f"field_{name}"](unit, found.get(parent))
        return found

    def plain_heads(self) -> dict[str, Floats]:
        """All heads as the serving side reads them: "<field>.weight", "<field>.bias", "<field>.parent", "abstain.…"."""
        modules = {name: self.heads[f"field_{name}"] for name in self.parents}
        if self.abstain is not None:
            modules["abstain"] = self.abstain
        return {
            f"{name}.{key}": value for name, head in modules.items() for key, value in head.plain().items()
        }

    def start_heads(self, unit: Floats, targets: Targets, centred: bool = False) -> None:
        """Set every class vector to the mean embedding of its training rows (prototypes), unit [N, D].

        `centred` takes the means around the overall mean, which sets apart vectors that all point one way.
        """
        if centred:
            unit = unit - unit.mean(axis=0)
        with torch.no_grad():
            for name in self.parents:
                weight = self.heads[f"field_{name}"].weight
                for k, mean in enumerate(class_means(unit, targets.fields[name], len(weight))):
                    if mean.any():
                        weight[k] = torch.from_numpy(mean)
            if self.abstain is not None:
                plain, odd = class_means(unit, targets.abstain.astype(np.int64), 2)
                self.abstain.weight[0] = torch.from_numpy(odd - plain)


def class_means(unit: Floats, classes: NDArray[np.int64], size: int) -> Floats:
    """Mean embedding per class, scaled to length 1: [size, D]; zeros for a class without rows."""
    means = np.zeros((size, unit.shape[1]), np.float32)
    for k in range(size):
        rows = unit[classes == k]
        if len(rows):
            mean = rows.mean(0)
            means[k] = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return means


def _relation(taxonomy: Taxonomy, name: str) -> Floats | None:
    """The starting [K, P] of a child head: what may not stand below a parent value starts unlikely."""
    child = taxonomy.field(name)
    if not child.parent:
        return None
    parent = taxonomy.field(child.parent)
    allowed = [{*child.allowed(key)} if key in parent.keys else set(child.classes) for key in parent.classes]
    rows = [
        [0.0 if label in below or label not in child.keys else _FORBIDDEN for below in allowed]
        for label in child.classes
    ]
    return np.array(rows, np.float32)


def adapt(net: EncoderNet, config: EncoderConfig) -> Trainable:
    """Decide what of the encoder is trained: LoRA layers (mode lora), everything (full), nothing (frozen)."""
    targets: tuple[str, ...] = ()
    if config.checkpointing:
        _checkpoint_activations(net.encoder)
    if config.mode == "lora":
        from peft import LoraConfig, get_peft_model

        targets = lora_targets(net.encoder, config.targets)
        settings = LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,
            lora_dropout=config.lora_dropout,
            target_modules=list(targets),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers under an older name
            net.encoder = get_peft_model(net.encoder, settings)
    elif config.mode == "frozen":
        net.encoder.requires_grad_(False)
    elif not config.train_embeddings:
        net.encoder.get_input_embeddings().requires_grad_(False)
    parameters = list(net.parameters())
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    return Trainable(trained, sum(p.numel() for p in parameters), targets)


def _checkpoint_activations(encoder: Any) -> None:
    if hasattr(encoder, "activation_checkpointing_enable"):  # its name in newer versions
        encoder.activation_checkpointing_enable()
    else:
        encoder.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def lora_targets(encoder: Any, targets: str | Sequence[str]) -> tuple[str, ...]:
    """The full names of the linear layers to adapt. ConfigError when a wanted name matches none."""
    linear = [name for name, module in encoder.named_modules() if isinstance(module, nn.Linear)]
    if targets == ALL_LINEAR:
        return tuple(linear)
    for wanted in targets:
        if not any(_matches(name, wanted) for name in linear):
            known = ", ".join(sorted({name.rsplit(".", 1)[-1] for name in linear}))
            raise ConfigError(
                key="targets", mistake=f"'{wanted}' matches no linear layer of the encoder; it has: {known}"
            )
    return tuple(name for name in linear if any(_matches(name, wanted) for wanted in targets))


def _matches(name: str, wanted: str) -> bool:
    return name == wanted or name.endswith(f".{wanted}")


def merged(net: EncoderNet) -> Any:
    """The plain transformers encoder with LoRA folded into its weights, in evaluation mode on the CPU."""
    encoder = net.encoder.merge_and_unload() if hasattr(net.encoder, "merge_and_unload") else net.encoder
    return encoder.eval().cpu()


def loss_of(
    net: EncoderNet,
    unit: Tensor,
    fields: Mapping[str, Tensor],
    abstain: Tensor,
    weights: Mapping[str, Tensor],
    config: EncoderConfig,
) -> Tensor:
    """Sum of the fields' cross-entropies over labelled rows, and the abstain head's binary cross-entropy."""
    total = unit.sum() * 0.0
    for name, logits in net.logits(unit).items():
        if bool((fields[name] != MASKED).any()):
            total = total + functional.cross_entropy(
                logits,
                fields[name],
                weight=weights.get(name),
                ignore_index=MASKED,
                label_smoothing=config.label_smoothing,
            )
    if net.abstain is not None:
        total = total + functional.binary_cross_entropy_with_logits(net.abstain(unit)[:, 0], abstain)
    return total


def contrastive_loss(unit: Tensor, classes: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020) over labelled rows; rows without a partner add nothing."""
    unit, classes = unit[classes != MASKED], classes[classes != MASKED]
    if len(classes) < 2:
        return unit.sum() * 0.0
    itself = torch.eye(len(classes), dtype=torch.bool, device=unit.device)
    similar = (unit @ unit.T / temperature).masked_fill(itself, -1e9).log_softmax(1)
    partners = (classes[:, None] == classes[None, :]) & ~itself
    counts = partners.sum(1)
    per_row = -(similar * partners).sum(1) / counts.clamp(min=1)
    return per_row.sum() / (counts > 0).sum().clamp(min=1)
