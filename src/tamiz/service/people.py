"""What people do with a ticket: correct it. Their word stands, whatever a model says afterwards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tamiz.domain.errors import BadCorrectionError, ConflictError, UnknownTicketError
from tamiz.domain.ports import Clock
from tamiz.domain.records import Against, AuditEntry, Correction, Revision, TicketRecord, Verdict, WordQuery
from tamiz.domain.storage import Store, Tx
from tamiz.domain.taxonomy import ABSTAIN, Field, Matrix, Taxonomy
from tamiz.domain.triage import Decision, Tier
from tamiz.domain.vectors import KEEP_TOLD, told_space

_SHOWN = (Decision.APPLY, Decision.RECOMMEND)


@dataclass(frozen=True, slots=True)
class Feedback:
    """Field → the right value (None: does not apply), by whom, and why. `version` 0 means: whatever is there now."""

    tenant: str
    ticket_id: str
    values: Mapping[str, str | None]
    by: str
    note: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True)
class Corrected:
    """The ticket after a correction, of each field whether the value that was shown was another one, and with what
    confidence a model had shown it (fields that no model had shown a value of are left out). Nothing is said of what the
    account had said before."""

    record: TicketRecord
    wrong: Mapping[str, bool]
    confidence: Mapping[str, float] = field(default_factory=dict)


def correct(
    store: Store,
    clock: Clock,
    taxonomy: Taxonomy,
    feedback: Feedback,
    against: Mapping[str, Against] = MappingProxyType({}),
    waits: Callable[[Tx], bool] = lambda tx: False,
) -> Corrected:
    """Store a correction of each field in one transaction. What the same account said last of a field, in the same words, is
    not stored again: a request that is repeated changes nothing. `against` and `waits` are kept with the words.

    BadCorrectionError for a value that the taxonomy does not allow beside the ticket's other values, or a note that cannot
    be kept as text, UnknownTicketError, ConflictError where the ticket is not at `version`.
    """
    moment = clock.now()
    check_text(feedback.note)

    def work(tx: Tx) -> Corrected:
        record = tx.tickets.get(feedback.tenant, feedback.ticket_id)
        if record is None:
            raise UnknownTicketError(ticket=feedback.ticket_id)
        if feedback.version not in (0, record.version):
            raise ConflictError(
                what=f"Ticket {record.id}", reason=f"it is at version {record.version} by now"
            )
        revision = tx.tickets.revision(record.tenant, record.id)
        earlier = tx.tickets.corrected(record.tenant, record.id)
        before = standing(taxonomy, revision, earlier)
        check(taxonomy, {**before, **feedback.values}, feedback.values)
        fresh = _fresh(tx, feedback)
        if not fresh:
            return Corrected(record, {})
        late = waits(tx)
        for name, value in fresh.items():
            place = (record.tenant, record.id, name, value, before.get(name), feedback.by, moment)
            odd = against.get(name, Against.NOBODY)
            tx.tickets.correct(Correction(*place, feedback.note, against=odd, waits=late))
        if revision is not None:
            _remember(tx, revision, before, fresh)
        detail = {"fields": ",".join(fresh)}
        tx.audit.add(AuditEntry(record.tenant, moment, feedback.by, "correct", record.id, detail))
        found = tx.tickets.get(record.tenant, record.id)
        assert found is not None
        wrong = {name: before.get(name) != value for name, value in fresh.items()}
        sure = _shown_by_model(revision, before, fresh.keys() - earlier.keys())
        return Corrected(found, wrong, sure)

    return store.write(work)


def _remember(
    tx: Tx, revision: Revision, before: Mapping[str, str | None], values: Mapping[str, str | None]
) -> None:
    """Let the next ticket like this one feel it, and say what became of an answer that was served again."""
    tenant, ticket_id, receipt = revision.tenant, revision.ticket_id, revision.triage.receipt
    active = [
        one.content_hash for one in tx.models.pile(tenant, 1)
    ]  # may have embedded the ticket when it was activated
    for model_hash in dict.fromkeys((receipt.model_hash, *active)):
        tx.vectors.copy(tenant, model_hash, ticket_id, told_space(model_hash), KEEP_TOLD)
    if receipt.recall is not None and receipt.recall.tier is not Tier.WITHHELD:
        shown = _shown_by_model(revision, before, values.keys())
        wrong = any(before.get(name) != values[name] for name in shown)
        tx.reuses.judge(tenant, ticket_id, Verdict.WRONG if wrong else Verdict.RIGHT)


def _fresh(tx: Tx, feedback: Feedback) -> dict[str, str | None]:
    """The values that are not just what this account said last of a field, with nobody's word after it."""
    words = tx.words.find(feedback.tenant, WordQuery(ticket_id=feedback.ticket_id))
    newest = {one.field: (one.by, one.value) for one in words}
    return {
        name: value for name, value in feedback.values.items() if newest.get(name) != (feedback.by, value)
    }


