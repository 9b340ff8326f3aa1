"""`tamiz replay`: look at a decision again."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from tamiz.cli.console import PROBLEMS_FOUND, need_serving, out, settings
from tamiz.domain.codec import triage_to_data
from tamiz.domain.gate import Policy
from tamiz.domain.records import Revision
from tamiz.domain.ticket import DEFAULT_TENANT
from tamiz.domain.triage import Receipt
from tamiz.service.replay import Replay, counterfactual, leading, replay

EXAMPLES = """Examples:

  tamiz replay 01a1ff06-6888-76eb-9228-b63c404f2331

  tamiz replay 01a1ff06-6888-76eb-9228-b63c404f2331 --revision 1

  tamiz replay 01a1ff06-6888-76eb-9228-b63c404f2331 --json | jq .receipt.distributions"""

FARTHEST = 1e-3
"""A probability that has moved farther is another answer, not another processor's rounding."""


def command(
    ticket: Annotated[str, typer.Argument(help="The ticket's id.")],
    revision: Annotated[int, typer.Option(help="Which triage; 0 is the newest.")] = 0,
    tenant: Annotated[str, typer.Option(help="Whose ticket it is.")] = DEFAULT_TENANT,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print triage and receipt as they are kept.")
    ] = False,
) -> None:
    """Decide a stored triage again from its receipt, ask the model again, and say what each field would have needed."""
    need_serving()
    from tamiz.bootstrap.clock import SystemClock
    from tamiz.bootstrap.reading import open_reader
    from tamiz.bootstrap.tenants import TenantJudges

    current = settings()
    with open_reader(current) as store:
        judge = TenantJudges(current, store, SystemClock())(tenant)
        found = replay(store, judge, tenant, ticket, revision)
    if as_json:
        kept = {**triage_to_data(found.revision.triage), "timings_ms": dict(found.revision.timings_ms)}
        typer.echo(json.dumps(kept, indent=1, ensure_ascii=False))
    else:
        _print(found)
    if not found.same or (found.distance or 0.0) > FARTHEST:
        raise typer.Exit(PROBLEMS_FOUND)


def _print(found: Replay) -> None:
    receipt = found.revision.triage.receipt
    policy = Policy.from_dict(receipt.policy)
    table = Table("field", "value", "decided on", "confidence", "decision", "because", "to be applied")
    for name, outcome in found.fields.items():
        label, _ = leading(outcome) if outcome.top else ("", 0.0)
        needed = counterfactual(outcome, policy.of(name))
        sure = f"{outcome.confidence:.2f}"
        table.add_row(name, outcome.value, label, sure, outcome.decision.value, outcome.reason.value, needed)
    out.print(table)
    for line in _told(receipt, found.revision):
        out.print(line, markup=False, highlight=False)
    moved = "not asked again" if found.distance is None else f"{found.distance:.1e} at most"
    same = "decides the same" if found.same else "decides OTHERWISE"
    out.print(
        f"Triage {found.revision.number}: the receipt {same}; the model's probabilities moved by {moved}."
    )


def _told(receipt: Receipt, revision: Revision) -> list[str]:
    """What the decisions rest on, beside the probabilities."""
    lines = [
        f"model {receipt.model} {receipt.model_hash[:12]}, classes {receipt.classes_hash}, text {receipt.text_version}, "
        f"scope {receipt.scope:.2f}"
    ]
    for hit in receipt.hits:
        did = [f"{name} = {label}" for name, label in hit.values.items()]
        did += [f"a person for {name}" for name in hit.review]
        lines.append(f"rule '{hit.rule}': {', '.join(did)}")
    lines += [
        f"at least {label} in {name}: the ticket says so, or it was applied before"
        for name, label in receipt.floors.items()
    ]
    lines += [
        f"at least {label} in {name}, had the ticket not called something over"
        for name, label in receipt.eased.items()
    ]
    lines += _remembered(receipt)
    if receipt.writer is not None:
        asked = ", ".join(receipt.writer.distributions) or "no field"
        lines.append(
            f"language model {receipt.writer.model}: {receipt.writer.failure or f'asked for {asked}'}"
        )
    if receipt.neighbours:
        near = ", ".join(f"{name} ({similarity:.2f})" for name, similarity in receipt.neighbours)
        lines.append(f"solved tickets shown: {near}")
    took = ", ".join(f"{name} {ms:.1f} ms" for name, ms in revision.timings_ms.items())
    return [*lines, f"took: {took}"] if took else lines


def _remembered(receipt: Receipt) -> list[str]:
    """What memory had a part in."""
    lines = []
    for name, vote in receipt.votes.items():
        label, _ = vote.distribution.best
        lines.append(f"people said {label} in {name} of tickets like this one, with weight {vote.weight:.2f}")
    if receipt.recall is not None:
        one = receipt.recall
        whose = "a person's answer" if one.by_person else "the answer"
        lines.append(f"recalled ({one.tier.value}, {one.similarity:.2f}): {whose} to ticket {one.ticket_id}")
    if receipt.refusal:
        lines.append(f"the answer to the nearest ticket was not served: {receipt.refusal}")
    return lines
