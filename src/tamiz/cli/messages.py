"""What people hand to `tamiz triage`, as messages with ids."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tamiz.cli.console import err
from tamiz.domain.errors import DataError
from tamiz.domain.ticket import RawMessage
from tamiz.lab.data.mapping import detect
from tamiz.lab.data.readers import read_table

TABLES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".xlsx", ".parquet"})
_MEDIA = {".eml": "message/rfc822", ".html": "text/html", ".htm": "text/html"}


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message and the id that its result carries."""

    id: str
    message: RawMessage


def from_argument(text: str) -> list[Incoming]:
    """One ticket from the command line. DataError where it looks like the name of a file that is not there."""
    if " " not in text and Path(text).suffix.lower() in TABLES | _MEDIA.keys():
        raise DataError(
            path=text, mistake="there is no such file. Check the path, or pass the ticket's text in quotes"
        )
    return [Incoming("1", RawMessage("", text))]


def from_stdin(data: bytes, lines: bool) -> list[Incoming]:
    """A pipe: a whole text or mail, or one ticket per line."""
    return _from_text(data.decode("utf-8", "replace"), lines, _media_of(data))


def from_file(path: Path, lines: bool) -> list[Incoming]:
    """A file by its ending; tables need a text column (found by its header)."""
    if path.suffix.lower() in TABLES:
        return _from_table(path)
    data = path.read_bytes()
    return _from_text(
        data.decode("utf-8", "replace"), lines, _MEDIA.get(path.suffix.lower(), _media_of(data))
    )


def _media_of(data: bytes) -> str:
    head = data[:400].lstrip().lower()
    if head.startswith(
        (b"received:", b"from:", b"return-path:", b"mime-version:", b"delivered-to:", b"message-id:")
    ):
        return "message/rfc822"
    return "text/html" if head.startswith((b"<!doctype html", b"<html")) else "text/plain"


def _from_text(text: str, lines: bool, media_type: str) -> list[Incoming]:
    if not lines:
        return [Incoming("1", RawMessage("", text, media_type))]
    kept = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    return [Incoming(str(number), RawMessage("", line)) for number, line in kept]


def _from_table(path: Path) -> list[Incoming]:
    table = read_table(path)
    mapping = detect(table)
    incoming = []
    for number, row in enumerate(table.rows, 1):
        subject = row.cells.get(mapping.subject, "") if mapping.subject else ""
        body = row.cells.get(mapping.body, "") if mapping.body else ""
        name = row.cells.get(mapping.id, "") if mapping.id else ""
        incoming.append(Incoming(name or str(number), RawMessage(subject, body)))
    if table.rejected:
        lines = ", ".join(str(rejected.line) for rejected in table.rejected[:5])
        err.print(
            f"{path}: {len(table.rejected)} rows could not be read and were left out (lines {lines}…)",
            style="yellow",
        )
    return incoming
