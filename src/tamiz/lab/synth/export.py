"""Generated tickets as files: CSV (one column per field) and JSON Lines, with the same columns."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

from tamiz.lab.synth.generate import SynthTicket


def record(ticket: SynthTicket) -> dict[str, str | None]:
    """The ticket as one flat row: id, subject, body, the choice fields, summary, and where it comes from."""
    return {
        "id": ticket.id,
        "subject": ticket.subject,
        "body": ticket.body,
        **ticket.labels,
        "summary": ticket.summary,
        "language": ticket.language,
        "channel": ticket.channel,
        "scenario": ticket.scenario,
        "abstain": ticket.abstain,
        "split": ticket.split_group,
    }


def write_csv(rows: Iterable[SynthTicket], path: str | Path) -> int:
    """Write a UTF-8 CSV file with a header; a field that does not apply is an empty cell. Returns the row count."""
    count = 0
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for count, ticket in enumerate(rows, start=1):
            flat = record(ticket)
            if count == 1:
                writer.writerow(flat)
            writer.writerow("" if value is None else value for value in flat.values())
    return count


def write_jsonl(rows: Iterable[SynthTicket], path: str | Path) -> int:
    """Write one JSON object a line; a field that does not apply is null. Returns the row count."""
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        return sum(bool(file.write(_json_line(ticket))) for ticket in rows)


def _json_line(ticket: SynthTicket) -> str:
    return json.dumps(record(ticket), ensure_ascii=False) + "\n"
