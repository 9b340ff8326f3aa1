"""`tamiz store`: back up, restore, check, and let go of what the service keeps."""

from __future__ import annotations

import getpass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tamiz.cli.console import PROBLEMS_FOUND, err, need_serving, settings
from tamiz.domain.errors import ConfigError
from tamiz.domain.ticket import DEFAULT_TENANT

if TYPE_CHECKING:
    from tamiz.store.tx import SqlStore

app = typer.Typer(no_args_is_help=True, help="Back up, restore, check, and let go of what the service keeps.")

EXAMPLES = """Examples:

  tamiz store backup /backups/tamiz-2026-11-21.sqlite     # while the service runs

  tamiz store restore /backups/tamiz-2026-11-21.sqlite    # onto an empty data folder

  tamiz store erase 01a1ff06-6888-76eb-9228-b63c404f2331

  tamiz store erase --person ana@example.org --name "Ana Pérez" --report erased.json

  tamiz store retain --days 365"""

Tenant = Annotated[str, typer.Option(help="Whose tickets they are.")]


@app.command("backup", epilog=EXAMPLES)
def backup(target: Annotated[Path, typer.Argument(help="A new file.")]) -> None:
    """Copy the store to a file, also while the service is running."""
    folder = _embedded()
    from tamiz.store.backup import backup

    backup(folder, target)
    err.print(f"Written: {target} ({target.stat().st_size / 1e6:,.1f} MB)", markup=False)


@app.command("restore")
def restore(source: Annotated[Path, typer.Argument(help="A backup.")]) -> None:
    """Put a backup into an empty data folder."""
    folder = _embedded()
    from tamiz.store.backup import restore

    restore(source, folder)
    err.print(f"Restored into {folder}", markup=False)


@app.command("check")
def check(
    path: Annotated[
        Path | None, typer.Argument(help="A backup; without, the store in the data folder.")
    ] = None,
) -> None:
    """Look for damage in a database file and for gaps in the audit trail."""
    folder = _embedded()
    from tamiz.store.backup import check
    from tamiz.store.sqlite_read import DATABASE

    problems = check(path or folder / DATABASE)
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(PROBLEMS_FOUND)
    err.print("No problem found")


@app.command("erase", epilog=EXAMPLES)
def erase(
    tickets: Annotated[list[str] | None, typer.Argument(help="Ids of tickets.")] = None,
    person: Annotated[str, typer.Option(help="A person's address or requester id instead.")] = "",
    name: Annotated[list[str] | None, typer.Option(help="A name of that person; may be given again.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write what was found and erased here (ids alone, JSON).")
    ] = None,
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Erase tickets with all that hangs on them; the audit trail keeps their ids. With --person: the tickets that a person
    asked, and those whose text names the address or a name."""
    need_serving()
    if bool(tickets) == bool(person or name):
        raise ConfigError(
            key="tamiz store erase", mistake="takes ids of tickets, or a person by --person and --name"
        )
    from tamiz.bootstrap.clock import SystemClock
    from tamiz.bootstrap.memory import forget_files
    from tamiz.bootstrap.server import open_store

    store, moment = open_store(settings()), SystemClock().now()
    try:
        if tickets:
            _erase_ids(store, tenant, tickets, moment)
        else:
            from tamiz.cli import erasure
            from tamiz.text.mentions import Person

            erasure.erase(store, tenant, Person(person, tuple(name or ())), moment, yes, report)
    finally:
        store.close()
        forget_files(settings(), tenant)


def _erase_ids(store: SqlStore, tenant: str, tickets: list[str], moment: datetime) -> None:
    from tamiz.domain.records import AuditEntry
    from tamiz.store.upkeep import erase

    entries = [AuditEntry(tenant, moment, getpass.getuser(), "erase", each) for each in tickets]
    done = erase(store, [(tenant, each) for each in tickets], entries)
    err.print(f"Erased: {done.tickets} of {len(tickets)}. Backups keep what they hold.")


@app.command("retain")
def retain(
    days: Annotated[int, typer.Option(min=1, help="How long tickets are kept.")],
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Delete tickets that were received longer ago than that."""
    need_serving()
    from tamiz.bootstrap.clock import SystemClock
    from tamiz.bootstrap.memory import forget_files
    from tamiz.bootstrap.server import open_store
    from tamiz.store.upkeep import retain

    store = open_store(settings())
    try:
        done = retain(store, tenant, SystemClock().now() - timedelta(days=days))
    finally:
        store.close()
        forget_files(settings(), tenant)
    err.print(f"Deleted: {done.tickets}")


def _embedded() -> Path:
    """The folder of the SQLite store. ConfigError where the state is on a server, which has tools of its own."""
    need_serving()
    from tamiz.bootstrap.wiring import STORE_FOLDER

    current = settings()
    if current.store_url.get_secret_value():
        raise ConfigError(key="TAMIZ_STORE_URL", mistake="use pg_dump and pg_restore for a PostgreSQL server")
    return current.home / STORE_FOLDER
