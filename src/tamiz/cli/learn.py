"""`tamiz learn`: retrain from corrections, judge, and propose; nothing is taken into use by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tamiz.bootstrap.clock import SystemClock
from tamiz.bootstrap.settings import Settings
from tamiz.bootstrap.wiring import registry
from tamiz.cli.console import PROBLEMS_FOUND, need_serving, settings
from tamiz.cli.tables import load, need_training, tell
from tamiz.domain.ticket import DEFAULT_TENANT

if TYPE_CHECKING:
    from tamiz.domain.taxonomy import Taxonomy
    from tamiz.lab.learn.job import Golden, Taught
    from tamiz.service.lessons import Lesson

app = typer.Typer(help="Learn from corrections; propose a model.")

EXAMPLES = """Examples:\n
  tamiz learn golden --size 200        # once: tickets that every candidate is judged on, and none learns from\n
  tamiz learn --if-new 50              # in a timer: does nothing below 50 new corrections\n
  tamiz learn --full --config cpu      # train the encoder anew, too"""

CORRECTIONS = "corrections"

Tenant = Annotated[str, typer.Option(help="Whose corrections.")]


@app.callback(invoke_without_command=True, epilog=EXAMPLES)
def learn(
    context: typer.Context,
    tenant: Tenant = DEFAULT_TENANT,
    if_new: Annotated[int, typer.Option(min=0, help="Do nothing below so many new corrections.")] = 0,
    full: Annotated[
        bool, typer.Option("--full", help="Train an encoder anew instead of moving heads.")
    ] = False,
    config: Annotated[str, typer.Option(help="Of a full run: cpu, cuda, mps, or a TOML file.")] = "cpu",
    weak: Annotated[
        bool, typer.Option("--weak", help="Fields that people left as they were teach too.")
    ] = False,
    budget: Annotated[
        float, typer.Option(min=0.001, max=0.5, help="Wrong share among applied values.")
    ] = 0.02,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the model of a refused candidate.")] = False,
) -> None:
    """Retrain from corrections, judge the candidate beside the active model, and propose it where it does no harm. Exit code 5
    where it is refused."""
    if context.invoked_subcommand is not None:
        return
    need_training(*(("torch", "transformers", "peft") if full else ()))
    need_serving()
    current = settings()
    with _alone(current) as (folder, handle):
        history = _history(current, tenant)
        new = sum(one.sequence > history.heard for one in history.lessons)
        if new < if_new:
            typer.echo(f"Nothing to do: {new} tickets with new corrections, fewer than {if_new}.")
            return
        way = {"way": "full" if full else "quick", "config": config, "weak": weak, "budget": budget}
        report = _learned(history, folder, tenant, way, handle)
        _end(current, report, keep)


@app.command("golden", epilog=EXAMPLES)
def golden(
    source: Annotated[str, typer.Option("--from", help="`corrections`, or a labelled table.")] = CORRECTIONS,
    size: Annotated[int, typer.Option(min=30, help="So many of the corrected tickets.")] = 200,
    tenant: Tenant = DEFAULT_TENANT,
    replace: Annotated[bool, typer.Option("--replace", help="Freeze a new version.")] = False,
) -> None:
    """Freeze the tickets that every candidate is judged on and none learns from."""
    need_serving()
    from tamiz.lab.learn import golden as sets

    current = settings()
    history = _history(current, tenant, frozen=False)
    path, own = sets.place(current.home, tenant), source == CORRECTIONS
    if own:
        examples = sets.drawn(_taught(history.lessons), size, history.taxonomy.primary)
    else:
        examples = load(Path(source), [], history.taxonomy).examples
    version = sets.freeze(path, examples, history.taxonomy, SystemClock().now(), not own, replace)
    typer.echo(f"{path}: version {version}, {len(examples)} tickets, frozen.")


class _History:
    """What people have said to a tenant's tickets, and the model that triages them."""

    def __init__(
        self, active: Path, taxonomy: Taxonomy, lessons: list[Lesson], golden: Golden | None, heard: int
    ) -> None:
        self.active, self.taxonomy, self.lessons = active, taxonomy, lessons
        self.golden, self.heard = golden, heard


def _history(current: Settings, tenant: str, frozen: bool = True) -> _History:
    """Read beside a running service. `frozen`: with the golden set."""
    from tamiz.bootstrap.reading import open_reader
    from tamiz.bootstrap.shelf import FolderShelf
    from tamiz.lab.learn import golden as sets
    from tamiz.lab.learn import runs
    from tamiz.service.lessons import lessons, texts

    shelf, path = FolderShelf(current, SystemClock()), sets.place(current.home, tenant)
    with open_reader(current) as store:
        active = next(iter(store.read(lambda tx: tx.models.pile(tenant, 1))), None)
        taxonomy = shelf.taxonomy_of(active)
        found = lessons(store, tenant, taxonomy)
        known = sets.thaw(path, taxonomy, texts(store, tenant, sets.ids(path))) if frozen else None
    heard = runs.heard(current.home / runs.FOLDER, tenant)
    return _History(shelf.folder_of(active), taxonomy, found, known, heard)


def _taught(lessons: list[Lesson]) -> list[Taught]:
    from tamiz.lab.data.example import Example
    from tamiz.lab.learn.job import Taught

    def example(one: Lesson) -> Example:
        time = one.received_at.isoformat()
        return Example(one.id, one.text, dict(one.labels), time=time, language=one.language)

    return [Taught(example(one), dict(one.weak)) for one in lessons]


@contextmanager
def _alone(current: Settings) -> Iterator[tuple[Path, int]]:
    """The folder of runs, while nobody else learns. StoreLockedError."""
    from tamiz.lab.learn import runs
    from tamiz.store.lock import FolderLock

    folder = current.home / runs.FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FolderLock(folder)
    try:
        runs.sweep(folder)
        yield folder, lock.handle
    finally:
        lock.release()


def _learned(
    history: _History, folder: Path, tenant: str, way: dict[str, Any], handle: int
) -> dict[str, Any]:
    """The report of a run in a process of its own, which keeps the lock also where this one is killed."""
    from tamiz.lab.learn import runs
    from tamiz.lab.learn.job import Job
    from tamiz.lab.learn.run import REPORT

    out = runs.new(folder, SystemClock().now())
    newest = max((one.sequence for one in history.lessons), default=0)
    job = Job(tenant, history.active, out, _taught(history.lessons), history.golden, newest, **way)
    command = [sys.executable, "-m", "tamiz.lab.learn"]
    done = subprocess.run(command, input=job.to_json(), text=True, pass_fds=[handle], check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
    report: dict[str, Any] = json.loads((out / REPORT).read_text("utf-8"))
    return {**report, "folder": str(out)}


def _end(current: Settings, report: dict[str, Any], keep: bool) -> None:
    """Tell the report; a proposed model goes to the others, a refused one away."""
    from tamiz.lab.learn.report import as_text
    from tamiz.lab.learn.run import MODEL, State, discard

    folder = Path(report["folder"])
    if report["state"] == State.PROPOSED:
        registry(current).add(folder / MODEL)
    if report["state"] == State.PROPOSED or not keep:
        discard(folder)
    typer.echo(as_text(report))
    tell(f"Written: {folder / 'report.html'}")
    if report["state"] == State.REFUSED:
        raise typer.Exit(PROBLEMS_FOUND)
