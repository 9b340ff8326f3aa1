"""Copies of the embedded store: taken while it works, checked, and put back on an empty folder."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tamiz.domain.errors import StoreError
from tamiz.store.faults import disk_faults
from tamiz.store.lock import sync
from tamiz.store.sqlite_read import DATABASE

PAGES = 1024
"""Pages per step, 4 MiB: between steps the copy can be broken off."""


def backup(folder: Path, target: Path) -> None:
    """Copy the store in `folder`, which may be in use, to the file `target`: all that was committed when it began.

    The file appears whole or not at all, readable by its owner only. StoreError where `target` is there already;
    StoreUnavailableError where the disk fails.
    """
    if target.exists():
        raise StoreError(reason=f"{target} is there already")
    address = f"{(folder / DATABASE).absolute().as_uri()}?mode=ro"
    unfinished = target.with_name(target.name + ".unfinished")
    with disk_faults(), _unless_renamed(unfinished):
        _new_private_file(unfinished)
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as source:
            # One snapshot for all steps: otherwise every commit in between would start the copy anew.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            with closing(sqlite3.connect(unfinished, isolation_level=None)) as copy:
                source.backup(copy, pages=PAGES)
                copy.execute("PRAGMA journal_mode = DELETE")
        _publish(unfinished, target)


def restore(source: Path, folder: Path) -> None:
    """Put a backup into a folder that has no store. StoreError where it has one, or where the backup is damaged."""
    target = folder / DATABASE
    if target.exists():
        raise StoreError(reason=f"{folder} has a store already; restore into an empty folder")
    problems = check(source)
    if problems:
        raise StoreError(reason=f"the backup {source} is damaged: {problems[0]}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = folder / f"{DATABASE}.unfinished"
    with disk_faults(), _unless_renamed(unfinished):
        _new_private_file(unfinished)
        shutil.copyfile(source, unfinished)
        _publish(unfinished, target)


def check(path: Path) -> list[str]:
    """What SQLite finds wrong with a database file: broken pages, indexes or references; nothing where it is sound."""
    if not path.is_file():
        return [f"there is no file {path}"]
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check").fetchall()]
            orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
            tables = connection.execute(
                "SELECT count(*) FROM sqlite_master WHERE name = 'tickets'"
            ).fetchone()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    problems = [line for line in found if line != "ok"]
    problems += [f"a row of {row[0]} has no {row[2]}" for row in orphans]
    return problems if tables[0] else [*problems, "it holds no tickets table"]


def _new_private_file(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))


@contextmanager
def _unless_renamed(path: Path) -> Iterator[None]:
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # where all went well it has another name by now


def _publish(unfinished: Path, target: Path) -> None:
    """Give a complete file its name, so that neither is lost in a power cut."""
    sync(unfinished)
    unfinished.rename(target)
    sync(target.parent)
