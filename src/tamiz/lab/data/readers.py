"""Readers: a CSV, TSV, JSON Lines, JSON, Excel or Parquet file → `Table`.

The kind of file is told by its first bytes before its name, since exports are often misnamed. CSV and JSON need no
optional package; Excel and Parquet belong to the extra `train`.
"""

from __future__ import annotations

import json
import math
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from tamiz.domain.errors import DataError, MissingExtraError
from tamiz.lab.data.delimited import ONE_COLUMN, decode, find_delimiter, parse
from tamiz.lab.data.table import RawRow, Record, Rejected, Table, clean, column_names, from_records

MAX_DEPTH = 4
"""Nested JSON objects become dotted columns down to this depth; what lies deeper stays JSON text."""
MAX_RAW = 10_000

_UNREADABLE = {
    b"\xd0\xcf\x11\xe0": "is an old Excel file (.xls). Save it as .xlsx or CSV",
    b"\x1f\x8b": "is compressed (gzip). Unpack it first",
    b"%PDF": "is a PDF. Export the tickets as CSV",
    b"\x89PNG": "is a picture. Export the tickets as CSV",
}
_JSON_ENDINGS = frozenset((".json", ".jsonl", ".ndjson"))
_RECORD_KEYS = ("records", "result", "results", "rows", "data", "items", "issues", "tickets", "value")


