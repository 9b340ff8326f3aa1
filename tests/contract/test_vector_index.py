"""What every index of vectors promises, exact or not."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from random import Random

import pytest

from tamiz.domain.ports import VectorIndex
from tamiz.domain.vectors import packed
from tamiz.memory.exact import ExactIndex

WIDTH = 32


def _need_usearch() -> None:
    """Asks without importing it: what is imported first matters."""
    if find_spec("usearch") is None:
        pytest.skip("the graph of neighbours needs the extra 'memory'")


def _graph() -> VectorIndex:
    _need_usearch()
    from tamiz.memory.graph import GraphIndex

    return GraphIndex()


def _chroma() -> VectorIndex:
    if find_spec("chromadb") is None:
        pytest.skip("Chroma needs the extra 'chroma'")
    from tamiz.memory.chroma import ChromaIndex

    return ChromaIndex()


@pytest.fixture(params=[ExactIndex, _graph, _chroma], ids=["exact", "usearch", "chroma"])
def index(request) -> VectorIndex:
    return request.param()


def vectors(count: int, seed: int = 0) -> list[bytes]:
    """Around ten centres, as tickets are."""
    random = Random(seed)
    centres = [[random.gauss(0, 1) for _ in range(WIDTH)] for _ in range(10)]
    return [packed([x + random.gauss(0, 0.5) for x in random.choice(centres)]) for _ in range(count)]


def test_an_empty_index_finds_nothing(index) -> None:
    index.add([], [])
    index.remove([])
    assert (len(index), index.search(packed([1.0, 0.0]), 5)) == (0, [])


def test_the_similarity_is_the_cosine(index) -> None:
    index.add([7, 8, 9, 10], [packed(v) for v in ([2.0, 0.0], [1.0, 1.0], [0.0, 3.0], [-1.0, 0.0])])
    found = index.search(packed([5.0, 0.0]), 10)
    assert [key for key, _ in found] == [7, 8, 9, 10]
    assert [cosine for _, cosine in found] == pytest.approx([1.0, 0.5**0.5, 0.0, -1.0], abs=2e-3)
    assert index.search(packed([5.0, 0.0]), 1) == found[:1]


def test_equal_vectors_come_by_their_keys(index) -> None:
    index.add([5, 3, 4], [packed([1.0, 0.0])] * 3)
    assert [key for key, _ in index.search(packed([1.0, 0.0]), 3)] == [3, 4, 5]


def test_nothing_is_found_that_was_removed(index) -> None:
    rows = vectors(300)
    index.add(list(range(300)), rows)
    index.remove(list(range(0, 300, 2)))
    assert len(index) == 150
    for row in rows[:40]:
        assert all(key % 2 for key, _ in index.search(row, 20))
    index.remove(list(range(1, 300, 2)))
    assert (len(index), index.search(rows[0], 5)) == (0, [])
    index.add([300], rows[:1])
    assert [key for key, _ in index.search(rows[0], 5)] == [300]


def test_recall_stays_while_the_oldest_give_way_to_new_ones(index) -> None:
    rows, exact = vectors(900), ExactIndex()
    for one in (index, exact):
        one.add(list(range(300)), rows[:300])
        for start in range(300, 900, 50):
            one.add(list(range(start, start + 50)), rows[start : start + 50])
            one.remove(list(range(start - 300, start - 250)))
    hits = 0
    for row in vectors(50, seed=1):
        right = {key for key, _ in exact.search(row, 10)}
        hits += len(right & {key for key, _ in index.search(row, 10)})
    assert len(index) == len(exact) == 300
    assert hits / 500 >= 0.98


def test_a_model_can_be_opened_after_a_graph_was_made() -> None:
    _need_usearch()
    code = "from tamiz.memory.graph import check_installed as c; c('x'); import onnxruntime, tamiz.models.encoder"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_several_questions_are_answered_as_one_by_one(index) -> None:
    assert index.search_all([packed([1.0] * WIDTH)] * 2, 3) == [[], []]
    stored = vectors(200)
    index.add(range(200), stored)
    asked = [*vectors(7, seed=3), stored[5]]
    many = index.search_all(asked, 5)
    assert index.search_all([], 5) == []
    for one, found in zip(asked, many, strict=True):
        alone = index.search(one, 5)
        assert [key for key, _ in found] == [key for key, _ in alone]
        assert [near for _, near in found] == pytest.approx([near for _, near in alone], abs=1e-6)
