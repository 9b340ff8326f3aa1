"""The search for near tickets inside PostgreSQL, by its extension pgvector: one index for all processes, in the database
whose vectors it mirrors.

Whoever asks first after a commit brings the mirror up to date, by the same numbers as the searchers in memory; a row that
was erased goes with its ticket. Small spaces are compared one by one, large ones by a graph (HNSW) of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from tamiz.domain.errors import ConfigError
from tamiz.domain.ports import Match, Matches
from tamiz.domain.records import SpaceState, Vector
from tamiz.domain.vectors import kept, unpacked
from tamiz.store.sql import LOCK
from tamiz.store.tx import SqlStore, SqlTx

EXACT = 20_000
"""From so many vectors on a space has a graph."""
CHUNK = 2_000
"""Vectors that are taken over in one transaction."""
NEEDED = (0, 8)
"""The version of pgvector from which a scan goes on until enough is found that is still there."""

_TABLES = (
    """CREATE TABLE IF NOT EXISTS near_spaces (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant text NOT NULL, model_hash text NOT NULL,
    sequence bigint NOT NULL, erasures bigint NOT NULL, count bigint NOT NULL, width bigint NOT NULL,
    UNIQUE (tenant, model_hash))""",
    """CREATE TABLE IF NOT EXISTS near_vectors (
    space bigint NOT NULL REFERENCES near_spaces ON DELETE CASCADE, sequence bigint NOT NULL, tenant text NOT NULL,
    ticket_id text NOT NULL, vector halfvec NOT NULL, PRIMARY KEY (space, sequence), UNIQUE (space, ticket_id),
    FOREIGN KEY (tenant, ticket_id) REFERENCES tickets (tenant, id) ON DELETE CASCADE)""",
    "CREATE INDEX IF NOT EXISTS near_vectors_ticket ON near_vectors (tenant, ticket_id)",
)
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('tamiz near'))"
_VERSION = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
_AVAILABLE = "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'"
_SPACE = f"""
SELECT id, sequence, erasures, count, width FROM near_spaces WHERE tenant = :tenant AND model_hash = :model_hash {LOCK}
"""
_NEW_SPACE = """
INSERT INTO near_spaces (tenant, model_hash, sequence, erasures, count, width) VALUES (:tenant, :model_hash, 0, 0, 0, 0)
ON CONFLICT DO NOTHING
"""
_REACHED = """
UPDATE near_spaces SET sequence = :sequence, erasures = :erasures,
    count = (SELECT count(*) FROM near_vectors WHERE space = :space) WHERE id = :space
"""
_ADD = """
INSERT INTO near_vectors (space, sequence, tenant, ticket_id, vector)
VALUES (:space, :sequence, :tenant, :ticket_id, CAST(:vector AS halfvec))
ON CONFLICT (space, ticket_id) DO UPDATE SET sequence = excluded.sequence, vector = excluded.vector
"""
_CUT = "DELETE FROM near_vectors WHERE space = :space AND sequence <= :last"
_GONE = """
DELETE FROM near_vectors AS n WHERE n.space = :space AND NOT EXISTS (
    SELECT 1 FROM vectors AS v WHERE v.tenant = :tenant AND v.model_hash = :model_hash AND v.sequence = n.sequence)
