"""Measure the search for similar tickets, and write docs/figures/vectors.json.

Run: python -m tamiz.lab.bench.vectors                                     (100,000 vectors: five minutes on two cores)
     python -m tamiz.lab.bench.vectors --count 30000 --centres 6000        (few of a kind)
     python -m tamiz.lab.bench.vectors --count 1000000 --centres 20000 --only usearch

Synthetic embeddings of 384 numbers around centres, as tickets crowd around their subjects. Questions are new vectors of the
same kind; recall@10 is the share of the ten truly nearest that is found, and beside it stands the share of those among them
that are alike (cosine 0.5 or more). The indexes take turns batch by batch, so that what else the machine does costs all of
them alike: first with fifty questions in a row, then question by question, where each finds the processor's caches full of
what the others have read. Each run takes its place in the file. Chroma runs where `chromadb` is installed.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamiz.domain.ports import VectorIndex
from tamiz.lab.bench.machine import processor
from tamiz.lab.bench.page import FIGURES
from tamiz.memory.chroma import ChromaIndex
from tamiz.memory.exact import ExactIndex
from tamiz.memory.graph import GraphIndex
from tamiz.memory.halves import unit

WIDTH, SPREAD = 384, 0.7
QUESTIONS, ROW, WARM, K, BATCH = 500, 50, 20, 10, 2_000
ALIKE = 0.5
SEED = 0

INDEXES: dict[str, Callable[[], VectorIndex]] = {
    "exact": ExactIndex,
    "usearch": GraphIndex,
    "chroma": ChromaIndex,
}


@dataclass(frozen=True, slots=True)
class Truth:
    """The ten nearest of a question, and those of them that are alike."""

    nearest: frozenset[int]
    alike: frozenset[int]


@dataclass(frozen=True, slots=True)
class Figures:
    """One index: recall@10, that of alike ones, milliseconds per search with questions in a row and by turns with the other
    indexes, vectors added per second of the clock and of the processor, megabytes that it holds; `load` is that of the machine
    over the last minute when it was done."""

    recall: float
    recall_alike: float
    p50: float
    p99: float
    p50_by_turns: float
    p99_by_turns: float
    added_per_second: float
    added_per_processor_second: float
    megabytes: float
    load: float


def clustered(count: int, random: np.random.Generator, centres: NDArray[np.float32]) -> list[bytes]:
    """Unit vectors [count, WIDTH] around centres, in half precision."""
    found: list[bytes] = []
    for first in range(0, count, BATCH):
        rows = centres[random.integers(0, len(centres), min(BATCH, count - first))]
        rows = rows + SPREAD * random.standard_normal(rows.shape, dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        found += [row.tobytes() for row in rows.astype("<f2")]
    return found


def truths(rows: Sequence[bytes], questions: Sequence[bytes]) -> list[Truth]:
    """What a comparison with every vector finds."""
    asked, keys, scores = (
        unit(questions),
        np.empty((len(questions), 0), np.int64),
        np.empty((len(questions), 0)),
    )
    for first in range(0, len(rows), BATCH):
        more = asked @ unit(rows[first : first + BATCH]).T
        numbers = np.broadcast_to(np.arange(first, first + more.shape[1]), more.shape)
        keys, scores = np.hstack([keys, numbers]), np.hstack([scores, more])
        best = np.argsort(-scores, axis=1)[:, :K]
        keys, scores = np.take_along_axis(keys, best, 1), np.take_along_axis(scores, best, 1)
    return [
        Truth(frozenset(own.tolist()), frozenset(own[near >= ALIKE].tolist()))
        for own, near in zip(keys, scores, strict=True)
    ]


@dataclass
class Measured:
    """An index, and what it has cost so far: seconds of the clock and of the processor and megabytes for what was added,
    milliseconds of what was asked in a row and by turns, and the answers."""

    index: VectorIndex
    clock: float = 0.0
    work: float = 0.0
    megabytes: float = 0.0
    in_a_row: list[float] = field(default_factory=list)
    by_turns: list[float] = field(default_factory=list)
    found: list[set[int]] = field(default_factory=list)

    def add(self, first: int, part: Sequence[bytes]) -> None:
        """More vectors, numbered from `first`."""
        before, clock, work = _resident(), time.perf_counter(), time.process_time()
        self.index.add(range(first, first + len(part)), part)
        self.clock += time.perf_counter() - clock
        self.work += time.process_time() - work
        self.megabytes += _resident() - before

    def ask(self, questions: Sequence[bytes]) -> list[float]:
        """Questions in a row: the milliseconds of each."""
        times = []
        for question in questions:
            start = time.perf_counter()
            answer = self.index.search(question, K)
            times.append((time.perf_counter() - start) * 1000)
            self.found.append({key for key, _ in answer})
        return times

    def figures(self, truth: Sequence[Truth]) -> Figures:
        """What it came to."""
        recall = _share(self.found, [one.nearest for one in truth])
        alike = _share(self.found, [one.alike for one in truth])
        count = len(self.index)
        speed = (round(count / self.clock), round(count / self.work))
        load = round(os.getloadavg()[0], 1)
        times = (*_quantiles(self.in_a_row), *_quantiles(self.by_turns))
        return Figures(recall, alike, *times, *speed, round(self.megabytes), load)


def measured(
    indexes: Mapping[str, VectorIndex], rows: Sequence[bytes], questions: Sequence[bytes]
) -> dict[str, Figures]:
    """The indexes by turns, so that whatever else the machine does costs all of them alike."""
    gc.collect()
    every = {name: Measured(index) for name, index in indexes.items()}
    for first in range(0, len(rows), BATCH):
        for one in every.values():
            one.add(first, rows[first : first + BATCH])
    for one in every.values():
        for question in questions[:WARM]:
            one.index.search(question, K)
    turns = deque(every.values())
    for first in range(0, len(questions), ROW):
        for one in turns:
            one.in_a_row += one.ask(questions[first : first + ROW])
        turns.rotate()
    for question in questions:
        for one in turns:
            one.by_turns += one.ask([question])
        turns.rotate()  # whoever comes after the exact one finds the processor's caches full of its vectors
    truth = 2 * truths(rows, questions)
    return {name: one.figures(truth) for name, one in every.items()}


def filed(index: GraphIndex, rows: Sequence[bytes]) -> dict[str, float]:
    """How long a graph takes to be written to a file, and to be made from it and the rows of the store; and its megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        path, start = Path(folder) / "graph", time.perf_counter()
        index.save(path)
        saved, again = time.perf_counter(), GraphIndex()
        again.adopt(path)
        for first in range(0, len(rows), BATCH):
            part = rows[first : first + BATCH]
            again.add(range(first, first + len(part)), part)
        seconds = (round(saved - start, 2), round(time.perf_counter() - saved, 2))
        assert again.taken_over == len(rows)
        return {"write_s": seconds[0], "read_s": seconds[1], "megabytes": round(path.stat().st_size / 2**20)}


