"""The part of the Store port that memory needs: embeddings, and answers that were served again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from tamiz.domain.records import Record, Reuse, SpaceState, Vector, Verdict


class Vectors(Protocol):
    """The embeddings of tickets: a space per tenant and model. They go with their ticket."""

    def add(self, vector: Vector, keep: int) -> int:
        """Keep an embedding under the next number of its space, in place of an older one of the ticket, and give the
        number. Numbers that are `keep` or more behind it go. The ticket must be there."""
        ...

    def of(self, tenant: str, model_hash: str, ticket_id: str) -> bytes | None:
        """The embedding of a ticket in a model's space."""
        ...

    def after(self, tenant: str, model_hash: str, sequence: int = 0, limit: int = 1000) -> list[Vector]:
        """Embeddings of a space above a number, in order."""
        ...

    def equal(self, tenant: str, model_hash: str, digest: str, limit: int = 8) -> list[Vector]:
        """The newest embeddings of texts with this digest in a space, newest first."""
        ...

    def mark(self, tenant: str, model_hash: str, ticket_id: str, digest: str) -> None:
        """Give a ticket's embedding another digest, where it has one."""
        ...

    def copy(self, tenant: str, model_hash: str, ticket_id: str, into: str, keep: int) -> bool:
        """Add a ticket's embedding of one space to another one, too, under a new number there. False where it has none."""
        ...

    def remove(self, tenant: str, model_hash: str, ticket_id: str) -> bool:
        """Take a ticket out of a space; every searcher of the tenant notices. False where it was not there."""
        ...

    def holding(self, tenant: str, ticket_id: str) -> list[str]:
        """The spaces that a ticket is in, in order."""
        ...

    def sequences(self, tenant: str, model_hash: str) -> list[int]:
        """The numbers of all that a space holds, in order."""
        ...

    def state(self, tenant: str, model_hash: str) -> SpaceState:
        """How far a space has come. Where neither number has changed, no vector was added or erased."""
        ...

    def spaces(self) -> list[tuple[str, str, int]]:
        """Every space that ever held a vector: its tenant, its model's hash, and the newest number that was given."""
        ...


class Reuses(Protocol):
    """Which tickets got the answer of an earlier one, and whether it was right. They go with their ticket."""

    def put(self, reuse: Reuse) -> None:
        """A reuse, in place of an earlier one of the ticket. The ticket must be there."""
        ...

    def of(self, tenant: str, ticket_id: str) -> Reuse | None:
        """Where a ticket's answer came from."""
        ...

    def judge(self, tenant: str, ticket_id: str, verdict: Verdict) -> bool:
        """Say whether the answer was right; that it was wrong is never taken back. False where none was reused."""
        ...

    def disputed(self, tenant: str, sources: Collection[str]) -> set[str]:
        """Those of these tickets whose answer was wrong for a ticket that it was served to."""
        ...

    def of_source(self, tenant: str, source_id: str, limit: int = 1000) -> list[Reuse]:
        """The reuses of a ticket's answer, by the id of the ticket that got it."""
        ...

    def record(self, tenant: str, model_hash: str, newest: int) -> Record:
        """The newest judged reuses of a model's answers."""
        ...
