"""Speed of one ticket and of a stream, beside PyTorch with the same weights and the 410M-parameter path.

The 410M path is the shape that a predecessor serves (GPT-NeoX, 24 layers, 1,024 wide, PyTorch fp32, batch 1) with
random weights: its answers mean nothing, its time does. "Generate and parse" lets the same shape write 80 tokens.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from tamiz.bootstrap.sieve import Sieve
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.lab.base_models import load_base
from tamiz.lab.bench.texts import texts_of_length
from tamiz.lab.data.synthetic import synthetic_examples
from tamiz.lab.encoder_config import EncoderConfig
from tamiz.lab.train_encoder import train_encoder
from tamiz.models.open import open_model

Precision = Literal["int8", "fp32"]

TOKENS = 32
ROWS = 400
GENERATED = 80


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds per call: median and 99th percentile over `calls` calls, and tickets per second."""

    name: str
    p50: float
    p99: float
    per_second: float
    calls: int


def measure(name: str, call: Callable[[str], Any], texts: Sequence[str], warm: int = 20) -> Timing:
    """Time one call per text, after a warm-up."""
    for text in texts[:warm]:
        call(text)
    times = []
    for text in texts:
        start = time.perf_counter()
        call(text)
        times.append((time.perf_counter() - start) * 1000)
    p50, p99 = np.quantile(times, [0.5, 0.99])
    return Timing(name, float(p50), float(p99), 1000 / statistics.mean(times), len(times))


def stream(name: str, call: Callable[[list[str]], Any], texts: list[str]) -> Timing:
    """Time one pass over all texts at once; only tickets per second mean something."""
    call(texts[:32])
    start = time.perf_counter()
    call(texts)
    took = time.perf_counter() - start
    return Timing(name, float("nan"), float("nan"), len(texts) / took, 1)


def run(seed: int = 0, rows: int = ROWS) -> list[Timing]:
    """All timings of one run, in the order of the table."""
    base = load_base(EncoderConfig())
    texts = texts_of_length(base.tokenizer, TOKENS, rows, seed)
    found: list[Timing] = []
    with tempfile.TemporaryDirectory() as folder:
        precisions: tuple[Precision, ...] = ("int8", "fp32")
        for precision in precisions:
            sieve = _frozen(Path(folder) / precision, precision, seed)
            found.append(measure(f"text → strict ticket, {precision}", sieve.triage, texts))
            found.append(stream(f"stream of tickets, {precision}", sieve.triage, texts))
            found.append(measure(f"model alone, {precision}", _alone(sieve), texts))
    found.append(measure("PyTorch fp32, same weights", _torch_encoder(base), texts[: rows // 2]))
    found += _large(texts[:12], seed)
    return found


def _alone(sieve: Sieve) -> Callable[[str], Any]:
    return lambda text: sieve.model.predict([text])


def _frozen(folder: Path, precision: Precision, seed: int) -> Sieve:
    """all-MiniLM-L6-v2 with heads of the default taxonomy: speed does not depend on what the weights have learned."""
    train, held_out = synthetic_examples(600, seed, "train"), synthetic_examples(200, seed, "valid")
    config = EncoderConfig(mode="frozen", quantize=precision, seed=seed)
    path = train_encoder(config, train, held_out, default_taxonomy(), folder, earned=False)
    model = open_model(path)
    return Sieve(model, model.policy)


def _torch_encoder(base: Any) -> Callable[[str], Any]:
    encoder = base.model.eval()

    def call(text: str) -> Any:
        ids = torch.tensor([base.tokenizer.encode(text).ids])
        with torch.inference_mode():
            return encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state.mean(1)

    return call


def _large(texts: Sequence[str], seed: int) -> list[Timing]:
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    torch.manual_seed(seed)
    shape = GPTNeoXConfig(
        vocab_size=50_304,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
    )
    model: Any = GPTNeoXForCausalLM(shape).eval()
    ids = torch.randint(0, 50_000, (1, TOKENS), generator=torch.Generator().manual_seed(seed))

    def classify(_: str) -> Any:
        with torch.inference_mode():
            return model.gpt_neox(input_ids=ids).last_hidden_state[:, -1]

    def generate(_: str) -> Any:
        with torch.inference_mode():
            return model.generate(
                ids, max_new_tokens=GENERATED, min_new_tokens=GENERATED, do_sample=False, pad_token_id=0
            )

    return [
        measure("410M GPT-NeoX, classification, PyTorch fp32", classify, texts, warm=2),
        measure(
            f"410M GPT-NeoX, free generation of {GENERATED} tokens, then parse", generate, texts[:2], warm=0
        ),
    ]