"""
_ONE_BY_ONE = """
SELECT ticket_id, 1 - (vector <=> CAST(:asked AS halfvec)) FROM near_vectors WHERE space = :space
ORDER BY vector <=> CAST(:asked AS halfvec), sequence LIMIT :k
"""
_BY_GRAPH = """
SELECT ticket_id, 1 - (vector::halfvec({width}) <=> CAST(:asked AS halfvec({width}))) FROM near_vectors
WHERE space = {space} ORDER BY vector::halfvec({width}) <=> CAST(:asked AS halfvec({width})) LIMIT :k
"""
_GRAPH = """
CREATE INDEX IF NOT EXISTS near_graph_{space} ON near_vectors
USING hnsw ((vector::halfvec({width})) halfvec_cosine_ops) WHERE space = {space}
"""
_HAS_GRAPH = "UPDATE near_spaces SET width = :width WHERE id = :space"
_SCAN = ("SET LOCAL hnsw.ef_search = 100", "SET LOCAL hnsw.iterative_scan = strict_order")


@dataclass(frozen=True, slots=True)
class _Place:
    """A space of the mirror: its number, how far it has come, how many vectors it has, and how wide those in its graph are
    (0: it has none)."""

    id: int
    seen: SpaceState
    count: int
    width: int


class PgvectorMemory:
    """The Memory port. `keep` is how many vectors the store keeps of all tickets of a tenant and model, `exact` from how
    many on a space has a graph. Thread-safe. ConfigError where the server has no pgvector, or one that is too old, or does not let us use it."""

    def __init__(self, store: SqlStore, keep: int, exact: int = EXACT) -> None:
        self._store, self._keep, self._exact = store, keep, exact
        try:
            problem = store.change(_prepare)
        except psycopg.errors.InsufficientPrivilege as error:
            problem = f"the database does not let this user prepare pgvector ({error.diag.message_primary})"
        if problem:
            raise ConfigError(key="memory.index", mistake=problem)

    def search(self, tenant: str, model_hash: str, vector: bytes, k: int) -> Matches:
        """The k tickets of the tenant that are nearest to a vector of the model. StoreError."""
        while (found := self._store.read(lambda tx: _found(tx, tenant, model_hash, vector, k))) is None:
            while not self._store.change(lambda tx: _caught_up(tx, tenant, model_hash, self._keep)):
                pass
            self._store.change(lambda tx: _with_graph(tx, tenant, model_hash, vector, self._exact))
        return found

    def search_all(self, tenant: str, model_hash: str, vectors: Sequence[bytes], k: int) -> list[Matches]:
        """The same for several vectors, one after the other. StoreError."""
        return [self.search(tenant, model_hash, vector, k) for vector in vectors]


def _prepare(tx: SqlTx) -> str:
    """Extension and tables; what is in the way, or nothing."""
    tx.sql.one(_ONE_AT_A_TIME)
    found = tx.sql.one(_VERSION) or tx.sql.one(_AVAILABLE)
    if found is None:
        return "the database server has no extension 'vector' (pgvector)"
    if tuple(int(part) for part in found[0].split(".")[:2]) < NEEDED:
        return f"pgvector {found[0]} is too old, {'.'.join(map(str, NEEDED))} is needed"
    if tx.sql.one(_VERSION) is None:
        tx.sql.run("CREATE EXTENSION vector")
    for statement in _TABLES:
        tx.sql.run(statement)
    return ""


def _place(tx: SqlTx, tenant: str, model_hash: str) -> _Place | None:
    row = tx.sql.one(_SPACE, tenant=tenant, model_hash=model_hash)
    return None if row is None else _Place(row[0], SpaceState(row[1], row[2]), row[3], row[4])


def _found(tx: SqlTx, tenant: str, model_hash: str, vector: bytes, k: int) -> Matches | None:
    """The answer; None where the mirror is behind."""
    place = _place(tx, tenant, model_hash)
    if place is None or place.seen != tx.vectors.state(tenant, model_hash):
        return None
    asked = _written(vector)
    if place.width:
        for statement in _SCAN:
            tx.sql.run(statement)
        query = _BY_GRAPH.format(
            width=place.width, space=place.id
        )  # literals: or the graph would not be used
        rows = tx.sql.all(query, asked=asked, k=k)
    else:
        rows = tx.sql.all(_ONE_BY_ONE, asked=asked, k=k, space=place.id)
    return Matches(place.count, tuple(Match(ticket, min(1.0, similarity)) for ticket, similarity in rows))


def _caught_up(tx: SqlTx, tenant: str, model_hash: str, keep: int) -> bool:
    """Take in what is new, CHUNK vectors at most, while nobody else does. Is that all?"""
    space = {"tenant": tenant, "model_hash": model_hash}
    tx.sql.run(_NEW_SPACE, **space)
    place = _place(tx, tenant, model_hash)
    assert place is not None
    state = tx.vectors.state(tenant, model_hash)  # first: what comes after it is seen next time
    added = tx.vectors.after(tenant, model_hash, place.seen.sequence, CHUNK)
    if state.erasures != place.seen.erasures:
        tx.sql.run(_GONE, space=place.id, **space)
    tx.sql.run_many(_ADD, [_row(place.id, one) for one in added])
    whole = len(added) < CHUNK
    reached = max(state.sequence, added[-1].sequence if added else 0) if whole else added[-1].sequence
    tx.sql.run(_CUT, space=place.id, last=reached - kept(model_hash, keep))
    tx.sql.run(_REACHED, space=place.id, sequence=reached, erasures=state.erasures)
    return whole


def _with_graph(tx: SqlTx, tenant: str, model_hash: str, vector: bytes, exact: int) -> None:
    """Make the graph of a space that has become large."""
    place = _place(tx, tenant, model_hash)
    if place is not None and not place.width and place.count >= exact:
        width = len(vector) // 2
        tx.sql.run(_GRAPH.format(space=place.id, width=width))
        tx.sql.run(_HAS_GRAPH, space=place.id, width=width)


def _row(space: int, one: Vector) -> dict[str, object]:
    return {
        "space": space,
        "sequence": one.sequence,
        "tenant": one.tenant,
        "ticket_id": one.ticket_id,
        "vector": _written(one.data),
    }


def _written(vector: bytes) -> str:
    """A vector as pgvector reads it."""
    return f"[{','.join(map(repr, unpacked(vector)))}]"
