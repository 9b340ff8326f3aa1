"""The training loop: batches in, trained network out; every run can be killed and resumed.

Everything random follows from the seed and the step: batch order from (seed, epoch), dropout from (seed, step).
So a saved state holds weights, optimiser moments and averages, and no generator state, and a resumed run on the
same machine ends where an uninterrupted one does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from tamiz.domain.errors import ConfigError
from tamiz.lab.encoder_config import EncoderConfig
from tamiz.lab.encoder_data import Ints, Targets, balanced_weights, bucketed, padded
from tamiz.lab.encoder_net import EncoderNet, contrastive_loss, loss_of
from tamiz.lab.encoder_state import load_state, save_state

Judge = Callable[[NDArray[np.float32]], float]


@dataclass(frozen=True, slots=True)
class Rows:
    """Tokenised examples and their targets; `pad` fills short rows of a batch."""

    ids: Sequence[Sequence[int]]
    targets: Targets
    pad: int


@dataclass(frozen=True, slots=True)
class Hardware:
    """Where and in which precision to compute."""

    device: torch.device
    dtype: torch.dtype

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision around a forward pass; nothing in fp32."""
        kind = self.device.type
        return torch.autocast(kind, dtype=self.dtype, enabled=self.dtype is not torch.float32)  # type: ignore[no-any-return]


@dataclass(slots=True)
class Progressed:
    """How far a run is: optimiser steps done, and the best held-out score with its epoch (-1: none yet)."""

    step: int = 0
    best: float = -1.0
    best_epoch: int = -1
    scores: list[float] = field(default_factory=list)


def hardware(config: EncoderConfig) -> Hardware:
    """The configured device and precision. ConfigError when this machine does not have them."""
    available: dict[str, bool] = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    name = next(kind for kind in available if available[kind]) if config.device == "auto" else config.device
    if not available[name]:
        raise ConfigError(key="device", mistake=f"this machine has no '{name}'; use auto or cpu")
    precision = _natural_precision(name) if config.precision == "auto" else config.precision
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]
    return Hardware(torch.device(name), dtype)


def _natural_precision(device: str) -> str:
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device == "mps":
        return "bf16" if torch.backends.mps.is_macos_or_newer(14, 0) else "fp32"
    abilities = torch.cpu.get_capabilities()
    return "bf16" if abilities.get("avx512_bf16") or abilities.get("amx_bf16") else "fp32"


def embed(net: EncoderNet, ids: Sequence[Sequence[int]], pad: int, where: Hardware) -> NDArray[np.float32]:
    """Unit embeddings [N, D] in evaluation mode, texts of similar length together."""
    training = net.training
    net.eval()
    order = np.argsort([len(row) for row in ids], kind="stable")
    parts = []
    with torch.inference_mode(), where.autocast():
        for start in range(0, len(order), 64):
            batch, mask = padded([ids[i] for i in order[start : start + 64]], pad)
            unit = net(torch.from_numpy(batch).to(where.device), torch.from_numpy(mask).to(where.device))
            parts.append(unit.float().cpu().numpy())
    net.train(training)
    out = np.concatenate(parts)
    out[order] = out.copy()
    return out