def read_table(path: str | Path, sheet: str = "") -> Table:
    """Read a table from a file; `sheet` names an Excel sheet (the first one with rows otherwise).

    Raises DataError (with what to do) for a file that is missing, empty, or not a table; MissingExtraError where
    Excel or Parquet needs an absent package.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise DataError(path=path, mistake=f"cannot be read ({error.strerror}). Check the path") from error
    if not head:
        raise DataError(path=path, mistake="the file is empty. Export it again")
    for mark, mistake in _UNREADABLE.items():
        if head.startswith(mark):
            raise DataError(path=path, mistake=mistake)
    if head.startswith(b"PK"):
        return _read_excel(path, sheet)
    if head.startswith(b"PAR1"):
        return _read_parquet(path)
    return _read_text(path)


def _read_text(path: Path) -> Table:
    text, encoding = decode(path.read_bytes())
    text = text.replace("\0", "")
    start = text[:200].lstrip("\ufeff \t\r\n").lower()
    if not text.strip():
        raise DataError(path=path, mistake="the file holds no text. Export it again")
    if start.startswith(("<!doctype html", "<html", "<table", "<?xml")):
        raise DataError(path=path, mistake="is a web page or XML, not a table. Export it as CSV or .xlsx")
    head = text[:4096]
    if sum(ch < " " and ch not in "\t\r\n\f\x1b" for ch in head) > 0.05 * len(head):
        raise DataError(path=path, mistake="does not look like text. Export it as CSV (UTF-8) or .xlsx")
    if path.suffix.lower() in _JSON_ENDINGS or start.startswith(('{"', '[{"')):
        return _read_json(text, path, encoding)
    delimiter = find_delimiter(text)
    shown = "" if delimiter == ONE_COLUMN else delimiter
    return from_records(parse(text, delimiter), str(path), encoding, shown)


def _read_json(text: str, path: Path, encoding: str) -> Table:
    """JSON Lines, or one JSON document that holds a list of objects."""
    objects: list[tuple[int, dict[str, str]]] = []
    rejected: list[Rejected] = []
    for number, value, mistake, raw in _json_values(text):
        if isinstance(value, dict):
            objects.append((number, flatten(value)))
        else:
            rejected.append(Rejected(number, mistake or "is not a JSON object", raw))
    if not objects:
        raise DataError(path=path, mistake="holds no JSON object. Write one object per line")
    return _from_objects(objects, rejected, str(path), encoding)


def _json_values(text: str) -> Iterator[tuple[int, object, str, str]]:
    """(line, value, what is wrong, raw) of every entry; in one JSON document the place stands for the line."""
    text = text.lstrip("\ufeff")
    document = _document(text)
    if document is not None:
        for place, value in enumerate(document, 1):
            raw = "" if isinstance(value, dict) else json.dumps(value, ensure_ascii=False)[:MAX_RAW]
            yield place, value, "", raw
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, *_loads(line), line[:MAX_RAW]


def _document(text: str) -> list[Any] | None:
    """The records of a text that is one JSON document; None for JSON Lines."""
    first, _, rest = text.strip().partition("\n")
    if rest and not first.startswith("[") and not _loads(first)[1]:
        return None
    value, mistake = _loads(text)
    if isinstance(value, dict) and not mistake:
        return next((value[key] for key in _RECORD_KEYS if isinstance(value.get(key), list)), [value])
    return value if isinstance(value, list) else None


def _loads(text: str) -> tuple[Any, str]:
    try:
        return json.loads(text), ""
    except (ValueError, RecursionError) as error:
        return None, f"is not valid JSON ({error})"


def flatten(value: Mapping[str, Any], prefix: str = "", depth: int = 1) -> dict[str, str]:
    """A JSON object as flat cells: nested objects become dotted names, lists of plain values a comma list."""
    cells: dict[str, str] = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, dict) and depth < MAX_DEPTH:
            cells.update(flatten(item, f"{name}.", depth + 1))
        else:
            cells[name] = cell_text(item)
    return cells


def cell_text(value: object) -> str:
    """Any cell value as text: numbers without a needless `.0`, moments in ISO 8601, nothing for null and NaN."""
    if isinstance(value, str):
        return clean(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return clean(decode(value)[0])
    if isinstance(value, list | tuple) and all(not isinstance(item, list | dict) for item in value):
        return ", ".join(cell_text(item) for item in value)
    if isinstance(value, list | tuple | dict):
        return clean(json.dumps(value, ensure_ascii=False, default=str))
    return clean(str(value))


def _from_objects(
    objects: Sequence[tuple[int, Mapping[str, str]]],
    rejected: list[Rejected],
    source: str,
    encoding: str = "",
) -> Table:
    keys = list(dict.fromkeys(key for _, cells in objects for key in cells))
    columns = column_names(keys)
    rows = [
        RawRow(line, {name: cells.get(key, "") for name, key in zip(columns, keys, strict=True)})
        for line, cells in objects
    ]
    return Table(columns, rows, rejected, source, encoding)


def _read_excel(path: Path, sheet: str) -> Table:
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError as error:
        raise MissingExtraError(extra="train", package="openpyxl") from error
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter(
                "ignore"
            )  # openpyxl warns about styles and validations that do not matter here
            book = load_workbook(file, read_only=True, data_only=True)
            if sheet and sheet not in book.sheetnames:
                known = ", ".join(book.sheetnames)
                raise DataError(path=path, mistake=f"has no sheet '{sheet}'. Its sheets are: {known}")
            sheets = (_sheet_records(book[name]) for name in ([sheet] if sheet else book.sheetnames))
            records = next((found for found in sheets if len(found) > 1), [])
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        mistake = f"cannot be read as Excel ({error}). Save it as .xlsx or CSV"
        raise DataError(path=path, mistake=mistake) from error
    if not records:
        raise DataError(path=path, mistake="no sheet has a header and a row below it")
    return from_records(records, str(path), pad=True)


def _sheet_records(sheet: Any) -> list[Record]:
    if not hasattr(sheet, "iter_rows"):  # a sheet that only holds a chart
        return []
    sheet.reset_dimensions()  # several exporters write a wrong size
    records = []
    for line, values in enumerate(sheet.iter_rows(values_only=True), 1):
        cells = [cell_text(value) for value in values]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            records.append(Record(line, cells, "\t".join(cells)[:MAX_RAW]))
    return records


def _read_parquet(path: Path) -> Table:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError(extra="train", package="pyarrow") from error
    try:
        with parquet.ParquetFile(path) as file:
            rows = (row for batch in file.iter_batches(1000) for row in batch.to_pylist())
            objects = [(line, flatten(row)) for line, row in enumerate(rows, 1)]
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(path=path, mistake=f"cannot be read as Parquet ({reason})") from error
    if not objects:
        raise DataError(path=path, mistake="holds no row")
    return _from_objects(objects, [], str(path))
