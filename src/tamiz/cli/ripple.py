"""`tamiz corrections ripple`: what a correction changes in tickets that were answered before it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Column, Table

from tamiz.bootstrap.who import user_name
from tamiz.cli.console import administered, cells, err, out
from tamiz.domain.ticket import DEFAULT_TENANT
from tamiz.service.ripple import Affected, Cause, RipplePlan, Shift

EXAMPLES = """Examples:

  tamiz corrections ripple                  # what the last correction would change; nothing is done

  tamiz corrections ripple 019b76da-a800-7000-8000-000000000001

  tamiz corrections ripple --apply"""

SHOWN = 50
"""Tickets of a plan that are printed at most."""


def command(
    ticket: Annotated[str, typer.Argument(help="A corrected ticket; without one, the last of them.")] = "",
    apply: Annotated[bool, typer.Option("--apply", help="Do it: decide these tickets anew.")] = False,
    tenant: Annotated[str, typer.Option(help="Whose tickets they are.")] = DEFAULT_TENANT,
) -> None:
    """Show which open tickets, answered from memory or like the corrected one, would be decided otherwise by now. No model
    is asked, and no ticket changes of which a person said a word."""
    with administered() as admin:
        found = admin.ripple(tenant, ticket, user_name(), apply=apply)
    if not found.ticket_id:
        out.print("Nobody has corrected a ticket.")
        return
    show(found)
    if found.applied is not None and found.affected:
        err.print(f"Decided anew: {found.applied:,} of {len(found.affected):,} tickets")
    elif found.affected:
        err.print("Nothing was changed: --apply does it.")


def show(plan: RipplePlan) -> None:
    """The plan as a table, a row per ticket."""
    table = Table(Column("ticket", no_wrap=True), Column("because", no_wrap=True), "what changes", "status")
    for one in plan.affected[:SHOWN]:
        table.add_row(*cells(one.ticket_id, _because(one), _changes(one), _status(one)))
    if plan.affected:
        out.print(table)
    if len(plan.affected) > SHOWN:
        out.print(f"and {len(plan.affected) - SHOWN:,} tickets more")
    out.print(
        f"{plan.looked:,} open tickets had the answer of {plan.ticket_id} or are near it; people's words change"
        f" {len(plan.affected):,} of them.",
        highlight=False,
    )


def _because(one: Affected) -> str:
    if one.cause is Cause.NEAR:
        return f"near, {one.similarity:.2f}"
    return "had its answer" if one.similarity >= 1.0 else f"had its answer, {one.similarity:.2f}"


def _changes(one: Affected) -> str:
    """A line per field; what may be done with its value is named where that changes."""
    return "\n".join(f"{name}: {_shift(shift)}" for name, shift in one.fields.items())


def _shift(shift: Shift) -> str:
    before, after = shift.before, shift.after
    if before.decision is after.decision:
        return f"{before.value or 'empty'} → {after.value or 'empty'}"
    return " → ".join(f"{said.value or 'empty'} ({said.decision.value})" for said in (before, after))


def _status(one: Affected) -> str:
    return one.status.value if one.status is one.then else f"{one.status.value} → {one.then.value}"
