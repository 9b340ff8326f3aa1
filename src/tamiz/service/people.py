"""What people do with a ticket: correct it. Their word stands, whatever a model says afterwards."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tamiz.domain.errors import BadCorrectionError, ConflictError, UnknownTicketError
from tamiz.domain.ports import Clock
from tamiz.domain.records import AuditEntry, Correction, Revision, TicketRecord
from tamiz.domain.storage import Store, Tx
from tamiz.domain.taxonomy import ABSTAIN, Field, Taxonomy


@dataclass(frozen=True, slots=True)
class Feedback:
    """Field → the right value (None: does not apply), by whom, and why. `version` 0 means: whatever is there now."""

    tenant: str
    ticket_id: str
    values: Mapping[str, str | None]
    by: str
    note: str = ""
    version: int = 0


def correct(store: Store, clock: Clock, taxonomy: Taxonomy, feedback: Feedback) -> TicketRecord:
    """Store a correction of each field in one transaction, and return the ticket as it is then.

    BadCorrectionError for a value that the taxonomy does not allow beside the ticket's other values,
    UnknownTicketError, ConflictError where the ticket is not at `version`.
    """
    moment = clock.now()

    def work(tx: Tx) -> TicketRecord:
        record = tx.tickets.get(feedback.tenant, feedback.ticket_id)
        if record is None:
            raise UnknownTicketError(ticket=feedback.ticket_id)
        if feedback.version not in (0, record.version):
            raise ConflictError(
                what=f"Ticket {record.id}", reason=f"it is at version {record.version} by now"
            )
        revision = tx.tickets.revision(record.tenant, record.id)
        before = standing(taxonomy, revision, tx.tickets.corrected(record.tenant, record.id))
        check(taxonomy, {**before, **feedback.values}, feedback.values)
        for name, value in feedback.values.items():
            told = Correction(
                record.tenant, record.id, name, value, before.get(name), feedback.by, moment, feedback.note
            )
            tx.tickets.correct(told)
        detail = {"fields": ",".join(feedback.values)}
        tx.audit.add(AuditEntry(record.tenant, moment, feedback.by, "correct", record.id, detail))
        found = tx.tickets.get(record.tenant, record.id)
        assert found is not None
        return found

    return store.write(work)


def standing(
    taxonomy: Taxonomy, revision: Revision | None, corrected: Mapping[str, str | None]
) -> dict[str, str | None]:
    """Field → the value that stands: a person's where there is one, else the newest triage's.

    What rested on a value that a person changed follows it: a derived field is derived anew, a child that may not stand
    below its new parent waits for a person, also where a person gave it below another parent before.
    """
    told = {} if revision is None else {name: f.value for name, f in revision.triage.fields.items()}
    values = {f.name: corrected.get(f.name, told.get(f.name)) for f in taxonomy.choices}
    for f in taxonomy.choices:
        if not _touched(f, corrected) or (f.matrix is not None and f.name in corrected):
            continue
        if f.matrix is not None:
            row, column = values[f.matrix.rows], values[f.matrix.columns]
            cells = f.matrix.cells.get(str(row), {})
            values[f.name] = cells.get(str(column), ABSTAIN)
        elif values[f.name] not in (None, *f.allowed(str(values[f.parent]))):
            values[f.name] = ABSTAIN
    return values


def check(taxonomy: Taxonomy, values: Mapping[str, str | None], given: Mapping[str, str | None]) -> None:
    """BadCorrectionError for a given field that there is not, or whose value may not stand below its parent's.

    A derived field may be given another value than the matrix says: a person knows more than the matrix.
    """
    fields = {f.name: f for f in taxonomy.choices}
    unknown = [name for name in given if name not in fields]
    if not given or unknown:
        mistake = f"there is no field '{unknown[0]}'" if unknown else "it names no field"
        raise BadCorrectionError(mistake=mistake, allowed=", ".join(fields))
    for name, value in given.items():
        f = fields[name]
        parent = values.get(f.parent) if f.parent else None
        allowed = f.allowed(parent) if parent and parent in fields[f.parent].keys else f.keys
        if value not in allowed and not (value is None and f.nullable):
            below = f" below {f.parent} '{parent}'" if value in f.keys else ""
            raise BadCorrectionError(
                mistake=f"'{value}' is no value of {name}{below}", allowed=", ".join(allowed)
            )


def _touched(f: Field, corrected: Collection[str]) -> bool:
    rests = {f.parent, *((f.matrix.rows, f.matrix.columns) if f.matrix else ())}
    return not rests.isdisjoint(corrected)
