"""What can be learned of the tickets that people spoke of: their text, and the labels that rest on a person's word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tamiz.domain.records import Correction
from tamiz.domain.storage import Reader, Tx
from tamiz.domain.taxonomy import ABSTAIN, NONE, Taxonomy
from tamiz.service.people import standing
from tamiz.service.words import words
from tamiz.text.canonical import as_read

PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Lesson:
    """A ticket that a person spoke of. `labels` are the classes that people gave, and what follows from them alone;
    `weak` those of the other fields, which were shown beside and left as they were. `said_at` is the moment of the last
    word that counts, `sequence` its number. `text` is the canonical, redacted view."""

    id: str
    text: str
    language: str
    received_at: datetime
    said_at: datetime
    sequence: int
    labels: Mapping[str, str]
    weak: Mapping[str, str] = field(default_factory=dict)


def lessons(store: Reader, tenant: str, taxonomy: Taxonomy) -> list[Lesson]:
    """Every ticket with a word that counts, in the order of their last words. A page of words is read at a time, so that the
    writer is never kept from its log for long."""
    names, after = dict[str, None](), 0
    while page := store.read(lambda tx, after=after: tx.tickets.corrections(tenant, after, PAGE)):  # type: ignore[misc]
        names |= dict.fromkeys(one.ticket_id for one in page)
        after = page[-1].sequence
    told, found = list(names), list[Lesson]()
    for start in range(0, len(told), PAGE):
        part = told[start : start + PAGE]
        found += store.read(lambda tx, part=part: _lessons(tx, tenant, taxonomy, part))  # type: ignore[misc]
    return sorted(found, key=lambda one: one.sequence)


def texts(store: Reader, tenant: str, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Ticket → its canonical text and language; those that are not there are left out."""
    found: dict[str, tuple[str, str]] = {}
    for start in range(0, len(names), PAGE):
        part = names[start : start + PAGE]
        records = store.read(lambda tx, part=part: [tx.tickets.get(tenant, name) for name in part])  # type: ignore[misc]
        found |= {
            one.id: (as_read(one.subject, one.body), one.language) for one in records if one is not None
        }
    return found


def _lessons(tx: Tx, tenant: str, taxonomy: Taxonomy, names: list[str]) -> list[Lesson]:
    made = (_lesson(tx, tenant, taxonomy, name) for name in names)
    return [one for one in made if one is not None]


def _lesson(tx: Tx, tenant: str, taxonomy: Taxonomy, ticket_id: str) -> Lesson | None:
    """None where no word counts, or the text is gone."""
    told, record = words(tx, tenant, ticket_id), tx.tickets.get(tenant, ticket_id)
    if not told or record is None or not (record.subject or record.body):
        return None
    revision = tx.tickets.revision(tenant, ticket_id)
    values = standing(taxonomy, revision, {name: one.value for name, one in told.items()})
    known = {f.name: _class(values[f.name], f.classes) for f in taxonomy.choices}
    said = _said(taxonomy, told)
    last = max(told.values(), key=lambda one: one.sequence)
    return Lesson(
        record.id,
        as_read(record.subject, record.body),
        record.language,
        record.received_at,
        last.at,
        last.sequence,
        {name: label for name, label in known.items() if label and name in said},
        {name: label for name, label in known.items() if label and name not in said},
    )


def _said(taxonomy: Taxonomy, told: Mapping[str, Correction]) -> set[str]:
    """The fields that a person named, and those derived from nothing but such fields."""
    return {
        f.name
        for f in taxonomy.choices
        if f.name in told or (f.matrix and f.matrix.rows in told and f.matrix.columns in told)
    }


def _class(value: str | None, classes: tuple[str, ...]) -> str:
    """The class of a value; empty for one that the taxonomy does not have, or where a person must decide."""
    label = NONE if value is None else value
    return label if label in classes and label != ABSTAIN else ""
