"""What an undo does with the values of one ticket: which go back, which ask a person, which stay and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from tamiz.domain.desk import Value
from tamiz.domain.gate import Policy
from tamiz.domain.outbox import Cause, Effect, EffectState, last_writers
from tamiz.domain.records import Revision
from tamiz.domain.status import Status, status_of
from tamiz.domain.storage import Tx
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Decision, Reason
from tamiz.pipeline.evidence import replayed
from tamiz.pipeline.triage import validated

UNDONE = "the model was taken back"
CORRECTED = "a person corrected it"
OVERWRITTEN = "something else has been written since"
RULED = "a rule set it, not the model"
TOGETHER = "it is about to be written together with others; take it back when it stands there"

_WROTE = (EffectState.INTENT, EffectState.DONE)


class Wanted(Protocol):
    """What is to be taken back: whose values, since when, and of which fields (none: all)."""

    @property
    def tenant(self) -> str: ...

    @property
    def model_hash(self) -> str: ...

    @property
    def since(self) -> datetime: ...

    @property
    def fields(self) -> tuple[str, ...]: ...


@dataclass(slots=True)
class Values:
    """A ticket's values by what becomes of them; see `undo.Reversal`."""

    back: dict[str, Value] = field(default_factory=dict)
    away: dict[str, Value] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    review: dict[str, Value] = field(default_factory=dict)
    cancelled: tuple[str, ...] = ()


def values(
    tx: Tx,
    taxonomy: Taxonomy,
    wanted: Wanted,
    ticket_id: str,
    effects: Sequence[Effect],
    own: Sequence[Effect],
) -> Values:
    """What becomes of the values of a ticket; `own` are the model's effects among all of them."""
    corrected = tx.tickets.corrected(wanted.tenant, ticket_id)
    ruled = {effect.name: _ruled(tx, effect) for effect in own}
    found = Values()
    _at_desk(found, wanted, effects, ruled, corrected)
    _planned(found, wanted, own, ruled)
    _in_house(found, tx, taxonomy, wanted, ticket_id, corrected)
    return found


def in_review(
    tx: Tx, taxonomy: Taxonomy, tenant: str, ticket_id: str, fields: Collection[str], at: datetime
) -> None:
    """A triage more, from the receipt of the newest one, under a policy by which these fields ask a person."""
    record, newest = tx.tickets.get(tenant, ticket_id), tx.tickets.revision(tenant, ticket_id)
    assert record is not None  # the fields were found in its newest triage
    assert newest is not None
    triage = newest.triage
    policy = Policy.from_dict(triage.receipt.policy).with_modes(dict.fromkeys(fields, Decision.REVIEW))
    receipt = replace(triage.receipt, policy=policy.to_dict())
    decided = validated(taxonomy, triage.summary, replayed(receipt, taxonomy))
    triage = replace(triage, fields=decided, receipt=receipt)
    status = status_of(triage, taxonomy, cached=record.status is Status.BY_CACHE)
    tx.tickets.save(Revision(tenant, ticket_id, newest.number + 1, at, triage), status)


def cancel(tx: Tx, effects: Sequence[Effect], names: Collection[str], now: datetime) -> bool:
    """Skip what is planned and has not left this house."""
    cancelled = [one for one in effects if one.name in names and one.state is EffectState.PLANNED]
    for effect in cancelled:
        tx.outbox.put(replace(effect, state=EffectState.SKIPPED, reason=UNDONE, changed_at=now))
    return bool(cancelled)


def _at_desk(
    found: Values,
    wanted: Wanted,
    effects: Sequence[Effect],
    own: Mapping[str, Collection[str]],
    corrected: Collection[str],
) -> None:
    """Values to put back, the values that go, and what is kept and why. `own` are the names of the model's effects, with
    the fields that rules set in them."""
    last = last_writers(effects, set(_WROTE))
    fields = {name: None for one in effects if one.name in own for name in one.before if _meant(wanted, name)}
    for name in fields:
        writer = last[name]
        if name in corrected:
            found.kept[name] = CORRECTED
        elif writer.name not in own:
            if not writer.undoes:
                found.kept[name] = OVERWRITTEN
        elif name in own[writer.name]:
            found.kept[name] = RULED
        else:
            before, then = _first_before(effects, name, own), writer.values[name]
            if before != then:
                found.back[name], found.away[name] = before, then


def _planned(
    found: Values, wanted: Wanted, own: Sequence[Effect], ruled: Mapping[str, Collection[str]]
) -> None:
    """Effects that never left this house. One that also sets what is not meant is let be: its values never change."""
    for effect in own:
        if effect.state is not EffectState.PLANNED:
            continue
        by_rule = ruled[effect.name]
        meant = [name for name in effect.values if _meant(wanted, name) and name not in by_rule]
        if len(meant) == len(effect.values):
            found.cancelled = (*found.cancelled, effect.name)
        else:
            found.kept.update(dict.fromkeys(meant, TOGETHER))


def _ruled(tx: Tx, effect: Effect) -> frozenset[str]:
    """The fields of an effect that a rule set: the word of a person, not of the model."""
    number = effect.cause.revision
    revision = tx.tickets.revision(effect.tenant, effect.ticket_id, number) if number else None
    fields = revision.triage.fields if revision else {}
    return frozenset(name for name, outcome in fields.items() if outcome.reason is Reason.RULE)


def _in_house(
    found: Values,
    tx: Tx,
    taxonomy: Taxonomy,
    wanted: Wanted,
    ticket_id: str,
    corrected: Collection[str],
) -> None:
    """Applied values of the newest triage, where it is this model's; those of other classes than today's are history."""
    newest = tx.tickets.revision(wanted.tenant, ticket_id)
    if newest is None or newest.at < wanted.since:
        return
    receipt = newest.triage.receipt
    if not Cause.of(receipt).is_model(wanted.model_hash) or receipt.classes_hash != taxonomy.classes_hash:
        return
    for f in taxonomy.choices:
        outcome = newest.triage.fields.get(f.name)
        if outcome is None or outcome.decision is not Decision.APPLY or not _meant(wanted, f.name):
            continue
        if f.name in corrected:
            found.kept.setdefault(f.name, CORRECTED)
        elif outcome.reason is Reason.RULE:
            found.kept.setdefault(f.name, RULED)
        else:
            found.review[f.name] = outcome.value


def _meant(wanted: Wanted, name: str) -> bool:
    return not wanted.fields or name in wanted.fields


def _first_before(effects: Sequence[Effect], field: str, names: Collection[str]) -> Value:
    """What stood there before the model's unbroken run of writes that ends with the last one."""
    found: Value = None
    wrote = [one for one in effects if field in one.before and one.state in _WROTE]
    for one in reversed(wrote):
        if one.name not in names:
            break
        found = one.before[field]
    return found