def check_text(note: str) -> None:
    """BadCorrectionError for what not every store can keep: PostgreSQL takes no NUL, and none takes lone surrogates."""
    if "\0" in note or any("\ud800" <= character <= "\udfff" for character in note):
        mistake = "its note has NUL characters or lone surrogates"
        raise BadCorrectionError(mistake=mistake, allowed="all other characters")


def _shown_by_model(
    revision: Revision | None, before: Mapping[str, str | None], names: Collection[str]
) -> dict[str, float]:
    """The confidence of those of these fields whose standing value is a model's."""
    fields = revision.triage.fields if revision else {}
    return {
        name: told.confidence
        for name, told in fields.items()
        if name in names and told.decision in _SHOWN and told.value == before.get(name)
    }


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
        own, touched = f.name in corrected, _touched(f, corrected)
        if f.matrix is not None and (own or touched):
            cell = _cell(f.matrix, values)
            values[f.name] = cell if cell is not None else values[f.name] if own else ABSTAIN
        elif touched and values[f.name] not in (None, *f.allowed(str(values[f.parent]))):
            values[f.name] = ABSTAIN
    return values


def check(taxonomy: Taxonomy, values: Mapping[str, str | None], given: Mapping[str, str | None]) -> None:
    """BadCorrectionError for a given field that there is not, or whose value may not stand beside the others: below its
    parent's, or against what it is derived from."""
    fields = {f.name: f for f in taxonomy.choices}
    unknown = [name for name in given if name not in fields]
    if not given or unknown:
        mistake = f"there is no field '{unknown[0]}'" if unknown else "it names no field"
        raise BadCorrectionError(mistake=mistake, allowed=", ".join(fields))
    for name, value in given.items():
        f = fields[name]
        allowed, below = _allowed(f, fields, values)
        if value not in allowed and not (value is None and f.nullable):
            where = below if value in f.keys else ""
            raise BadCorrectionError(
                mistake=f"'{value}' is no value of {name}{where}", allowed=", ".join(allowed)
            )


def _allowed(
    f: Field, fields: Mapping[str, Field], values: Mapping[str, str | None]
) -> tuple[tuple[str, ...], str]:
    """What may stand in a field beside these values, and why no more."""
    if f.parent and values.get(f.parent) in fields[f.parent].keys:
        parent = str(values[f.parent])
        return f.allowed(parent), f" below {f.parent} '{parent}'"
    if f.matrix is not None:
        row, column = values.get(f.matrix.rows), values.get(f.matrix.columns)
        cell = f.matrix.cells.get(str(row), {}).get(str(column))
        if cell is not None:
            return (
                cell,
            ), f" with {f.matrix.rows} '{row}' and {f.matrix.columns} '{column}', which may be corrected too"
    return f.keys, ""


def _cell(matrix: Matrix, values: Mapping[str, str | None]) -> str | None:
    """What follows from the two values; None where one of them is not known."""
    return matrix.cells.get(str(values.get(matrix.rows)), {}).get(str(values.get(matrix.columns)))


def _touched(f: Field, corrected: Collection[str]) -> bool:
    rests = {f.parent, *((f.matrix.rows, f.matrix.columns) if f.matrix else ())}
    return not rests.isdisjoint(corrected)
