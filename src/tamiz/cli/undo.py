"""`tamiz undo`: take back what a model applied."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

import typer
from rich.table import Column, Table

from tamiz.bootstrap.clock import SystemClock
from tamiz.bootstrap.who import user_name
from tamiz.cli.console import administered, cells, err, moment_ago, out
from tamiz.domain.ticket import DEFAULT_TENANT
from tamiz.service.undo import Reversal, UndoPlan

EXAMPLES = """Examples:

  tamiz undo --model desk --since 2h                     # shows what would be done, and asks

  tamiz undo --model desk@4be2c1 --since 2026-11-20 --field priority --yes

  tamiz undo --model desk --since 3d --dry-run"""

SHOWN = 50
"""Rows of a plan that are printed at most."""


def command(
    model: Annotated[str, typer.Option(help="Whose values: a name, name@hash, or a hash.")],
    since: Annotated[str, typer.Option(help="From when on: an ISO date or time, or 90m, 2h, 3d, 2w ago.")],
    field: Annotated[list[str], typer.Option(help="Only this field (may be given again).")] = [],  # noqa: B006
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    tenant: Annotated[str, typer.Option(help="Whose tickets they are.")] = DEFAULT_TENANT,
) -> None:
    """Take back the values that a model applied and that nobody has touched since: at desks the value of before is put
    back, here a person is asked."""
    start = moment_ago(since, SystemClock().now())
    with administered() as admin:
        plan = admin.plan_undo(tenant, model, start, field)
        show(plan)
        active = admin.active(tenant)
        if active is not None and active.content_hash == plan.model_hash:
            err.print("This model is still in use and will say the same again: tamiz models rollback")
        doing = [one for one in plan.reversals if one.does]
        if dry_run or not doing:
            return
        if not yes and not typer.confirm(f"Do this to {len(doing):,} tickets?", err=True):
            raise typer.Exit(1)
        done = admin.undo(tenant, plan.id, user_name())
    err.print(f"Taken back: {done:,} of {len(doing):,} tickets")


def show(plan: UndoPlan) -> None:
    """The plan as a table, a row per field."""
    rows = [row for one in plan.reversals for row in _rows(one)]
    table = Table(Column("ticket", no_wrap=True), "there", "field", "now", "then")
    for row in rows[:SHOWN]:
        table.add_row(*cells(*row))
    since = plan.since.astimezone(UTC)
    out.print(table if rows else "There is nothing to take back.")
    if len(rows) > SHOWN:
        out.print(f"and {len(rows) - SHOWN:,} rows more")
    does = sum(one.does for one in plan.reversals)
    out.print(
        f"Model {plan.model_hash[:12]} since {since:%Y-%m-%d %H:%M} UTC: {does:,} tickets to take back,"
        f" {len(plan.reversals) - does:,} where all stays."
    )


def _rows(one: Reversal) -> list[tuple[str, str, str, str, str]]:
    place = (one.ticket_id, f"{one.desk} {one.external_id}".strip())
    back = [
        (*place, name, one.away[name] or "", f"{value or 'empty'} again") for name, value in one.back.items()
    ]
    review = [
        (*place, name, value or "", "asks a person")
        for name, value in one.review.items()
        if name not in one.back
    ]
    sent = [(*place, "", name, "is not sent") for name in one.cancelled]
    return [*back, *review, *sent, *((*place, name, "", f"stays: {why}") for name, why in one.kept.items())]
