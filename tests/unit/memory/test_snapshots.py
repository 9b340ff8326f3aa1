"""Graphs in files: taken over as far as the store says the same, never trusted further, and without what was erased."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest

if find_spec("usearch") is None:  # asks without importing it: what is imported first matters
    pytest.skip("the graph of neighbours needs the extra 'memory'", allow_module_level=True)

from tamiz.domain.ports import Match
from tamiz.domain.records import SpaceState, Vector
from tamiz.domain.ticket import RawMessage, Ticket
from tamiz.domain.vectors import packed
from tamiz.memory.exact import ExactIndex
from tamiz.memory.graph import DEPICTS, GraphIndex, codes
from tamiz.memory.halves import unit
from tamiz.memory.keeper import Keeper
from tamiz.memory.snapshots import Snapshots, forget
from tamiz.memory.spaces import Spaces
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.memory_store import MemoryStore

COUNT, WIDTH, KEEP = 300, 16, 1_000


class Process:
    """A service's memory over a store, as one process has it."""

    def __init__(self, store: MemoryStore, folder: Path, in_use=lambda tenant, model: True) -> None:
        self.made: list[GraphIndex] = []
        self.failures: list[str] = []
        self.store, self.snapshots = store, Snapshots(folder, DEPICTS)
        self.spaces = Spaces(store, KEEP, self._make, snapshots=self.snapshots)
        self.keeper = Keeper(
            store, self.spaces, self.snapshots, in_use, self.failures.append, large=COUNT // 2
        )

    def _make(self) -> GraphIndex:
        self.made.append(GraphIndex())
        return self.made[-1]

    def near(self, vector: bytes, tenant: str = "a") -> list[str]:
        return [match.ticket_id for match in self.spaces.search(tenant, "m", vector, 10).matches]

    def right(self, vectors: list[bytes]) -> bool:
        """Does it find what a comparison with every vector finds?"""
        exact = Spaces(self.store, KEEP, ExactIndex)
        pairs = [(self.spaces.search("a", "m", v, 10), exact.search("a", "m", v, 10)) for v in vectors]
        assert {one.searched for one, _ in pairs} == {other.searched for _, other in pairs}
        hits = sum(len(_ids(one.matches) & _ids(other.matches)) for one, other in pairs)
        return hits >= 0.99 * sum(len(other.matches) for _, other in pairs)


def _ids(matches: tuple[Match, ...]) -> set[str]:
    return {match.ticket_id for match in matches}


def vectors(count: int, seed: int = 0) -> list[bytes]:
    random = Random(seed)
    return [packed([random.gauss(0, 1) for _ in range(WIDTH)]) for _ in range(count)]


def add(store: MemoryStore, rows: list[bytes], first: int = 0, tenant: str = "a") -> None:
    def work(tx) -> None:
        for number, data in enumerate(rows, first):
            name = f"t{number}"
            if tx.tickets.get(tenant, name) is None:
                tx.tickets.add(Ticket(name, RawMessage("s", "b"), ManualClock().now(), tenant))
            tx.vectors.add(Vector(tenant, "m", name, data), KEEP)

    store.write(work)


def remove(store: MemoryStore, number: int) -> None:
    assert store.write(lambda tx: tx.vectors.remove("a", "m", f"t{number}"))


