"""The control: an import that notes its place in a file of its own, as scripts do. Between a commit and the next note lies
what a kill makes it append twice; a harness in which it doubles nothing is worth nothing.

Run: python -m tests.chaos.backfill_naive TABLE DATABASE
"""

from __future__ import annotations

import csv
import sqlite3
import sys
from itertools import islice
from pathlib import Path
from time import sleep

NOTED = 5
"""Commits from one note to the next."""
ROWS = 100


def main(table: Path, database: Path) -> None:
    """Append what the note says is not there yet."""
    note = database.with_suffix(".place")
    done = int(note.read_text()) if note.exists() else 0
    file = sqlite3.connect(database, isolation_level=None)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = FULL")
    file.execute("CREATE TABLE IF NOT EXISTS tickets (external_id TEXT, body TEXT)")
    with table.open(encoding="utf-8", newline="") as lines:
        reader = csv.reader(lines)
        next(reader)
        rest, commits = islice(reader, done, None), 0
        while chunk := list(islice(rest, ROWS)):
            sleep(0.01)  # the work of reading a hundred tickets
            file.execute("BEGIN")
            file.executemany("INSERT INTO tickets VALUES (?, ?)", [(row[0], row[2]) for row in chunk])
            file.execute("COMMIT")
            done, commits = done + len(chunk), commits + 1
            if commits % NOTED == 0:
                note.write_text(str(done))
    file.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