class Run:
    """One training run of a network on rows; `folder` holds its saved state and TensorBoard events."""

    def __init__(
        self, net: EncoderNet, rows: Rows, config: EncoderConfig, where: Hardware, folder: Path
    ) -> None:
        self.net, self.rows, self.config, self.where, self.folder = net, rows, config, where, folder
        heads = {id(p) for p in (*net.heads.parameters(), *(net.abstain.parameters() if net.abstain else ()))}
        self.names = [name for name, p in net.named_parameters() if p.requires_grad]
        self.trained = [p for p in net.parameters() if p.requires_grad]
        body = [p for p in self.trained if id(p) not in heads]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": body, "rate": config.rate, "lr": config.rate, "weight_decay": config.weight_decay},
                {
                    "params": [p for p in self.trained if id(p) in heads],
                    "rate": config.head_rate,
                    "lr": config.head_rate,
                    "weight_decay": 0.0,
                },
            ]
        )
        self.scaler = torch.amp.GradScaler(where.device.type, enabled=where.dtype is torch.float16)
        self.steps_per_epoch = math.ceil(math.ceil(len(rows.ids) / config.batch) / config.accumulate)
        self.total = self.steps_per_epoch * config.epochs
        self.progress = Progressed()
        self.average = [p.detach().clone() for p in self.trained] if config.ema else []
        self.best: list[Tensor] = []
        self.class_weights = self._class_weights() if config.class_weights else {}

    def fit(
        self, judge: Judge | None, held_out: Sequence[Sequence[int]], key: str, stop_after: int = 0
    ) -> Progressed:
        """Train to the end, or until `patience` epochs bring nothing; the best (or averaged, or last) weights stay.

        `judge` turns held-out embeddings into a score. `key` names the run: a state saved under another key is
        refused with ConfigError. `stop_after` ends the call after that step with the state saved.
        """
        self._resume(key)
        self.net.train()
        with self._bar() as bar, self._events() as events:
            task = bar.add_task("training", total=self.total, completed=self.progress.step)
            while self.progress.step < self.total and not self._exhausted():
                epoch, done = divmod(self.progress.step, self.steps_per_epoch)
                for group in self._groups(epoch)[done:]:
                    loss = self._step(group)
                    events.add_scalar("loss", loss, self.progress.step)
                    events.add_scalar("rate", self.optimizer.param_groups[0]["lr"], self.progress.step)
                    bar.update(task, advance=1, description=f"epoch {epoch + 1} loss {loss:.3f}")
                    due = self.config.save_every and self.progress.step % self.config.save_every == 0
                    if due or self.progress.step == stop_after:
                        self._save(key)
                    if self.progress.step == stop_after:
                        return self.progress
                self._end_of_epoch(epoch, judge, held_out, events)
                self._save(key)
        self._settle()
        return self.progress

    def _groups(self, epoch: int) -> list[list[Ints]]:
        """The batches of one epoch, `accumulate` of them per optimiser step."""
        lengths = [len(row) for row in self.rows.ids]
        batches = bucketed(lengths, self.config.batch, self.config.seed, epoch)
        size = self.config.accumulate
        return [batches[i : i + size] for i in range(0, len(batches), size)]

    def _step(self, group: Sequence[Ints]) -> float:
        step = self.progress.step
        torch.manual_seed(self.config.seed * 1_000_003 + step)
        factor = _schedule(step, self.total, self.config.warmup)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = parameters["rate"] * factor
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for batch in group:
            loss = self._loss(batch) / len(group)
            self.scaler.scale(loss).backward()
            total += float(loss.detach())
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.progress.step += 1
        self._update_average()
        return total

    def _loss(self, batch: Ints) -> Tensor:
        config, device = self.config, self.where.device
        ids, mask = padded([self.rows.ids[i] for i in batch], self.rows.pad)
        views = np.concatenate([batch, batch]) if config.contrastive else batch
        if config.contrastive:
            ids, mask = np.concatenate([ids, ids]), np.concatenate([mask, mask])
        with self.where.autocast():
            unit = self.net(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device))
        unit = unit.float()
        fields = {
            name: torch.from_numpy(rows[views]).to(device) for name, rows in self.rows.targets.fields.items()
        }
        abstain = torch.from_numpy(self.rows.targets.abstain[views]).to(device)
        loss = loss_of(self.net, unit, fields, abstain, self.class_weights, config)
        if config.contrastive:
            primary = fields[self.net.primary]
            loss = loss + config.contrastive * contrastive_loss(unit, primary, config.temperature)
        return loss

    def _class_weights(self) -> dict[str, Tensor]:
        return {
            name: torch.from_numpy(balanced_weights(rows, len(self.net.heads[f"field_{name}"].bias))).to(
                self.where.device
            )
            for name, rows in self.rows.targets.fields.items()
        }

    def _update_average(self) -> None:
        if not self.average:
            return
        # The decay grows with the steps, so that the average is not held back by the untrained start.
        decay = min(self.config.ema, (1 + self.progress.step) / (10 + self.progress.step))
        with torch.no_grad():
            for mean, value in zip(self.average, self.trained, strict=True):
                mean.mul_(decay).add_(value, alpha=1 - decay)

    def _end_of_epoch(
        self, epoch: int, judge: Judge | None, held_out: Sequence[Sequence[int]], events: Any
    ) -> None:
        if judge is None:
            return
        kept = self._swap_in(self.average)
        score = judge(embed(self.net, held_out, self.rows.pad, self.where))
        events.add_scalar("held-out macro-F1", score, self.progress.step)
        self.progress.scores.append(score)
        if score > self.progress.best:
            self.progress.best, self.progress.best_epoch = score, epoch
            self.best = [p.detach().clone() for p in self.trained]
        self._swap_in(kept)

    def _exhausted(self) -> bool:
        waited = self.progress.step // self.steps_per_epoch - 1 - self.progress.best_epoch
        return bool(self.config.patience and self.progress.best_epoch >= 0 and waited >= self.config.patience)

    def _settle(self) -> None:
        self._swap_in(self.best or self.average)

    def _swap_in(self, values: Sequence[Tensor]) -> list[Tensor]:
        """Put other values into the trained parameters; the old ones come back (empty in, empty out)."""
        if not values:
            return []
        old = [p.detach().clone() for p in self.trained]
        with torch.no_grad():
            for parameter, value in zip(self.trained, values, strict=True):
                parameter.copy_(value)
        return old

    def _save(self, key: str) -> None:
        tensors: dict[str, Tensor] = {}
        for i, (name, parameter) in enumerate(zip(self.names, self.trained, strict=True)):
            tensors[f"value/{name}"] = parameter.detach()
            moments = self.optimizer.state.get(parameter, {})
            tensors |= {f"moment/{kind}/{name}": value for kind, value in moments.items()}
            if self.average:
                tensors[f"average/{name}"] = self.average[i]
            if self.best:
                tensors[f"best/{name}"] = self.best[i]
        facts = {
            "key": key,
            "step": self.progress.step,
            "best": self.progress.best,
            "best_epoch": self.progress.best_epoch,
            "scores": self.progress.scores,
            "scaler": self.scaler.state_dict(),
        }
        save_state(self.folder, tensors, facts)

    def _resume(self, key: str) -> None:
        saved = load_state(self.folder, key)
        if saved is None:
            return
        tensors, facts = saved
        device = self.where.device
        with torch.no_grad():
            for name, parameter in zip(self.names, self.trained, strict=True):
                parameter.copy_(tensors[f"value/{name}"])
                kinds = [
                    kind for kind in ("step", "exp_avg", "exp_avg_sq") if f"moment/{kind}/{name}" in tensors
                ]
                self.optimizer.state[parameter] = {
                    # AdamW keeps its step count on the processor.
                    kind: tensors[f"moment/{kind}/{name}"].to("cpu" if kind == "step" else device)
                    for kind in kinds
                }
        if self.average:
            self.average = [tensors[f"average/{name}"].to(device) for name in self.names]
        if facts["best_epoch"] >= 0:
            self.best = [tensors[f"best/{name}"].to(device) for name in self.names]
        self.scaler.load_state_dict(facts["scaler"])
        self.progress = Progressed(facts["step"], facts["best"], facts["best_epoch"], facts["scores"])

    def _bar(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        return Progress(*columns, console=Console(stderr=True))

    def _events(self) -> Any:
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self.folder), purge_step=self.progress.step or None)


def _schedule(step: int, total: int, warmup: float) -> float:
    """Linear warm-up, then linear decay to zero; a share of the peak rate."""
    warm = max(1, int(warmup * total))
    return min((step + 1) / warm, max(0.0, (total - step) / max(1, total - warm)))