def content(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    add(made, vectors(COUNT))
    return made


@pytest.fixture
def saved(store, tmp_path) -> Path:
    """The folder of a process that has built its searcher and ended."""
    process = Process(store, tmp_path)
    process.keeper.build()
    process.keeper.stop()
    assert process.failures == []
    return tmp_path


def test_a_new_process_takes_over_what_an_earlier_one_built(store, saved) -> None:
    process = Process(store, saved)
    assert process.right(vectors(20, 1))
    assert process.made[0].taken_over == COUNT
    add(store, vectors(50, 2), COUNT)
    assert process.right(vectors(20, 2))


def test_what_came_and_went_meanwhile_is_noticed(store, saved) -> None:
    add(store, vectors(40, 3), COUNT)  # new ones
    add(store, vectors(30, 4), 10)  # others triaged anew
    process = Process(store, saved)
    assert process.right(vectors(20, 3) + vectors(20)[10:])
    assert process.made[0].taken_over == COUNT - 30


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(data)


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _of_another_form(path: Path) -> None:
    Snapshots(path.parent, "another graph").put("a", "m", lambda file: SpaceState(COUNT, 0))


def _of_another_space(path: Path) -> None:
    Snapshots(path.parent, DEPICTS).put("b", "m", lambda file: SpaceState(COUNT, 0))
    other = next(one for one in path.parent.iterdir() if one != path)
    shutil.move(other, path)


def _no_graph(path: Path) -> None:
    def write(file: Path) -> SpaceState:
        file.write_bytes(b"no graph at all" * 100)
        return SpaceState(COUNT, 0)

    Snapshots(path.parent, DEPICTS).put("a", "m", write)


def _too_new(path: Path) -> None:
    def write(file: Path) -> SpaceState:
        file.write_bytes(path.read_bytes())
        return SpaceState(COUNT + 1, 0)

    Snapshots(path.parent, DEPICTS).put("a", "m", write)


SPOILERS = [_cut, _halved, _flipped, _emptied, _of_another_form, _of_another_space, _no_graph, _too_new]


@pytest.mark.parametrize("spoil", SPOILERS, ids=lambda spoil: spoil.__name__[1:])
def test_a_file_that_is_not_sound_is_not_used(store, saved, spoil: Callable[[Path], None]) -> None:
    spoil(next(saved.iterdir()))
    process = Process(store, saved)
    assert process.right(vectors(20, 1))
    assert process.made[0].taken_over == 0
    process.keeper.stop()
    after = Process(store, saved)
    assert after.right(vectors(20, 1))
    assert (after.made[0].taken_over, len(list(saved.iterdir()))) == (COUNT, 1)


def test_another_history_with_the_same_numbers_is_not_believed(saved) -> None:
    other = MemoryStore()
    rows = vectors(COUNT)
    add(other, rows[:100] + vectors(COUNT - 80, 7))
    process = Process(other, saved)
    assert process.right(vectors(20, 7))
    assert process.made[0].taken_over == 100


def test_what_was_erased_is_in_no_file(store, saved) -> None:
    gone = codes(unit(vectors(COUNT)[5:6])).tobytes()
    assert gone in content(saved)
    remove(store, 5)
    process = Process(store, saved)
    process.keeper.tidy()
    assert content(saved) == b""
    process.keeper.build()
    process.keeper.stop()
    assert gone not in content(saved)
    assert content(saved)


def test_an_index_that_has_lost_something_is_written_only_when_it_was_made_anew(store, saved) -> None:
    process = Process(store, saved)
    process.keeper.build()
    remove(store, 5)
    add(store, vectors(20, 8), COUNT)
    assert process.right(vectors(20, 8))
    process.keeper.tidy()
    process.spaces.space(("a", "m")).save()
    assert content(saved) == b""
    process.keeper.renew()
    process.keeper.stop()
    assert (len(process.made), process.right(vectors(20, 8))) == (2, True)
    assert codes(unit(vectors(COUNT)[5:6])).tobytes() not in content(saved)
    assert codes(unit(vectors(COUNT)[6:7])).tobytes() in content(saved)


def test_a_removal_that_nobody_asked_after_is_noticed_before_a_file_is_written(store, tmp_path) -> None:
    process = Process(store, tmp_path)
    process.keeper.build()
    remove(store, 5)
    process.keeper.stop()
    assert content(tmp_path) == b""


def test_a_disk_without_room_hurts_nobody(store, tmp_path) -> None:
    process = Process(store, tmp_path)
    process.keeper.build()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
    try:
        process.keeper.stop()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(process.failures) == 1
    assert list(tmp_path.iterdir()) == []
    assert process.right(vectors(20, 1))


def test_a_folder_that_cannot_be_had_hurts_nobody(store, tmp_path) -> None:
    (tmp_path / "memory").write_text("in the way")
    process = Process(store, tmp_path / "memory")
    process.keeper.build()
    assert process.right(vectors(20, 1))
    process.keeper.stop()
    assert len(process.failures) == 1


def test_the_thread_builds_what_is_in_use_and_clears_up_first(store, tmp_path) -> None:
    add(store, vectors(COUNT), tenant="b")
    add(store, vectors(10), tenant="small")
    left = tmp_path / "x.1.unfinished"
    left.write_bytes(b"half of it")
    process = Process(store, tmp_path, lambda tenant, model: tenant != "b")
    process.keeper.start()
    process.near(vectors(1)[0])
    process.keeper.stop()
    assert [key for key, _ in process.spaces.held()] == [("a", "m")]
    assert (process.failures, len(process.made)) == ([], 1)
    assert [path.suffix for path in tmp_path.iterdir()] == [".graph"]


def test_files_are_for_their_owner_and_go_with_their_tenant(store, saved) -> None:
    add(store, vectors(COUNT), tenant="b")
    process = Process(store, saved)
    process.keeper.build()
    process.keeper.stop()
    assert {path.stat().st_mode & 0o777 for path in saved.iterdir()} == {0o600}
    assert len(list(saved.iterdir())) == 2
    (saved / "odd.graph").write_bytes(b"?")
    forget(saved, "a")
    assert [stand.tenant for stand in process.snapshots.stands()] == ["b"]
    assert len(list(saved.iterdir())) == 1
    forget(saved / "nowhere", "a")
