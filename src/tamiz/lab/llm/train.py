"""Fine-tune a causal language model by LoRA or QLoRA (Hu et al. 2021, Dettmers et al. 2023) with TRL and PEFT.

The loss is taken on the answer alone. A run folder holds the configuration, saved states, TensorBoard's log, and at the
end `adapter/` (PEFT) and `training.json` (losses, seconds, tokens a second, peak memory); a stopped run goes on from its
last saved state when it is started again with the same configuration and rows.
"""

from __future__ import annotations

import hashlib
import json
import resource
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from tamiz.domain import taxonomy_file
from tamiz.domain.errors import ConfigError, DataError
from tamiz.domain.taxonomy import Taxonomy
from tamiz.lab.llm.base import CausalBase, hub_id, load_causal
from tamiz.lab.llm.config import ALL_LINEAR, LlmConfig
from tamiz.lab.llm.quiet import quiet
from tamiz.lab.llm.tokens import Row, tokenized

with quiet():  # on import, bitsandbytes tells which optional kernels are not there
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback
    from transformers.integrations import TensorBoardCallback
    from transformers.trainer_utils import get_last_checkpoint
    from trl import SFTConfig, SFTTrainer

ADAPTER, FACTS, TAXONOMY = "adapter", "training.json", "taxonomy.toml"
STATES, LOGS = "states", "tensorboard"
IGNORED = -100

Told = Callable[[int, int, float | None], None]
"""Hears of every optimiser step: its number, how many there are, the last known training loss."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and in which precision to compute."""

    device: str
    precision: str

    @property
    def dtype(self) -> torch.dtype:
        """Of the frozen base; the adapter is kept in fp32 under autocast."""
        half = {"bf16": torch.bfloat16, "fp16": torch.float16}
        return half.get(self.precision, torch.float32)


