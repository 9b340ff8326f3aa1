"""A table as read from a file: named columns, rows with their lines, and what had to be kept aside."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tamiz.domain.errors import DataError

HEADER_SEARCH = 20
"""Records among which the header is looked for: exports may open with a title and a date."""
PADDED_SHARE = 0.2
"""From this share of short rows on, the file simply leaves empty trailing cells out, and they are filled in."""
MAX_HEADER = 100

_NUMBER_OR_DATE = re.compile(r"[-+]?[\d.,:/ T-]{1,40}Z?")


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row: `line` is where it starts in the file (from 1), `cells` has every column of the table."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that could not be used: where it stands, why, and the row as it was."""

    line: int
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class Record:
    """One unnamed row as parsed. A `problem` means that no cells could be made out."""

    line: int
    cells: Sequence[str]
    raw: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """What a reader returns. `encoding` and `delimiter` are empty where the format has none."""

    columns: tuple[str, ...]
    rows: list[RawRow]
    rejected: list[Rejected] = field(default_factory=list)
    source: str = ""
    encoding: str = ""
    delimiter: str = ""

    def column(self, name: str) -> list[str]:
        """The cells of one column, in order; KeyError for an unknown column."""
        return [row.cells[name] for row in self.rows]

    def write_rejected(self, path: str | Path) -> int:
        """Write the rows kept aside as CSV (line, reason, raw); returns their count."""
        return write_rejected(self.rejected, path)


def write_rejected(rejected: Iterable[Rejected], path: str | Path) -> int:
    """Write rows kept aside as CSV (line, reason, raw), so that they can be mended; returns their count."""
    rows = [(row.line, row.reason, row.raw) for row in rejected]
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("line", "reason", "raw"), *rows])
    return len(rows)


def from_records(
    records: Iterable[Record], source: str, encoding: str = "", delimiter: str = "", pad: bool = False
) -> Table:
    """Find the header among the records and name every cell. `pad` fills short rows up without a word.

    Rows before the header and rows that do not fit it are kept aside. DataError when no row is left.
    """
    kept = [r for r in records if r.problem or any(cell.strip() for cell in r.cells)]
    rejected = [Rejected(r.line, r.problem, r.raw) for r in kept if r.problem]
    kept = [r for r in kept if not r.problem]
    if not kept:
        raise DataError(path=source, mistake="no row could be read. Export it again as CSV (UTF-8) or .xlsx")
    head = _header_index(kept)
    named = looks_like_header(kept[head].cells)
    rejected += [Rejected(r.line, "stands before the header", r.raw) for r in kept[:head]]
    columns = column_names(kept[head].cells if named else [""] * width_of(kept))
    body = kept[head + 1 :] if named else kept[head:]
    short = sum(len(r.cells) < len(columns) for r in body)
    pad = pad or short > PADDED_SHARE * len(body)
    rows = []
    for r in body:
        cells = _fitted(r.cells, len(columns), pad)
        if cells is None:
            reason = f"{len(r.cells)} cells where the header has {len(columns)}"
            rejected.append(Rejected(r.line, reason, r.raw))
        else:
            rows.append(RawRow(r.line, dict(zip(columns, map(clean, cells), strict=True))))
    if not rows:
        raise DataError(
            path=source, mistake=f"has a header ({', '.join(columns[:8])}) but no row that fits it"
        )
    return Table(columns, rows, sorted(rejected, key=lambda r: r.line), source, encoding, delimiter)


def width_of(records: Sequence[Record]) -> int:
    """The most usual number of cells among the first records."""
    return Counter(len(r.cells) for r in records[:200]).most_common(1)[0][0]


def clean(cell: str) -> str:
    """A cell with plain line ends, without NUL characters, lone surrogates, or space around it."""
    if "\r" in cell:
        cell = cell.replace("\r\n", "\n").replace("\r", "\n")
    cell = cell.replace("\0", "").strip()
    return cell if cell.isascii() else cell.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def column_names(header: Sequence[str]) -> tuple[str, ...]:
    """Unique names: an empty one becomes `column_3`, a repeated one gets a number."""
    names: list[str] = []
    for place, cell in enumerate(header, 1):
        name = base = " ".join(clean(cell).split()) or f"column_{place}"
        number = 2
        while name in names:
            name, number = f"{base}_{number}", number + 1
        names.append(name)
    return tuple(names)


def looks_like_header(cells: Sequence[str]) -> bool:
    """Whether a row can name columns: short cells, none of them a number or a date, none said twice."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    if [cell.strip() for cell in cells] == [str(i) for i in range(len(cells))] and len(cells) > 1:
        return True  # what data frames write when their columns have no names
    return all(len(cell) <= MAX_HEADER and not _NUMBER_OR_DATE.fullmatch(cell) for cell in filled)


def _header_index(records: Sequence[Record]) -> int:
    width = width_of(records)
    enough = max(2, (width + 1) // 2) if width > 1 else 1
    for index, record in enumerate(records[:HEADER_SEARCH]):
        if sum(bool(cell.strip()) for cell in record.cells) >= enough:
            return index
    return 0


def _fitted(cells: Sequence[str], width: int, pad: bool) -> Sequence[str] | None:
    if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
        return cells[:width]
    if len(cells) < width and pad:
        return [*cells, *[""] * (width - len(cells))]
    return cells if len(cells) == width else None
