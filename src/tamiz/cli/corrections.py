"""`tamiz corrections`: who is believed, and taking people's words back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Annotated

import typer
from rich.table import Column, Table

from tamiz.bootstrap.clock import SystemClock
from tamiz.bootstrap.who import user_name
from tamiz.cli.console import administered, cells, err, moment_ago, out
from tamiz.domain.errors import ConfigError
from tamiz.domain.ticket import DEFAULT_TENANT
from tamiz.service.accounts import AccountLook
from tamiz.service.revert import Return, RevertPlan, Wanted

app = typer.Typer(no_args_is_help=True, help="Who corrects tickets, who of them is believed, taking it back.")

EXAMPLES = """Examples:

  tamiz corrections accounts

  tamiz corrections revert --by 01a1ff06-6888-76eb-9228-b63c404f2331 --since 2d

  tamiz corrections revert --ticket 019b76da-a800-7000-8000-000000000001 --yes

  tamiz corrections revert --id 812 --dry-run"""

SHOWN = 50
"""Rows of a plan that are printed at most."""

Tenant = Annotated[str, typer.Option(help="Whose tickets they are.")]
Account = Annotated[str, typer.Argument(help="The id of its key: tamiz corrections accounts")]


@app.command("accounts")
def listed(tenant: Tenant = DEFAULT_TENANT) -> None:
    """Every account that has corrected a ticket, those first that are held back."""
    with administered() as admin:
        found = admin.accounts(tenant)
    columns = ("name", "role", "words", "surprising", "waiting", "revoked", "state")
    table = Table(Column("account", no_wrap=True), *columns)
    for one in found:
        counts = (str(n) for n in (one.words, one.surprising, one.waiting, one.revoked))
        table.add_row(*cells(one.account, one.name, one.role, *counts, _state(one)))
    out.print(table if found else "Nobody has corrected a ticket.")


@app.command("hold")
def hold(account: Account, tenant: Tenant = DEFAULT_TENANT) -> None:
    """Let no word of an account influence other tickets, earlier ones included; its own tickets keep theirs."""
    with administered() as admin:
        done = admin.hold(tenant, account, user_name())
    err.print(f"{account} is held back" + ("" if done else " already"))


@app.command("lift")
def lift(account: Account, tenant: Tenant = DEFAULT_TENANT) -> None:
    """Believe an account again, also those of its words that wait."""
    with administered() as admin:
        done = admin.lift(tenant, account, user_name())
    err.print(f"{account} is believed" + (" again" if done else " already"))


@app.command("revert", epilog=EXAMPLES)
def revert(
    by: Annotated[str, typer.Option(help="The words of this account.")] = "",
    since: Annotated[
        str, typer.Option(help="Only from then on: an ISO date or time, or 90m, 2h, 3d ago.")
    ] = "",
    ticket: Annotated[str, typer.Option(help="The words on this ticket.")] = "",
    number: Annotated[int, typer.Option("--id", min=0, help="The word with this number.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Take corrections back: tickets stand as if nobody had said these words. They are kept for the audit."""
    if not (by or ticket or number):
        raise ConfigError(
            key="revert", mistake="say whose words, of which ticket or which one: --by, --ticket, --id"
        )
    start = moment_ago(since, SystemClock().now()) if since else None
    with administered() as admin:
        plan = admin.plan_revert(tenant, Wanted(by, start, ticket, number))
        show(plan)
        if dry_run or not plan.words:
            return
        if not yes and not typer.confirm(f"Take {plan.words:,} corrections back?", err=True):
            raise typer.Exit(1)
        done = admin.revert(tenant, plan.id, user_name())
    err.print(f"Taken back: {done:,} of {plan.words:,} corrections")


def show(plan: RevertPlan) -> None:
    """The plan as a table, a row per value that changes."""
    rows = [row for one in plan.returns for row in _rows(one)]
    table = Table(Column("ticket", no_wrap=True), "corrections", "field", "now", "then", "status then")
    for row in rows[:SHOWN]:
        table.add_row(*cells(*row))
    out.print(table if rows else "There is nothing to take back.")
    if len(rows) > SHOWN:
        out.print(f"and {len(rows) - SHOWN:,} rows more")
    out.print(f"{plan.words:,} corrections on {len(plan.returns):,} tickets.")
    if any(one.desk for one in plan.returns):
        out.print("Desks keep what stands there: a correction is never written to one.")


def _rows(one: Return) -> Iterator[tuple[str, ...]]:
    numbers = ", ".join(map(str, one.words))
    if not one.away:
        yield (one.ticket_id, numbers, "", "", "the same", one.status.value)
    for name, value in one.away.items():
        yield (one.ticket_id, numbers, name, value or "empty", one.back[name] or "empty", one.status.value)


def _state(one: AccountLook) -> str:
    if one.held:
        hold = one.holds[-1]
        return f"held back since {hold.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC: {hold.reason}"
    return f"believed; {len(one.holds)} alarms before" if one.holds else "believed"
