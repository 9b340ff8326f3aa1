"""What is to be written to desks: effects, each with a key that follows from what it is, and the pauses of desks.

An effect is planned, then intended (committed before the call goes out), then done, skipped or parked. An intended effect
whose end nobody saw may have been applied, or may be applied yet; from `due` on the desk's own word settles it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tamiz.domain.desk import DeskTicket, Value
from tamiz.domain.triage import Receipt

UNDO = "undo:"
"""How the names of effects begin that put values back."""


class EffectState(StrEnum):
    """Where an effect stands. Planned and intended ones are open; parked ones wait for a person."""

    PLANNED = "planned"
    INTENT = "intent"
    DONE = "done"
    SKIPPED = "skipped"
    PARKED = "parked"


OPEN = frozenset({EffectState.PLANNED, EffectState.INTENT})


@dataclass(frozen=True, slots=True)
class Cause:
    """Who wants an effect: a triage (its number, the content hashes of its model and of its language model) or a person
    (`by`), who in an undo names the model whose values go."""

    model_hash: str = ""
    writer_hash: str = ""
    revision: int = 0
    by: str = ""

    @classmethod
    def of(cls, receipt: Receipt, revision: int = 0) -> Cause:
        """The models that a triage rests on."""
        writer = receipt.writer.model_hash if receipt.writer else ""
        return cls(receipt.model_hash, writer, revision)

    def is_model(self, content_hash: str) -> bool:
        """Had this model, or this language model, a part in it?"""
        return bool(content_hash) and content_hash in (self.model_hash, self.writer_hash)


@dataclass(frozen=True, slots=True)
class Effect:
    """Values to set in a ticket of a desk, or a note to add; `name` says which effect of the ticket it is.

    `due` is the earliest moment of the next step. `expected` is the desk's version that the last attempt rested on,
    `before` what stood in each field that it wrote, `leaves` the digest of the desk's ticket as it leaves it. `number`
    counts the tenant's effects from 1; 0 until it is stored.
    """

    tenant: str
    ticket_id: str
    name: str
    desk: str
    external_id: str
    values: Mapping[str, Value]
    cause: Cause
    at: datetime
    due: datetime
    changed_at: datetime
    state: EffectState = EffectState.PLANNED
    note: str = ""
    attempts: int = 0
    expected: str = ""
    before: Mapping[str, Value] = field(default_factory=dict)
    leaves: str = ""
    reason: str = ""
    number: int = 0

    @property
    def key(self) -> str:
        """The idempotency key: 32 hexadecimal digits, always the same for this effect of this ticket."""
        parts = json.dumps([self.tenant, self.ticket_id, self.name])
        return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    @property
    def open(self) -> bool:
        """Is there something left to do?"""
        return self.state in OPEN

    @property
    def undoes(self) -> bool:
        """Does it put back what a model had written?"""
        return self.name.startswith(UNDO)

    @property
    def written(self) -> dict[str, Value]:
        """The values that the last attempt wrote."""
        return {name: self.values[name] for name in self.before}


@dataclass(frozen=True, slots=True)
class Pause:
    """A desk that is left alone, until a moment or (None) until a person says otherwise."""

    tenant: str
    desk: str
    since: datetime
    until: datetime | None
    reason: str = ""

    def holds(self, now: datetime) -> bool:
        """Is it still on?"""
        return self.until is None or now < self.until


def last_writers(effects: Iterable[Effect], states: Collection[EffectState]) -> dict[str, Effect]:
    """Field → the newest effect that wrote it, among a ticket's effects (in their order) of these states."""
    return {name: one for one in effects if one.state in states for name in one.before}


def last_written(effects: Iterable[Effect]) -> dict[str, Value]:
    """Field → what we wrote there last, as far as that is certain."""
    return {name: one.values[name] for name, one in last_writers(effects, {EffectState.DONE}).items()}


def is_echo(effects: Iterable[Effect], ticket: DeskTicket) -> bool:
    """Is what the desk tells of this ticket nothing but our own write? True where it stands exactly as one of our effects
    leaves it, also while we still wait for the reply to that."""
    made = {
        one.leaves for one in effects if one.state in (EffectState.DONE, EffectState.INTENT) and one.leaves
    }
    return ticket.digest in made
