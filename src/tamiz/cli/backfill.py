"""`tamiz backfill`: solved tickets of the past become memory."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from tamiz.bootstrap.who import user_name
from tamiz.cli.console import administered, err, settings
from tamiz.cli.tables import Columns, choices
from tamiz.domain.errors import ConfigError, DataError, StoreError
from tamiz.domain.ticket import DEFAULT_TENANT
from tamiz.service.backfill import HISTORY, Chunk, Past, Remembered, check_chunk, cut

if TYPE_CHECKING:
    from tamiz.lab.history import Aside, History
    from tamiz.service.admin import Admin

EXAMPLES = """Examples:

  tamiz backfill history.csv --dry-run        # how it is read, and what would be put aside

  tamiz backfill history.csv                  # run it again after an interruption: it goes on

  tamiz backfill export.xlsx --column Team=assignment_group --desk itsm --triage

  tamiz backfill --status"""

READ = "No imported ticket waits for the model."
SPAN = 3.0
"""Seconds over which the model's speed is taken."""
REASONS = 8
"""Reasons that are told at most; the file has all."""


class RateColumn(ProgressColumn):
    """How many a minute."""

    def render(self, task: Task) -> Text:
        """Empty until it can be said."""
        speed = task.finished_speed or task.speed
        return Text(f"{60 * speed:,.0f}/min" if speed else "")


def command(
    tickets: Annotated[
        Path | None, typer.Argument(help="Solved tickets: csv, tsv, jsonl, json, xlsx, parquet.")
    ] = None,
    columns: Columns = [],  # noqa: B006 - typer reads the default, nothing changes it
    desk: Annotated[str, typer.Option(help="The desk that their ids belong to.")] = HISTORY,
    by: Annotated[str, typer.Option(help="The account whose word their labels are.")] = HISTORY,
    aside: Annotated[
        Path | None, typer.Option(help="Where rows go that cannot be used: NAME.aside.csv beside the file.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and report; keep nothing.")] = False,
    triage: Annotated[bool, typer.Option("--triage", help="Stay until the model has read them.")] = False,
    status: Annotated[bool, typer.Option("--status", help="How many the model has yet to read.")] = False,
    tenant: Annotated[str, typer.Option(help="Whose tickets they are.")] = DEFAULT_TENANT,
) -> None:
    """Take solved tickets into memory, each exactly once: run it again after an interruption and it goes on. Nothing of
    them is written to a desk; the model reads them behind all live tickets."""
    if tickets is None and not (status or triage):
        raise ConfigError(
            key="TICKETS", mistake="name a file; --status tells how far the model is with those before"
        )
    with administered() as admin:
        if tickets is not None:
            name = tickets.name.encode("utf-8", "replace").decode("utf-8")
            chunk = Chunk((), desk, by, f"backfill of {name}"[:200])
            place = aside or tickets.with_name(f"{tickets.stem}.aside.csv")
            Import(admin, tenant, tickets, chunk, place).run(choices(columns), dry_run)
        if not (triage or dry_run):
            _tell_unread(admin, tenant)
    if triage and not dry_run:
        _follow(tenant)