def machine(config: LlmConfig) -> Machine:
    """The configured device and precision. ConfigError when this machine does not have them."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    device = next(kind for kind in present if present[kind]) if config.device == "auto" else config.device
    if not present[device]:
        raise ConfigError(key="device", mistake=f"this machine has no '{device}'; use auto or cpu")
    if config.precision == "fp16" and device == "cpu":
        raise ConfigError(
            key="precision", mistake="a processor does not train in fp16; use bf16, fp32 or auto"
        )
    if config.precision != "auto":
        return Machine(device, config.precision)
    if device == "cuda":
        return Machine(device, "bf16" if torch.cuda.is_bf16_supported() else "fp16")
    return Machine(device, "bf16" if device == "cpu" else "fp32")


def train_llm(
    config: LlmConfig,
    train: Sequence[Row],
    held_out: Sequence[Row],
    taxonomy: Taxonomy,
    folder: Path,
    told: Told | None = None,
) -> Path:
    """Train on rows of `sft_rows` and write the adapter into `folder`/adapter; returns that folder.

    ConfigError for a base, a device or layers that are not there, DataError for rows without one that fits.
    """
    where = machine(config)
    torch.manual_seed(config.seed)
    base = load_causal(config.base, four_bit=config.mode == "qlora", dtype=where.dtype)
    rows, judged = (_dataset(part, taxonomy, base, config) for part in (train, held_out))
    model = with_adapter(base.model, config)
    folder.mkdir(parents=True, exist_ok=True)
    resumed = _states_of(folder / STATES, _identity(config, rows))
    with quiet():
        trainer = _trainer(model, base, config, where, folder, rows, judged if held_out else None)
    if told is not None:
        trainer.add_callback(_Steps(told))
    start = time.monotonic()
    result = trainer.train(resume_from_checkpoint=resumed)
    seconds = time.monotonic() - start
    facts = _facts(config, where, trainer, result.metrics, seconds, rows)
    facts["left_out"] = len(train) - len(rows)
    _save(model, base, config, taxonomy, folder)
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    return folder / ADAPTER


def _trainer(
    model: Any,
    base: CausalBase,
    config: LlmConfig,
    where: Machine,
    folder: Path,
    rows: Dataset,
    judged: Dataset | None,
) -> CompletionTrainer:
    arguments = _arguments(config, where, folder, len(rows), judged is not None)
    trainer = CompletionTrainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=judged,
        data_collator=Collator(base.tokenizer.pad_token_id),
        processing_class=base.tokenizer,
        callbacks=[TensorBoardCallback(SummaryWriter(str(folder / LOGS)))],
    )
    trainer.remove_callback(PrinterCallback)
    if arguments.load_best_model_at_end:
        trainer.add_callback(EarlyStoppingCallback(config.patience))
    return trainer


def _save(model: Any, base: CausalBase, config: LlmConfig, taxonomy: Taxonomy, folder: Path) -> None:
    model.peft_config["default"].base_model_name_or_path = hub_id(config.base)
    # Without the argument, peft asks the hub whether the embedding has grown.
    model.save_pretrained(str(folder / ADAPTER), save_embedding_layers=False)
    base.tokenizer.save_pretrained(str(folder / ADAPTER))
    (folder / TAXONOMY).write_text(taxonomy_file.dumps(taxonomy), "utf-8")


class _Steps(TrainerCallback):  # type: ignore[misc]
    def __init__(self, told: Told) -> None:
        self.told = told
        self.loss: float | None = None

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **rest: Any) -> None:
        self.loss = (logs or {}).get("loss", self.loss)

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self.told(state.global_step, state.max_steps, self.loss)


def with_adapter(model: Any, config: LlmConfig) -> Any:
    """The model with a fresh LoRA adapter on the configured linear layers. ConfigError where a name matches none."""
    layers = linear_layers(model)
    wanted = sorted(layers) if config.targets == ALL_LINEAR else list(config.targets)
    for name in wanted:
        if name not in layers:
            raise ConfigError(
                key="targets",
                mistake=f"'{name}' is no linear layer of {config.base}; there are {', '.join(sorted(layers))}",
            )
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=wanted,
        task_type="CAUSAL_LM",
    )
    with quiet():
        if config.mode == "qlora":
            model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=config.checkpointing)
        adapted = get_peft_model(model, lora)
    touched = sum(1 for name, _ in adapted.named_modules() if name.endswith("lora_A.default"))
    expected = sum(layers[name] for name in wanted)
    if touched != expected:
        raise ConfigError(key="targets", mistake=f"{touched} of {expected} layers took an adapter")
    return adapted


def linear_layers(model: Any) -> dict[str, int]:
    """Last part of a linear layer's name → how many there are; the output layer is left out."""
    counts: dict[str, int] = {}
    output = model.get_output_embeddings()
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and module is not output:
            last = name.rpartition(".")[2]
            counts[last] = counts.get(last, 0) + 1
    return counts


@dataclass(frozen=True, slots=True)
class Collator:
    """Pads on the left, so that all answers end at the same place and logits are needed for the last columns only."""

    pad: int

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """`input_ids`, `attention_mask` and `labels` (IGNORED outside the answer), each [rows, longest]."""
        width = max(len(row["input_ids"]) for row in rows)
        ids = torch.full((len(rows), width), self.pad)
        labels = torch.full((len(rows), width), IGNORED)
        attention = torch.zeros((len(rows), width), dtype=torch.long)
        for place, row in enumerate(rows):
            tokens = torch.tensor(row["input_ids"])
            counted = torch.tensor(row["completion_mask"], dtype=torch.bool)
            ids[place, -len(tokens) :] = tokens
            labels[place, -len(tokens) :] = torch.where(counted, tokens, IGNORED)
            attention[place, -len(tokens) :] = 1
        return {"input_ids": ids, "attention_mask": attention, "labels": labels}


class CompletionTrainer(SFTTrainer):  # type: ignore[misc]
    """Computes logits for the answers only: on a CPU a third of the time goes into logits that no loss looks at."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean negative log-likelihood of the answer tokens."""
        labels = inputs["labels"]
        counted = (labels != IGNORED).any(dim=0)
        kept = int(labels.shape[1] - int(counted.nonzero()[0]))
        positions = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        outputs = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            position_ids=positions,
            logits_to_keep=kept + 1,
            use_cache=False,
        )
        logits, targets = outputs.logits[:, :-1].float(), labels[:, -kept:]
        total = nn.functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=IGNORED, reduction="sum"
        )
        count = num_items_in_batch if num_items_in_batch is not None else (targets != IGNORED).sum()
        loss = total / count
        return (loss, {"loss": loss}) if return_outputs else loss


