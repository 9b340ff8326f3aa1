"""Texts to unit vectors: tokenizer and ONNX graph, one row per call.

Dynamic int8 takes its activation ranges from everything in a call, so rows that share a call change each other.
One row per call on one thread makes every vector independent of its neighbours; streams use all cores by running
several calls at once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

TAIL_SHARE = 4
"""A long text keeps its first three quarters of the tokens and, from its end, the last quarter."""

_CHARACTERS_PER_TOKEN = 16


class TextTokens:
    """Token ids of a text, special ones included, at most `max_tokens`; training and serving share it."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        self.tokenizer = tokenizer
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.max_tokens = max_tokens
        self._tail = max_tokens // TAIL_SHARE

    def ids(self, text: str) -> list[int]:
        """The ids of one text; never empty, never raises (lone surrogates become question marks)."""
        limit = self.max_tokens * _CHARACTERS_PER_TOKEN
        if len(text) > limit:
            cut = limit // TAIL_SHARE
            text = f"{text[: limit - cut]} {text[-cut:]}"
        ids: list[int] = self.tokenizer.encode(text.encode("utf-8", "replace").decode("utf-8")).ids
        if len(ids) > self.max_tokens:
            ids = ids[: self.max_tokens - self._tail] + ids[-self._tail :]
        return ids or [0]


class TextEncoder:
    """An ONNX encoder with its tokenizer. `graph` is the file's content; `threads` 0 means one per core."""

    def __init__(self, graph: bytes, tokenizer: Tokenizer, max_tokens: int, threads: int = 0) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._tokens = TextTokens(tokenizer, max_tokens)
        self._threads = threads or _cores()
        self._pool: ThreadPoolExecutor | None = None
        self.width = int(self._session.get_outputs()[0].shape[-1])

    def embed_one(self, text: str) -> NDArray[np.float32]:
        """The unit vector [D] of one text."""
        ids = np.array([self._tokens.ids(text)], np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        unit: NDArray[np.float32] = self._session.run(["embedding"], feeds)[0][0]
        return unit

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors [N, D] in order; each equals what the text gets alone."""
        if not texts:
            return np.zeros((0, self.width), np.float32)
        if len(texts) == 1 or self._threads == 1:
            return np.stack([self.embed_one(text) for text in texts])
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="encoder")
        return np.stack(list(self._pool.map(self.embed_one, texts)))


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