def run(count: int, centres: int, only: Sequence[str]) -> dict[str, Any]:
    """The indexes over the same vectors, and where and when."""
    random = np.random.default_rng(SEED)
    around = random.standard_normal((centres, WIDTH), dtype=np.float32)
    rows, questions = clustered(count, random, around), clustered(QUESTIONS, random, around)
    indexes = {name: INDEXES[name]() for name in only}
    figures = {name: asdict(one) for name, one in measured(indexes, rows, questions).items()}
    graphs = [index for index in indexes.values() if isinstance(index, GraphIndex)]
    file = filed(graphs[0], rows) if graphs else {}
    about = {"processor": processor(), "cores": os.cpu_count(), "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    data = {"seed": SEED, "vectors": count, "centres": centres, "width": WIDTH}
    return {**about, **data, "indexes": figures, "file": file}


def _quantiles(times: Sequence[float]) -> tuple[float, float]:
    p50, p99 = np.quantile(times, [0.5, 0.99])
    return round(float(p50), 3), round(float(p99), 3)


def _share(found: Sequence[set[int]], wanted: Sequence[frozenset[int]]) -> float:
    hits = sum(len(a & b) for a, b in zip(found, wanted, strict=True))
    return round(hits / max(1, sum(map(len, wanted))), 4)


def _resident() -> float:
    """Megabytes of this process that lie in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    there = [name for name in INDEXES if name != "chroma" or find_spec("chromadb") is not None]
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--centres", type=int, default=2_000)
    parser.add_argument("--only", nargs="+", choices=there, default=there)
    parser.add_argument("--out", type=Path, default=FIGURES / "vectors.json")
    given = parser.parse_args()
    figures = run(given.count, given.centres, given.only)
    runs = json.loads(given.out.read_text("utf-8")) if given.out.exists() else {}
    runs[f"{given.count} around {given.centres}"] = figures
    given.out.write_text(json.dumps(runs, indent=1) + "\n", "utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