def _dataset(rows: Sequence[Row], taxonomy: Taxonomy, base: CausalBase, config: LlmConfig) -> Dataset:
    found = tokenized(rows, taxonomy, base.tokenizer, config.max_tokens)
    if rows and not found:
        raise DataError(
            path="rows", mistake=f"none of {len(rows)} fits into {config.max_tokens} tokens (max_tokens)"
        )
    return Dataset.from_list(found)


def _arguments(config: LlmConfig, where: Machine, folder: Path, rows: int, judged: bool) -> SFTConfig:
    steps = config.max_steps or max(1, config.epochs * rows // (config.batch * config.accumulate))
    looks = bool(judged and config.evaluate_every)
    every = config.evaluate_every if looks else config.save_every
    return SFTConfig(
        output_dir=str(folder / STATES),
        max_steps=config.max_steps or -1,
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch,
        per_device_eval_batch_size=config.batch,
        gradient_accumulation_steps=config.accumulate,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        warmup_steps=int(config.warmup * steps),
        lr_scheduler_type="cosine",
        max_length=config.max_tokens,
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        bf16=where.precision == "bf16",
        fp16=where.precision == "fp16",
        use_cpu=where.device == "cpu",
        **{_checkpointing(): config.checkpointing},
        eval_strategy="steps" if looks else "no",
        eval_steps=every or None,
        save_strategy="steps" if every else "no",
        save_steps=every or 500,
        save_total_limit=2,
        load_best_model_at_end=bool(looks and config.patience),
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_steps=10,
        report_to=[],
        seed=config.seed,
        data_seed=config.seed,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},  # the collator makes the labels
        disable_tqdm=True,
        dataloader_pin_memory=where.device == "cuda",
    )


def _checkpointing() -> str:
    """The name of the option: transformers changed it in 5.x."""
    known = {field.name for field in fields(SFTConfig)}
    return "activation_checkpointing" if "activation_checkpointing" in known else "gradient_checkpointing"


def _identity(config: LlmConfig, rows: Dataset) -> str:
    """The hash of all that a run's result follows from."""
    facts = json.dumps([config.model_dump(), rows["input_ids"][:], rows["completion_mask"][:]])
    return hashlib.sha256(facts.encode()).hexdigest()


def _states_of(states: Path, identity: str) -> str | None:
    """The last saved state of this very run; states of another one are removed."""
    mark = states / "identity"
    if mark.is_file() and mark.read_text("utf-8") == identity:
        found: str | None = get_last_checkpoint(str(states))
        return found
    shutil.rmtree(states, ignore_errors=True)
    states.mkdir(parents=True)
    mark.write_text(identity, "utf-8")
    return None


def _facts(
    config: LlmConfig,
    where: Machine,
    trainer: SFTTrainer,
    metrics: Mapping[str, float],
    seconds: float,
    rows: Dataset,
) -> dict[str, Any]:
    """What the run was and cost."""
    parts = trainer.model.get_nb_trainable_parameters()
    looked = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    final = trainer.evaluate()["eval_loss"] if trainer.eval_dataset is not None else None
    steps = trainer.state.global_step
    tokens = sum(rows["length"]) / len(rows) * steps * config.batch * config.accumulate
    return {
        "config": config.model_dump(),
        "device": where.device,
        "precision": where.precision,
        "rows": len(rows),
        "steps": steps,
        "trained_parameters": parts[0],
        "all_parameters": parts[1],
        "train_loss": round(metrics["train_loss"], 4),
        "held_out_losses": [round(loss, 4) for loss in looked],
        "held_out_loss": None if final is None else round(final, 4),
        "seconds": round(seconds, 1),
        "tokens_per_second": round(tokens / seconds, 1),
        "examples_per_second": round(steps * config.batch * config.accumulate / seconds, 2),
        "peak_memory_mb": _peak_memory(where),
    }


def _peak_memory(where: Machine) -> int:
    """Of the device in MB where it tells, else of this process."""
    if where.device == "cuda":
        return int(torch.cuda.max_memory_allocated() / 1e6)
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
