"""`tamiz keys`: who may call the service."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Column, Table

from tamiz.bootstrap.who import user_name
from tamiz.cli.console import administered, cells, out
from tamiz.domain.records import Role
from tamiz.domain.ticket import DEFAULT_TENANT

app = typer.Typer(no_args_is_help=True, help="Who may call the service: keys, their roles and tenants.")

EXAMPLES = """Examples:

  tamiz keys create helpdesk --role submit

  tamiz keys list

  tamiz keys revoke 01a1ff06-6888-76eb-9228-b63c404f2331"""

Tenant = Annotated[str, typer.Option(help="Whose tickets the key opens.")]


@app.command("create", epilog=EXAMPLES)
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    role: Annotated[Role, typer.Option(help="Each may do what those before it may.")] = Role.SUBMIT,
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Make a key and print it, this once."""
    with administered() as admin:
        typer.echo(admin.create_key(tenant, name, role, user_name()))


@app.command("list")
def listed(tenant: Tenant = DEFAULT_TENANT) -> None:
    """The tenant's keys; what they open is kept nowhere."""
    with administered() as admin:
        found = admin.keys(tenant)
    table = Table(Column("id", no_wrap=True), "name", "role", "created", "revoked")
    for key in found:
        revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
        created = f"{key.created_at:%Y-%m-%d %H:%M}"
        table.add_row(*cells(key.id, key.name, key.role.value, created, revoked))
    out.print(table)


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="From the list.")], tenant: Tenant = DEFAULT_TENANT
) -> None:
    """Close a key for good."""
    with administered() as admin:
        admin.revoke_key(tenant, key_id, user_name())
