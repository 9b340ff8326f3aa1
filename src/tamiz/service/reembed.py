"""Vectors for a model that is about to be used: without them it would remember nobody's word, and no ticket of before.

Each chunk is a transaction of its own, and what has its vectors is passed over: broken off, it goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tamiz.domain.ports import Model
from tamiz.domain.records import TicketQuery, TicketRecord, Vector
from tamiz.domain.storage import Store, Tx
from tamiz.domain.vectors import KEEP_TOLD, digest, packed, told_space
from tamiz.pipeline.answers import answers
from tamiz.service.words import words

Ahead = Callable[[str, Model], int]
"""Called with a tenant and the model that it is about to get; tells up to which correction all have vectors."""

ALL = 2**62
"""No correction has such a number."""
CHUNK = 32
PAGE = 1_000


def nothing(tenant: str, model: Model) -> int:
    """Nothing is remembered."""
    return ALL


@dataclass(frozen=True)
class Reembed:
    """Gives vectors in a model's space to the tickets that people corrected and to the newest `others`. `keep` is how many
    vectors a space keeps; `told` hears how many tickets of how many have been looked at."""

    store: Store
    keep: int
    others: int
    told: Callable[[str, int, int], None] = lambda tenant, done, total: None

    def __call__(self, tenant: str, model: Model) -> int:
        """The number of the newest correction when nothing was missing any more. StoreError, BadPredictionError."""
        others = self.store.read(lambda tx: _newest(tx, tenant, min(self.others, self.keep)))
        seen = 0
        while True:
            corrected, last = self.store.read(lambda tx, after=seen: _corrected(tx, tenant, after))  # type: ignore[misc]
            ids = list(dict.fromkeys([*corrected, *reversed(others)]))  # what comes last is kept longest
            for start in range(0, len(ids), CHUNK):
                if not self._embedded(tenant, model, ids[start : start + CHUNK]):
                    return ALL
                self.told(tenant, min(start + CHUNK, len(ids)), len(ids))
            if last == seen:
                return seen
            others, seen = [], last

    def _embedded(self, tenant: str, model: Model, ids: Sequence[str]) -> bool:
        """Some tickets, as often as their text changes meanwhile. False where the model makes no vectors."""
        model_hash = model.info.content_hash
        while ids:
            records = self.store.read(lambda tx, ids=ids: _lacking(tx, tenant, model_hash, ids))  # type: ignore[misc]
            predictions = answers(model, [_text(record) for record in records])
            if any(not len(prediction.embedding) for prediction in predictions):
                return False
            data = [packed(prediction.embedding) for prediction in predictions]
            found = list(zip(records, data, strict=True))
            ids = self.store.write(lambda tx, found=found: self._added(tx, model_hash, found))  # type: ignore[misc]
        return True

    def _added(self, tx: Tx, model_hash: str, found: Sequence[tuple[TicketRecord, bytes]]) -> list[str]:
        """Keep the vectors; the tickets whose text is another one by now."""
        changed = []
        for record, data in found:
            now = tx.tickets.get(record.tenant, record.id)
            if now is None:
                continue  # erased meanwhile
            if _text(now) != _text(record):
                changed.append(record.id)
                continue
            space = (record.tenant, model_hash)
            if tx.vectors.of(*space, record.id) is None:
                tx.vectors.add(Vector(*space, record.id, data, digest=digest(_text(now))), self.keep)
            if words(tx, record.tenant, record.id):
                tx.vectors.copy(*space, record.id, told_space(model_hash), KEEP_TOLD)
        return changed


def _newest(tx: Tx, tenant: str, count: int) -> list[str]:
    """The newest tickets, newest first."""
    found: list[str] = []
    while len(found) < count:
        wanted = min(PAGE, count - len(found))
        page = tx.tickets.page(tenant, TicketQuery(after=found[-1] if found else "", limit=wanted))
        found += [record.id for record in page]
        if len(page) < wanted:
            break
    return found


def _corrected(tx: Tx, tenant: str, after: int) -> tuple[list[str], int]:
    """Tickets that people corrected, in the order of their last correction, and the number of the very last."""
    found: dict[str, None] = {}
    while page := tx.tickets.corrections(tenant, after, PAGE):
        for one in page:
            found.pop(one.ticket_id, None)
            found[one.ticket_id] = None
        after = page[-1].sequence
    return list(found)[-KEEP_TOLD:], after


def _lacking(tx: Tx, tenant: str, model_hash: str, ids: Sequence[str]) -> list[TicketRecord]:
    """Those of these tickets that have a text, and lack a vector."""
    found = []
    for ticket_id in ids:
        space = told_space(model_hash) if words(tx, tenant, ticket_id) else model_hash
        record = tx.tickets.get(tenant, ticket_id)
        if record is not None and record.revision and tx.vectors.of(tenant, space, ticket_id) is None:
            found.append(record)
    return found


def _text(record: TicketRecord) -> str:
    return f"{record.subject}\n{record.body}".strip()
