"""Examples for the OpenAPI, made from the taxonomy in use: no label stands here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tamiz.domain.gate import Policy, decide
from tamiz.domain.records import Revision, TicketRecord
from tamiz.domain.status import Status
from tamiz.domain.taxonomy import Field, Taxonomy
from tamiz.domain.ticket import Source
from tamiz.domain.triage import Decision, Distribution, Prediction, Recall, Receipt, Tier, Triage
from tamiz.service.look import TicketLook, listed, moment
from tamiz.service.ripple import Affected, Cause, RipplePlan, Said, Shift
from tamiz.service.similar import Resemblance, Similar

TICKET = "019b76da-a800-7000-8000-000000000001"
_EARLIER = "019b76da-a800-7000-8000-000000000000"
_AT = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)
_MODEL = {
    "name": "starter",
    "kind": "encoder",
    "content_hash": "5d41402abc4b2a76",
    "classes_hash": "7b52009b64fd0a2a",
    "text_version": "1",
}


@dataclass(frozen=True, slots=True)
class Example:
    """What is sent (None: nothing) and what is answered, by status."""

    sent: Any = None
    answers: Mapping[int, Any] = field(default_factory=dict)


def examples(taxonomy: Taxonomy) -> dict[tuple[str, str], Example]:
    """(method, path) → an example."""
    text = {"subject": "VPN", "body": "The VPN drops every ten minutes since this morning."}
    found = ticket(taxonomy)
    accepted = {"ticket_id": TICKET, "location": f"/tickets/{TICKET}"}
    batch = {"results": [{"status": 202, **accepted}]}
    look, said = found.to_dict(), prediction(taxonomy)
    event = {"id": "2", "event": "ticket", "data": json.dumps(look)}
    near = Similar(TICKET, 812, (Resemblance(found, 0.9312),)).to_dict()
    page = {"tickets": [listed(found.record)], "next_cursor": None}
    health = {"status": "ok", "version": "0.1.0", "checks": {"store": "ok"}}
    primary = taxonomy.field(taxonomy.primary)
    right = {"fields": {primary.name: primary.keys[-1]}, "note": "It is about another thing."}
    shown = {"key": primary.keys[0], "display": {}, "description": {}, "parents": []}
    labels = {"primary": primary.name, "labels": list(primary.keys), "fields": {primary.name: [shown]}}
    metrics = "# TYPE tamiz_queue_waiting gauge\ntamiz_queue_waiting 0\n"
    return {
        ("POST", "/classify"): Example(text, {202: accepted}),
        ("POST", "/tickets/batch"): Example({"tickets": [text]}, {202: batch, 207: batch}),
        ("GET", "/tickets/{ticket_id}"): Example(None, {200: look}),
        ("GET", "/tickets/{ticket_id}/events"): Example(None, {200: event}),
        ("GET", "/tickets/{ticket_id}/similar"): Example(None, {200: near}),
        ("GET", "/tickets"): Example(None, {200: page}),
        ("POST", "/tickets/{ticket_id}/feedback"): Example(right, {200: look}),
        ("POST", "/tickets/{ticket_id}/ripple"): Example({"apply": True}, {200: _ripple(primary, 1)}),
        ("POST", "/predict"): Example({**text, "top_k": 3}, {200: said}),
        ("POST", "/predict_batch"): Example([text], {200: [said]}),
        ("GET", "/labels"): Example(None, {200: labels}),
        ("GET", "/schema"): Example(None, {200: {"type": "object"}}),
        ("GET", "/models"): Example(None, {200: {"active": _MODEL, "known": [_MODEL]}}),
        ("GET", "/metrics"): Example(None, {200: metrics}),
        ("GET", "/health"): Example(None, {200: health}),
        ("GET", "/health/ready"): Example(None, {200: health}),
        ("GET", "/health/live"): Example(None, {200: {"status": "ok"}}),
        **_admin(primary.name, primary.keys[0]),
        ("POST", "/admin/corrections/ripple"): Example(
            {"ticket_id": "", "apply": False}, {200: _ripple(primary, None)}
        ),
    }


def _admin(field: str, label: str) -> dict[tuple[str, str], Example]:
    """What an administrator sends and sees."""
    at = moment(_AT)
    key = {"id": TICKET, "name": "helpdesk", "role": "submit", "created_at": at, "revoked_at": None}
    hashes = {name: _MODEL[name] for name in ("name", "content_hash", "classes_hash")}
    active = {"model": {"tenant": "default", **hashes, "prose_hash": "", "at": at, "by": "ana", "number": 1}}
    place = {"ticket_id": TICKET, "desk": "it", "external_id": "IT-1"}
    past = {"id": "INC0001", "subject": "VPN", "body": "It dropped.", "values": {field: label}, "at": at}
    values = {"back": {field: None}, "away": {field: label}, "kept": {}, "cancelled": [], "review": {}}
    model_hash = _MODEL["content_hash"]
    told = {"tenant": "default", "model_hash": model_hash, "since": at, "made_at": at, "fields": [field]}
    plan = {"id": "0123456789ab", **told, "reversals": [{**place, **values}]}
    parked = {**place, "effect": "triage:1", "values": {field: label}, "reason": "refused", "since": at}
    pause = {"tenant": "default", "desk": "it", "since": at, "until": None, "reason": "the key is wrong"}
    undo = {"model": "starter", "since": at, "fields": [field]}
    effect = {"ticket_id": TICKET, "effect": "triage:1"}
    return {
        ("POST", "/admin/keys"): Example({"name": "helpdesk", "role": "submit"}, {201: {"key": "tz_…"}}),
        ("GET", "/admin/keys"): Example(None, {200: {"keys": [key]}}),
        ("DELETE", "/admin/keys/{key_id}"): Example(),
        ("GET", "/admin/model"): Example(None, {200: active}),
        ("POST", "/admin/model"): Example({"model": "starter"}, {200: active}),
        ("POST", "/admin/model/rollback"): Example(None, {200: active}),
        ("POST", "/admin/undo"): Example(undo, {200: plan}),
        ("POST", "/admin/undo/{plan_id}"): Example(None, {200: {"tickets": 1}}),
        **_corrections(field, label),
        ("GET", "/admin/desks"): Example(None, {200: {"parked": [parked], "pauses": [pause]}}),
        ("POST", "/admin/desks/retry"): Example(effect),
        ("POST", "/admin/desks/resume"): Example({"desk": "it"}, {200: {"resumed": True}}),
        ("POST", "/admin/backfill"): Example(
            {"tickets": [past], "desk": "history"}, {200: {"added": 1, "there": 0, "other": []}}
        ),
        ("GET", "/admin/backfill"): Example(None, {200: {"unread": 1}}),
    }


def _corrections(field: str, label: str) -> dict[tuple[str, str], Example]:
    """What an administrator says and sees of people's corrections."""
    at = moment(_AT)
    wanted = {"account": TICKET, "since": at, "ticket_id": "", "sequence": 0}
    back = {"status": Status.BY_AI.value, "away": {field: label}, "back": {field: None}}
    place = {"ticket_id": TICKET, "desk": "", "external_id": "", "words": [7], "words_left": 0}
    plan = {"id": "0123456789ab", "tenant": "default", "wanted": wanted, "made_at": at}
    hold = {"since": at, "reason": "surprise", "by": "tamiz", "lifted_at": None, "lifted_by": ""}
    counts = {"words": 9, "revoked": 0, "waiting": 0, "surprising": 5}
    account = {"account": TICKET, "name": "reviews", "role": "review", **counts, "newest": at, "held": True}
    return {
        ("POST", "/admin/corrections/revert"): Example(
            wanted, {200: {**plan, "returns": [{**place, **back}]}}
        ),
        ("POST", "/admin/corrections/revert/{revert_id}"): Example(None, {200: {"words": 1}}),
        ("GET", "/admin/accounts"): Example(None, {200: {"accounts": [{**account, "holds": [hold]}]}}),
        ("POST", "/admin/accounts/hold"): Example({"account": TICKET}, {200: {"changed": True}}),
        ("POST", "/admin/accounts/lift"): Example({"account": TICKET}, {200: {"changed": True}}),
    }


