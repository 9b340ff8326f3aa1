"""`tamiz store erase --person`: show what would go, ask, erase, look again, and say what remains where."""

from __future__ import annotations

import getpass
import json
from collections import Counter
from datetime import datetime
from pathlib import Path

import typer
from rich.table import Table

from tamiz.cli.console import PROBLEMS_FOUND, err, out
from tamiz.store.person import Search, erase_person, find
from tamiz.store.tx import SqlStore
from tamiz.text.mentions import Person

SHOWN = 20

ELSEWHERE = (
    "Backups taken before hold what they held: delete them when their time is over. After restoring one, erase the ids of "
    "this report again, or the person.",
    "The desk keeps its own tickets: erase there too, or they may come in again.",
    "Files that were exported, and data sets that were made of them, are outside of the store.",
    "Models that learned from these tickets keep their weights until they are trained again; they hold no ticket.",
    "The audit trail keeps ids of tickets and of keys, and no text.",
)


def erase(store: SqlStore, tenant: str, person: Person, at: datetime, yes: bool, report: Path | None) -> None:
    """Erase a person's tickets after asking; exit 5 where a second search still finds some."""
    with err.status("Looking through the tickets"):
        found = find(store, tenant, person)
    _show(found)
    if not found.traces:
        _write(report, tenant, found, 0, at)
        return
    if not yes:
        typer.confirm(f"Erase these {len(found.traces)} tickets for good?", abort=True, err=True)
    done = erase_person(store, tenant, person, found, getpass.getuser(), at)
    left = find(store, tenant, person)
    _write(report, tenant, found, done.tickets, at)
    err.print(f"Erased: {done.tickets} of {len(found.traces)}. Looked again: {len(left.traces)} left.")
    if not done.scrubbed:
        err.print(
            "A reader was in the way, so deleted text may still stand in the log file; `tamiz store erase` again."
        )
    for line in ELSEWHERE:
        err.print(f"- {line}", markup=False)
    if left.traces:
        raise typer.Exit(PROBLEMS_FOUND)


def _show(found: Search) -> None:
    table = Table("ticket", "where the person stands")
    for trace in found.traces[:SHOWN]:
        table.add_row(trace.ticket_id, ", ".join(trace.where))
    if found.traces:
        out.print(table)
    if len(found.traces) > SHOWN:
        out.print(f"and {len(found.traces) - SHOWN} more")
    places = Counter(place for trace in found.traces for place in trace.where)
    told = "; ".join(f"{place}: {count}" for place, count in places.most_common())
    out.print(f"{len(found.traces)} of {found.tickets} tickets{f' ({told})' if told else ''}.", markup=False)
    if found.unread:
        out.print(
            f"{len(found.unread)} tickets could not be read in full (attachments that are no text, dropped keys)."
        )
    if found.keys:
        out.print(f"API keys of that name, to be revoked by hand: {', '.join(found.keys)}")


def _write(report: Path | None, tenant: str, found: Search, erased: int, at: datetime) -> None:
    """Ids, places and counts; nothing of the person."""
    if report is None:
        return
    told = {
        "at": at.isoformat(),
        "tenant": tenant,
        "searched": found.tickets,
        "erased": erased,
        "tickets": {trace.ticket_id: list(trace.where) for trace in found.traces},
        "not_read_in_full": list(found.unread),
        "api_keys": list(found.keys),
        "remains": list(ELSEWHERE),
    }
    report.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    err.print(f"Written: {report}", markup=False)
