"""Measure the search for similar tickets, and write docs/figures/vectors.json.

Run: python -m tamiz.lab.bench.vectors [--count 100000] [--out docs/figures/vectors.json]   (two minutes on two cores)

Synthetic embeddings of 384 numbers around 2,000 centres, as tickets crowd around their subjects. Questions are new vectors
of the same kind; recall@10 is the share of the ten truly nearest that is found. Chroma (embedded) runs beside them where
`chromadb` is installed.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tamiz.lab.bench.machine import processor
from tamiz.lab.bench.page import FIGURES
from tamiz.memory.exact import ExactIndex
from tamiz.memory.graph import GraphIndex

WIDTH, CENTRES, SPREAD = 384, 2_000, 0.7
QUESTIONS, K, BATCH = 500, 10, 2_000
SEED = 0


class Searched(Protocol):
    """What is measured: vectors go in, keys of the nearest come out."""

    def add(self, keys: Sequence[int], vectors: Sequence[bytes]) -> None: ...

    def search(self, vector: bytes, k: int) -> list[tuple[int, float]]: ...


@dataclass(frozen=True, slots=True)
class Figures:
    """One index: recall@10, milliseconds per search, vectors added per second, and megabytes that it holds."""

    recall: float
    p50: float
    p99: float
    added_per_second: float
    megabytes: float


class Chroma:
    """Chroma embedded, cosine space, its other settings as they come."""

    def __init__(self, folder: str) -> None:
        import chromadb

        client = chromadb.PersistentClient(folder, chromadb.Settings(anonymized_telemetry=False))
        self._collection: Any = client.create_collection("tickets", metadata={"hnsw:space": "cosine"})

    def add(self, keys: Sequence[int], vectors: Sequence[bytes]) -> None:
        """More vectors under new keys."""
        rows = np.stack([np.frombuffer(data, "<f2") for data in vectors]).astype(np.float32)
        self._collection.add(ids=[str(key) for key in keys], embeddings=rows)

    def search(self, vector: bytes, k: int) -> list[tuple[int, float]]:
        """The k nearest keys with their cosine similarity, nearest first."""
        row = np.frombuffer(vector, "<f2").astype(np.float32)
        found = self._collection.query(query_embeddings=[row], n_results=k, include=["distances"])
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        return [(int(key), 1.0 - distance) for key, distance in pairs]


def clustered(count: int, random: np.random.Generator, centres: NDArray[np.float32]) -> list[bytes]:
    """Unit vectors [count, WIDTH] around centres, in half precision."""
    rows = centres[random.integers(0, len(centres), count)]
    rows = rows + SPREAD * random.standard_normal((count, WIDTH), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return [row.tobytes() for row in rows.astype("<f2")]


def measured(
    make: Callable[[], Searched], rows: Sequence[bytes], questions: Sequence[bytes], truth: Sequence[set[int]]
) -> tuple[Figures, list[set[int]]]:
    """The figures of one index, and what it answered; without `truth` its own answers are the truth."""
    gc.collect()
    before, index = _resident(), make()
    start = time.perf_counter()
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH]
        index.add(range(first, first + len(part)), part)
    added = len(rows) / (time.perf_counter() - start)
    held = _resident() - before
    for question in questions[:20]:
        index.search(question, K)
    found, times = [], []
    for question in questions:
        start = time.perf_counter()
        answer = index.search(question, K)
        times.append((time.perf_counter() - start) * 1000)
        found.append({key for key, _ in answer})
    hits = sum(len(a & b) for a, b in zip(found, truth or found, strict=True))
    p50, p99 = (float(value) for value in np.quantile(times, [0.5, 0.99]))
    recall = hits / (K * len(questions))
    return Figures(round(recall, 4), round(p50, 3), round(p99, 3), round(added), round(held)), found


def run(count: int) -> dict[str, Any]:
    """All indexes over the same vectors, and where and when."""
    random = np.random.default_rng(SEED)
    centres = random.standard_normal((CENTRES, WIDTH), dtype=np.float32)
    rows, questions = clustered(count, random, centres), clustered(QUESTIONS, random, centres)
    exact, truth = measured(ExactIndex, rows, questions, [])
    graph, _ = measured(GraphIndex, rows, questions, truth)
    figures = {"exact": asdict(exact), "usearch": asdict(graph)}
    if find_spec("chromadb") is not None:
        with tempfile.TemporaryDirectory() as folder:
            figures["chroma"] = asdict(measured(lambda: Chroma(folder), rows, questions, truth)[0])
    about = {"processor": processor(), "cores": os.cpu_count(), "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    return {**about, "seed": SEED, "vectors": count, "width": WIDTH, "indexes": figures}


def _resident() -> float:
    """Megabytes of this process that lie in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=FIGURES / "vectors.json")
    given = parser.parse_args()
    told = json.dumps(run(given.count), indent=1)
    given.out.write_text(told + "\n", "utf-8")
    print(told)


if __name__ == "__main__":
    main()