def ticket(taxonomy: Taxonomy) -> TicketLook:
    """A triaged ticket with the first labels of the taxonomy."""
    fields = decide(taxonomy, _prediction(taxonomy), Policy())
    recall = Recall(_EARLIER, Tier.VERIFIED, 0.9641)
    receipt = Receipt("starter", _MODEL["content_hash"], taxonomy.classes_hash, "1", recall=recall)
    triage = Triage(TICKET, "The VPN drops every ten minutes.", "extractive", fields, "en", receipt)
    record = TicketRecord(
        TICKET, "default", Source("api"), Status.BY_CACHE, 2, 1, _AT, _AT, "VPN", "", language="en"
    )
    return TicketLook(record, Revision("default", TICKET, 1, _AT, triage), fields, {})


def _ripple(primary: Field, applied: int | None) -> dict[str, Any]:
    """What a correction changes elsewhere."""
    before, after = Said(primary.keys[0], Decision.RECOMMEND), Said(primary.keys[-1], Decision.APPLY)
    shifts = {primary.name: Shift(before, after)}
    one = Affected(_EARLIER, 2, Cause.SERVED, TICKET, 0.9641, Status.BY_CACHE, Status.BY_CACHE, shifts)
    return RipplePlan(TICKET, 28, (one,), applied).to_dict()


def prediction(taxonomy: Taxonomy) -> dict[str, Any]:
    """What /predict answers."""
    distribution = _prediction(taxonomy).distributions[taxonomy.primary]
    (label, score), *_ = distribution.top(1)
    return {
        "predicted_label": label,
        "confidence": round(score, 6),
        "top_k": [{"label": la, "score": round(p, 6)} for la, p in distribution.top(3)],
        "inference_ms": 3.2,
    }


def _prediction(taxonomy: Taxonomy) -> Prediction:
    found: dict[str, Distribution] = {}
    for f in taxonomy.predicted:
        parent = found[f.parent].best[0] if f.parent else ""
        first = next(iter(f.allowed(parent) if f.parent else f.classes))
        rest = 0.1 / max(1, len(f.classes) - 1)
        found[f.name] = Distribution(f.classes, tuple(0.9 if c == first else rest for c in f.classes))
    return Prediction(found)
