"""Texts to unit vectors: tokenizer and ONNX graph, one row per call.

Dynamic int8 takes its activation ranges from everything in a call, so rows that share a call change each other.
One row per call makes every vector independent of its neighbours. Streams use all cores by running several calls at
once, each on one thread; a text that comes alone gets two threads to itself (their number changes no bit of a vector).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tamiz.models.threads import give_way

TAIL_SHARE = 4
"""A long text keeps its first three quarters of the tokens and, from its end, the last quarter."""

_CHARACTERS_PER_TOKEN = 16

_ALONE = 2
"""Threads for a single text; more gain little on sentences of this length."""


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
        self._graph = graph
        self._session = _session(graph, 1)
        self._tokens = TextTokens(tokenizer, max_tokens)
        self._threads = threads or _cores()
        self._pool: ThreadPoolExecutor | None = None
        self._single: onnxruntime.InferenceSession | None = None
        self.width = int(self._session.get_outputs()[0].shape[-1])

    def embed_one(self, text: str) -> NDArray[np.float32]:
        """The unit vector [D] of a text that comes alone."""
        if self._single is None:
            self._single = _session(self._graph, _ALONE) if self._threads > 1 else self._session
        return self._run(self._single, text)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors [N, D] in order; each equals what the text gets alone."""
        if not texts:
            return np.zeros((0, self.width), np.float32)
        if len(texts) == 1:
            return self.embed_one(texts[0])[None]
        if self._threads == 1:
            return np.stack([self._run(self._session, text) for text in texts])
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, "encoder", initializer=give_way)
        return np.stack(list(self._pool.map(partial(self._run, self._session), texts)))

    def _run(self, session: onnxruntime.InferenceSession, text: str) -> NDArray[np.float32]:
        ids = np.array([self._tokens.ids(text)], np.int64)
        unit: NDArray[np.float32] = session.run(
            ["embedding"], {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        )[0][0]
        return unit


def _session(graph: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
