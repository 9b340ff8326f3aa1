"""What of an effect may be written to a desk's ticket as it stands now: never over a person's value, never less severe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tamiz.domain.desk import DeskTicket, Value
from tamiz.domain.outbox import Effect
from tamiz.domain.taxonomy import Field, Taxonomy

CLOSED = "the ticket is closed"
PERSON = "a person set another value"
CORRECTED = "a person corrected it here"
LOWERING = "it would lower the severity"
RELATION = "it does not fit what stands beside it"


@dataclass(frozen=True, slots=True)
class Ground:
    """What a decision to write rests on, beside the desk's ticket: what we wrote last per field, what people said of the
    ticket here, and per field the values that nobody chose (the desk's defaults)."""

    taxonomy: Taxonomy
    ours: Mapping[str, Value] = field(default_factory=dict)
    corrected: Mapping[str, Value] = field(default_factory=dict)
    free: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def nobodys(self, name: str, present: Value) -> bool:
        """May a program change this value? It may where it wrote it itself, or where nobody chose it."""
        if name in self.ours:
            return present == self.ours[name]
        return present is None or present in self.free.get(name, frozenset())


@dataclass(frozen=True, slots=True)
class Weighed:
    """Field → value to write and value that stands there, field → why it is left alone, and the fields that have their
    value already."""

    write: Mapping[str, Value]
    before: Mapping[str, Value]
    left: Mapping[str, str]
    there: frozenset[str]


def weigh(effect: Effect, ticket: DeskTicket, ground: Ground) -> Weighed:
    """Field by field; what a person ordered may lower a severity, and nothing else may."""
    write: dict[str, Value] = {}
    left: dict[str, str] = {}
    there = frozenset(name for name, value in effect.values.items() if ticket.fields.get(name) == value)
    for name, value in effect.values.items():
        if name in there:
            continue
        reason = _objection(effect, name, value, ticket, ground)
        if reason:
            left[name] = reason
        else:
            write[name] = value
    if not effect.undoes:
        _drop_unfit(ground.taxonomy, ticket.fields, write, left)
    before = {name: ticket.fields.get(name) for name in write}
    return Weighed(write, before, left, there)


def lowers(f: Field, before: Value, then: Value) -> bool:
    """Is the label less severe than the one that stands there? To empty the field is less than anything."""
    if not f.ordered or before not in f.keys:
        return False
    return then not in f.keys or f.keys.index(str(then)) > f.keys.index(str(before))


def _objection(effect: Effect, name: str, value: Value, ticket: DeskTicket, ground: Ground) -> str:
    present = ticket.fields.get(name)
    if ticket.closed:
        return CLOSED
    if name in ground.corrected and ground.corrected[name] != value:
        return CORRECTED
    if not ground.nobodys(name, present):
        return PERSON
    known = {f.name: f for f in ground.taxonomy.choices}
    if not effect.undoes and name in known and lowers(known[name], present, value):
        return LOWERING
    return ""


def _drop_unfit(
    taxonomy: Taxonomy, present: Mapping[str, Value], write: dict[str, Value], left: dict[str, str]
) -> None:
    """Take out what would not stand below its parent, or not follow from its inputs, once the rest is written. What is
    taken out may be what another value rests on, so this goes on until nothing more falls."""
    falling = True
    while falling:
        after = {**present, **write}
        unfit = [f.name for f in taxonomy.choices if f.name in write and not _fits(f, taxonomy, after)]
        falling = bool(unfit)
        for name in unfit:
            del write[name]
            left[name] = RELATION


def _fits(f: Field, taxonomy: Taxonomy, values: Mapping[str, Value]) -> bool:
    value = values[f.name]
    parent = values.get(f.parent) if f.parent else None
    if value is not None and parent in (taxonomy.field(f.parent).keys if f.parent else ()):
        return value in f.allowed(str(parent))
    if f.matrix is not None:
        row, column = values.get(f.matrix.rows), values.get(f.matrix.columns)
        cells = f.matrix.cells.get(str(row), {})
        return column not in cells or value == cells[str(column)]
    return True
