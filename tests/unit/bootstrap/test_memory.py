"""A whole service remembers what its model saw, as far as the settings want it."""

from __future__ import annotations

import math
import time
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest

pytest.importorskip("sqlalchemy", reason="the extra 'serve' is not installed")
pytest.importorskip("cryptography", reason="the extra 'serve' is not installed")

from tamiz.bootstrap.memory import EXACT, FOLDER, forget_files, open_memory
from tamiz.bootstrap.server import Service, open_service, open_store
from tamiz.bootstrap.settings import load_settings
from tamiz.bootstrap.wiring import starter_folder
from tamiz.domain.errors import ConfigError, MissingExtraError
from tamiz.domain.ports import Match
from tamiz.domain.records import Vector
from tamiz.domain.ticket import DEFAULT_TENANT, RawMessage, Ticket
from tamiz.domain.vectors import packed
from tamiz.memory.keeper import LARGE
from tamiz.models.artifact import read_manifest
from tamiz.service.accept import TRIAGE, Submission, accept
from tamiz.service.judge import Judge
from tamiz.service.similar import similar
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.memory_store import MemoryStore

TEXTS = ("The VPN drops every ten minutes", "The printer has a paper jam", "My VPN connection is unstable")


def triaged(service: Service) -> list[str]:
    """The ids of TEXTS, when the last of them has been triaged."""
    bits = Random(1).getrandbits
    waiting = [accept(service.store, service.clock, bits, Submission(RawMessage(text, ""))) for text in TEXTS]
    ids = [future.result().ticket_id for future in waiting]
    service.pool.wake(TRIAGE)
    end = time.monotonic() + 30
    while any(
        service.store.read(lambda tx, i=i: tx.tickets.get(DEFAULT_TENANT, i).revision) == 0 for i in ids
    ):
        assert time.monotonic() < end
        time.sleep(0.02)
    return ids


@pytest.mark.parametrize("keep", [0, 20])
def test_a_ticket_like_this_one_is_found(tmp_path, keep) -> None:
    environ = {"TAMIZ_HOME": str(tmp_path), "TAMIZ_MEMORY_KEEP": str(keep)}
    service = open_service(load_settings(environ, tmp_path))
    service.start()
    try:
        ids = triaged(service)
        taxonomy = service.judges(DEFAULT_TENANT).taxonomy
        found = similar(service.store, service.memory, taxonomy, DEFAULT_TENANT, ids[0], 1)
    finally:
        service.stop(5.0)
    nearest = [(found.searched, one.look.record.id) for one in found.found]
    assert nearest == ([(2, ids[2])] if keep else [])


def test_less_than_nothing_cannot_be_kept() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({"TAMIZ_MEMORY_KEEP": "-1"}, Path("nowhere"))
    assert caught.value.facts["key"] == "memory.keep"


@pytest.mark.parametrize(
    ("keep", "index"),
    [(0, "auto"), (EXACT, "auto"), (EXACT + 1, "auto"), (9, "exact"), (9, "usearch"), (9, "chroma")],
)
def test_the_settings_choose_the_searcher(tmp_path, keep, index) -> None:
    environ = {"TAMIZ_HOME": str(tmp_path), "TAMIZ_MEMORY_KEEP": str(keep), "TAMIZ_MEMORY_INDEX": index}
    settings, store = load_settings(environ, tmp_path), MemoryStore()
    package, extra = ("chromadb", "chroma") if index == "chroma" else ("usearch", "memory")
    if (index in ("usearch", "chroma") or keep > EXACT) and find_spec(package) is None:
        wanted = "above 20000" if index == "auto" else f"index = {index}"
        with pytest.raises(MissingExtraError, match=rf"memory\.(keep )?{wanted}.*'{extra}'"):
            open_memory(settings, store, judges)
        return
    remembering = open_memory(settings, store, judges)
    memory = remembering.memory
    assert (memory is None) == (keep == 0)
    assert (remembering.keeper is None) == (keep <= EXACT and index in ("auto", "exact"))
    if memory is not None:
        store.write(lambda tx: add(tx))
        assert memory.search("a", "m", packed([1.0, 0.0]), 3).matches == (Match("t1", 1.0),)


def add(tx, name: str = "t1", model_hash: str = "m", angle: int = 0) -> None:
    tx.tickets.add(Ticket(name, RawMessage("s", "b"), ManualClock().now(), "a"))
    data = packed([math.cos(angle / LARGE), math.sin(angle / LARGE)])
    tx.vectors.add(Vector("a", model_hash, name, data), LARGE)


def judges(tenant: str) -> Judge:
    raise LookupError(tenant)


def test_a_large_graph_outlives_the_service_and_goes_with_an_erasure(tmp_path) -> None:
    if find_spec("usearch") is None:
        pytest.skip("the graph of neighbours needs the extra 'memory'")
    settings = load_settings({"TAMIZ_HOME": str(tmp_path), "TAMIZ_MEMORY_INDEX": "usearch"}, tmp_path)
    model_hash = read_manifest(starter_folder()).content_hash
    with closing(open_store(settings)) as store:
        store.write(lambda tx: [add(tx, f"t{n}", model_hash, n) for n in range(LARGE)])
    for _ in range(2):
        service = open_service(settings)
        service.start()
        found = service.memory.search("a", model_hash, packed([1.0, 0.0]), 1)
        assert (found.searched, found.matches[0].ticket_id) == (LARGE, "t0")
        service.stop(5.0)
        assert [path.suffix for path in (tmp_path / FOLDER).iterdir()] == [".graph"]
    forget_files(settings, "b")
    assert list((tmp_path / FOLDER).iterdir())
    forget_files(settings, "a")
    assert not list((tmp_path / FOLDER).iterdir())


def test_other_settings_leave_no_graph_behind(tmp_path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    for name in ("x.graph", "y.7.unfinished"):
        (folder / name).write_bytes(b"of another time")
    open_memory(load_settings({"TAMIZ_HOME": str(tmp_path)}, tmp_path), MemoryStore(), judges)
    assert list(folder.iterdir()) == []


def test_pgvector_needs_its_server(tmp_path) -> None:
    settings = load_settings({"TAMIZ_MEMORY_INDEX": "pgvector"}, tmp_path)
    with pytest.raises(ConfigError, match=r"memory\.index: pgvector needs a PostgreSQL store"):
        open_memory(settings, MemoryStore(), judges)


def test_an_unknown_index_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({"TAMIZ_MEMORY_INDEX": "faiss"}, Path("nowhere"))
    assert caught.value.facts["key"] == "memory.index"


def test_a_language_model_is_shown_solved_tickets_where_that_is_wanted(tmp_path) -> None:
    plain = load_settings({}, tmp_path)
    wanted = load_settings({"TAMIZ_LLM_EXAMPLES": "3"}, tmp_path)
    assert (plain.llm.examples, wanted.llm.examples) == (0, 3)
    with pytest.raises(ConfigError) as caught:
        load_settings({"TAMIZ_LLM_EXAMPLES": "9"}, tmp_path)
    assert caught.value.facts["key"] == "llm.examples"
