"""Triages as plain data (dicts, lists, strings, numbers, None) that JSON carries, and back to an equal value.

Probabilities are kept to the last bit, so that a stored triage is decided again exactly as it was; the rounded form for
other programs is `Triage.to_wire`. Receipts from before there were `eased`, `neighbours` and what memory says have none. A receipt's `policy` must be plain data itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tamiz.domain.triage import (
    Decision,
    Distribution,
    FieldTriage,
    Hit,
    Pool,
    Reason,
    Recall,
    Receipt,
    Tier,
    Triage,
    Vote,
    Writing,
)

Data = Mapping[str, Any]


def triage_to_data(triage: Triage) -> dict[str, Any]:
    """The whole triage with its receipt."""
    return {
        "ticket_id": triage.ticket_id,
        "summary": triage.summary,
        "summary_source": triage.summary_source,
        "fields": {name: _field_to_data(outcome) for name, outcome in triage.fields.items()},
        "language": triage.language,
        "receipt": _receipt_to_data(triage.receipt),
        "flags": list(triage.flags),
    }


def triage_from_data(data: Data) -> Triage:
    """The triage that `triage_to_data` was given. KeyError, ValueError or TypeError on anything else."""
    return Triage(
        ticket_id=data["ticket_id"],
        summary=data["summary"],
        summary_source=data["summary_source"],
        fields={name: _field_from_data(outcome) for name, outcome in data["fields"].items()},
        language=data["language"],
        receipt=_receipt_from_data(data["receipt"]),
        flags=tuple(data["flags"]),
    )


def _field_to_data(outcome: FieldTriage) -> dict[str, Any]:
    return {
        "value": outcome.value,
        "confidence": outcome.confidence,
        "decision": outcome.decision.value,
        "top": [list(pair) for pair in outcome.top],
        "reason": outcome.reason.value,
    }


def _field_from_data(data: Data) -> FieldTriage:
    return FieldTriage(
        value=data["value"],
        confidence=data["confidence"],
        decision=Decision(data["decision"]),
        top=tuple((label, score) for label, score in data["top"]),
        reason=Reason(data["reason"]),
    )


def _receipt_to_data(receipt: Receipt) -> dict[str, Any]:
    return {
        "model": receipt.model,
        "model_hash": receipt.model_hash,
        "classes_hash": receipt.classes_hash,
        "text_version": receipt.text_version,
        "distributions": _distributions_to_data(receipt.distributions),
        "scope": receipt.scope,
        "policy": dict(receipt.policy),
        "writer": None if receipt.writer is None else _writing_to_data(receipt.writer),
        "floors": dict(receipt.floors),
        "hits": [
            {"rule": hit.rule, "values": dict(hit.values), "review": list(hit.review)} for hit in receipt.hits
        ],
        "eased": dict(receipt.eased),
        "neighbours": [list(pair) for pair in receipt.neighbours],
        **_memory_to_data(receipt),
    }


def _memory_to_data(receipt: Receipt) -> dict[str, Any]:
    """What memory said; most receipts have nothing of it, and so no room is taken."""
    data: dict[str, Any] = {}
    if receipt.votes:
        told = _distributions_to_data({name: vote.distribution for name, vote in receipt.votes.items()})
        data["votes"] = {name: {"weight": vote.weight, **told[name]} for name, vote in receipt.votes.items()}
    if receipt.recall is not None:
        one = receipt.recall
        data["recall"] = [one.ticket_id, one.tier.value, one.similarity, one.by_person]
    if receipt.refusal:
        data["refusal"] = receipt.refusal
    return data


def _receipt_from_data(data: Data) -> Receipt:
    return Receipt(
        model=data["model"],
        model_hash=data["model_hash"],
        classes_hash=data["classes_hash"],
        text_version=data["text_version"],
        distributions=_distributions_from_data(data["distributions"]),
        scope=data["scope"],
        policy=data["policy"],
        writer=None if data["writer"] is None else _writing_from_data(data["writer"]),
        floors=data["floors"],
        hits=tuple(Hit(hit["rule"], hit["values"], tuple(hit["review"])) for hit in data["hits"]),
        eased=data.get("eased", {}),
        neighbours=tuple((name, similarity) for name, similarity in data.get("neighbours", ())),
        votes=_votes_from_data(data.get("votes", {})),
        recall=_recall_from_data(data.get("recall")),
        refusal=data.get("refusal", ""),
    )


def _votes_from_data(data: Data) -> dict[str, Vote]:
    told = _distributions_from_data(data)
    return {name: Vote(each["weight"], told[name]) for name, each in data.items()}


def _recall_from_data(data: Sequence[Any] | None) -> Recall | None:
    return None if data is None else Recall(data[0], Tier(data[1]), data[2], data[3])


def _writing_to_data(writing: Writing) -> dict[str, Any]:
    return {
        "model": writing.model,
        "model_hash": writing.model_hash,
        "distributions": _distributions_to_data(writing.distributions),
        "abstained": writing.abstained,
        "failure": writing.failure,
        "pools": {
            name: {"encoder": pool.encoder, "writer": pool.writer, "bias": list(pool.bias)}
            for name, pool in writing.pools.items()
        },
    }


def _writing_from_data(data: Data) -> Writing:
    return Writing(
        model=data["model"],
        model_hash=data["model_hash"],
        distributions=_distributions_from_data(data["distributions"]),
        abstained=data["abstained"],
        failure=data["failure"],
        pools={
            name: Pool(pool["encoder"], pool["writer"], tuple(pool["bias"]))
            for name, pool in data["pools"].items()
        },
    )


def _distributions_to_data(distributions: Mapping[str, Distribution]) -> dict[str, Any]:
    return {
        name: {"labels": list(each.labels), "probabilities": list(each.probabilities)}
        for name, each in distributions.items()
    }


def _distributions_from_data(data: Data) -> dict[str, Distribution]:
    return {
        name: Distribution(tuple(each["labels"]), tuple(each["probabilities"])) for name, each in data.items()
    }
