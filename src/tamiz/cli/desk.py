"""`tamiz desk`: what was not written to desks, and desks that are left alone."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Column, Table

from tamiz.bootstrap.who import user_name
from tamiz.cli.console import administered, cells, err, out
from tamiz.domain.ticket import DEFAULT_TENANT

app = typer.Typer(no_args_is_help=True, help="What waits for a person before it is written to desks.")

EXAMPLES = """Examples:

  tamiz desk parked

  tamiz desk retry 01a1ff06-6888-76eb-9228-b63c404f2331 triage:1

  tamiz desk resume jira"""

Tenant = Annotated[str, typer.Option(help="Whose desks they are.")]


@app.command("parked", epilog=EXAMPLES)
def parked(tenant: Tenant = DEFAULT_TENANT) -> None:
    """Effects that were parked, oldest first, and desks that are paused."""
    with administered() as admin:
        found = admin.desks(tenant)
    effects = Table(Column("ticket", no_wrap=True), "effect", "desk", "there", "values", "since", "why")
    for one in found.parked:
        values = ", ".join(f"{name}={value}" for name, value in one.values.items())
        since = f"{one.since:%Y-%m-%d %H:%M}"
        what = (one.ticket_id, one.effect, one.desk, one.external_id, values, since, one.reason)
        effects.add_row(*cells(*what))
    pauses = Table("paused desk", "since", "until", "why")
    for pause in found.pauses:
        until = f"{pause.until:%Y-%m-%d %H:%M}" if pause.until else "tamiz desk resume"
        pauses.add_row(*cells(pause.desk, f"{pause.since:%Y-%m-%d %H:%M}", until, pause.reason))
    out.print(effects if found.parked else "Nothing is parked.")
    out.print(pauses if found.pauses else "No desk is paused.")


@app.command("retry")
def retry(
    ticket: Annotated[str, typer.Argument(help="The ticket's id, from the list.")],
    effect: Annotated[str, typer.Argument(help="Which effect, from the list.")],
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Have a parked effect tried anew."""
    with administered() as admin:
        admin.retry(tenant, ticket, effect, user_name())
    err.print("It will be tried again.")


@app.command("resume")
def resume(
    desk: Annotated[str, typer.Argument(help="The desk's name.")], tenant: Tenant = DEFAULT_TENANT
) -> None:
    """Say that a paused desk may be written to again."""
    with administered() as admin:
        resumed = admin.resume(tenant, desk, user_name())
    err.print(f"{desk}: {'resumed' if resumed else 'was not paused'}", markup=False)