@dataclass(frozen=True)
class Import:
    """One file on its way in. `chunk` says of which desk, by whom and with what note, `place` where rows are put aside."""

    admin: Admin
    tenant: str
    path: Path
    chunk: Chunk
    place: Path

    def run(self, roles: dict[str, str], dry_run: bool) -> None:
        """Put aside what cannot be used before anything is kept, then keep the rest. DataError where no row is left."""
        from tamiz.bootstrap.admin import taxonomy_of
        from tamiz.lab.history import read_history

        with err.status("reading"):
            taxonomy = taxonomy_of(settings(), self.admin, self.tenant)
            check_chunk(taxonomy, self.chunk)
            history = read_history(self.path, taxonomy, roles)
        self._tell_read(history)
        self._put(history.aside, dry_run)
        if not history.tickets:
            raise DataError(path=self.path, mistake="no row of it can be used")
        if dry_run:
            _say(f"Nothing was kept; without --dry-run it would be {len(history.tickets):,} tickets.")
            return
        done = self._send(history.tickets)
        if done.other:
            self._put([*history.aside, *history.others(done.other)], dry_run)
        there = f", {done.there:,} were there already" if done.there else ""
        _say(f"Imported: {done.added:,} of {history.rows:,} rows{there}.")

    def _send(self, tickets: Sequence[Past]) -> Remembered:
        total = Remembered()
        with _bar() as bar:
            task = bar.add_task("importing", total=len(tickets))
            for part in cut(tickets):
                done = self._kept(replace(self.chunk, tickets=part))
                total = Remembered(
                    total.added + done.added, total.there + done.there, (*total.other, *done.other)
                )
                bar.advance(task, len(part))
        return total

    def _kept(self, chunk: Chunk) -> Remembered:
        try:
            return self.admin.backfill(self.tenant, chunk, user_name())
        except StoreError:
            _say("Interrupted. Run the same command again: it goes on where it was, and doubles nothing.")
            raise

    def _put(self, aside: Sequence[Aside], dry_run: bool) -> None:
        """Write the file of what was put aside, and tell why it was."""
        from tamiz.lab.history import write_aside

        if not aside:
            return
        if not dry_run:
            write_aside(sorted(aside, key=lambda one: one.line), self.place)
        rows = sum(not one.kept for one in aside)
        place = "" if dry_run else f" All of it is in {self.place}."
        _say(f"{rows:,} rows are put aside, and values of {len(aside) - rows:,} more.{place}")
        counts = Counter(_kind(one.reason) for one in aside)
        for reason, number in counts.most_common(REASONS):
            _say(f"  {number:,} × {reason}")

    def _tell_read(self, history: History) -> None:
        _say(f"{self.path.name}: {history.rows:,} rows. {history.columns}")
        labels = ", ".join(f"{name} {number:,}" for name, number in history.labels.items())
        _say(f"  labels: {labels}")
        again = f"{history.repeated:,} rows say once more what a row before them says"
        for note in [*history.notes, *([again] if history.repeated else [])]:
            _say(f"  {note}")
        keep = settings().memory.keep
        if len(history.tickets) > keep:
            _say(
                f"  memory.keep is {keep:,}: of more tickets than that, only the newest are found as similar ones"
            )


def _kind(reason: str) -> str:
    """A reason without the words of one row."""
    return reason.split(" (")[0].split("; ")[0][:120]


def _tell_unread(admin: Admin, tenant: str) -> None:
    """How many the model has yet to read, and for how long, as it goes right now."""
    from tamiz.bootstrap.catch_up import served

    begun, number = time.monotonic(), admin.unread(tenant)
    if not number:
        _say(READ)
    elif not served(admin):
        _say(
            f"{number:,} wait for the model. `tamiz serve` reads them when it runs, `tamiz backfill --triage` does now."
        )
    else:
        time.sleep(SPAN)
        now = admin.unread(tenant)
        speed = (number - now) / (time.monotonic() - begun)
        told = "live tickets go first" if speed <= 0 else f"{speed:,.0f} a second, {_span(now / speed)}"
        _say(
            f"{now:,} wait for the model behind all live tickets ({told}). `tamiz backfill --status` tells again."
        )


def _span(seconds: float) -> str:
    return f"some {seconds / 60:,.0f} minutes" if seconds >= 90 else f"some {seconds:,.0f} seconds"


def _follow(tenant: str) -> None:
    """Until the model has read all."""
    from tamiz.bootstrap.catch_up import catch_up

    with _bar() as bar:
        task = None
        for number in catch_up(settings(), tenant):
            if task is None:
                total = number
                task = bar.add_task("the model reads", total=total)
            bar.update(task, completed=max(0, total - number))
    _say(READ)


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn())
    return Progress(*columns, TimeRemainingColumn(), console=err)


def _say(text: str) -> None:
    err.print(text, markup=False, highlight=False)
