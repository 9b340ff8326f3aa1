"""Delimited text (CSV, TSV and their relatives): encoding, delimiter and records, as desks really export them."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from tamiz.lab.data.table import Record, width_of

DELIMITERS = (",", ";", "\t", "|")
ONE_COLUMN = "\x1f"
"""The delimiter of a file without one: a character that text does not hold."""
SAMPLE_LINES = 400
LONG_SPAN = 200
RETRIES = 200
"""How often a quote that swallows more than LONG_SPAN lines is given up for its first line alone; bounds the cost."""
MAX_CELL = 2**31 - 1

_REPLACEMENT = "\ufffd"
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def decode(data: bytes) -> tuple[str, str]:
    """Text and the encoding that it was read in; never fails.

    A byte order mark decides; then UTF-8; then UTF-16 without a mark; then Windows-1252, line by line where other
    lines are UTF-8 (exports that were glued together), and Latin-1 for bytes that Windows-1252 leaves undefined.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, "replace"), encoding
    wide = _wide_encoding(data[:4096])
    if wide:
        return data.decode(wide, "replace"), wide
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return _decode_lines(data)


def find_delimiter(text: str) -> str:
    """The delimiter whose records agree best on a number of cells greater than one.

    A comma where none does; ONE_COLUMN where the header names a single column, whatever its cells hold.
    """
    sample = [line for line in _lines(text[:400_000])[:SAMPLE_LINES] if line.strip()]
    declared = _SEPARATOR_LINE.fullmatch(sample[0]) if sample else None
    if declared:
        return declared[1]
    if sample and not any(delimiter in sample[0] for delimiter in DELIMITERS) and not _wide(sample):
        return ONE_COLUMN
    scored = [(_agreement(sample, delimiter), delimiter) for delimiter in DELIMITERS]
    best, delimiter = max(scored, key=lambda pair: pair[0])
    return delimiter if best > (0.0, 0) else ","


def parse(text: str, delimiter: str) -> Iterator[Record]:
    """The records of a text, header and all, each with its first line from 1.

    A quote that is never closed costs one row: reading resumes on the line after it.
    """
    csv.field_size_limit(MAX_CELL)
    lines = _lines(text)
    start = 1 if lines and _SEPARATOR_LINE.fullmatch(lines[0]) else 0
    known = [r for _, r in zip(range(SAMPLE_LINES), _records(lines, start, delimiter, 0), strict=False)]
    yield from _records(lines, start, delimiter, width_of(known) if known else 0)


def _records(lines: Sequence[str], start: int, delimiter: str, width: int) -> Iterator[Record]:
    """Strict parsing; whatever breaks it is read again leniently as one line. `width` 0: any number of cells."""
    retries = RETRIES
    while start < len(lines):
        reader = csv.reader(_from(lines, start), delimiter=delimiter, strict=True)
        begin = end = start
        problem = ""
        try:
            for cells in reader:
                begin, end = end, start + reader.line_num
                if width and end - begin > 1 and len(cells) != width:
                    problem = "a quote is never closed"
                    break
                yield Record(begin + 1, cells, "".join(lines[begin:end]))
            else:
                return
        except csv.Error as error:
            begin, end = end, start + reader.line_num
            problem = f"broken quotes ({error})"
        long = end - begin > LONG_SPAN
        retries -= long
        if long and retries < 0:
            yield Record(begin + 1, (), "".join(lines[begin:end]), problem)
            start = end
        else:
            yield _single(lines[begin], begin + 1, delimiter, width, problem)
            start = begin + 1


def _single(line: str, number: int, delimiter: str, width: int, problem: str) -> Record:
    cells = next(csv.reader([line], delimiter=delimiter), [])
    if width and len(cells) != width:
        return Record(number, (), line, problem)
    return Record(number, cells, line)


def _from(lines: Sequence[str], start: int) -> Iterator[str]:
    for index in range(start, len(lines)):
        yield lines[index]


def _lines(text: str) -> list[str]:
    # Universal line ends only: str.splitlines would also cut at form feeds and at U+2028 inside cells.
    return list(io.StringIO(text, newline=""))


def _agreement(sample: Sequence[str], delimiter: str) -> tuple[float, int]:
    widths = Counter(
        len(record.cells)
        for record in list(_records(sample, 0, delimiter, 0))[:SAMPLE_LINES]
        if any(record.cells)
    )
    total = sum(widths.values())
    wide = [(count, width) for width, count in widths.items() if width > 1]
    if not wide:
        return 0.0, 0
    count, width = max(wide)
    share = count / total
    return (share, width) if share >= 0.5 else (0.0, 0)


def _wide(sample: Sequence[str]) -> bool:
    """Whether a single-cell line is only a title above a table."""
    return any(_agreement(sample[1:], delimiter)[0] > 0.9 for delimiter in DELIMITERS)


def _wide_encoding(head: bytes) -> str:
    half = max(1, len(head) // 2)
    if head[1::2].count(0) > 0.4 * half and head[::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if head[::2].count(0) > 0.4 * half and head[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return ""


def _decode_lines(data: bytes) -> tuple[str, str]:
    out: list[str] = []
    utf8 = False
    for line in data.split(b"\n"):
        text = line.decode("utf-8", "replace")
        broken = text.count(_REPLACEMENT)
        sound = sum(ch > "\x7f" for ch in text) - broken if broken or not text.isascii() else 0
        # Few broken characters among sound ones are damage; nothing but broken ones is another encoding.
        utf8 = utf8 or sound > broken
        out.append(_western(line) if broken and sound <= broken else text)
    return "\n".join(out), "utf-8 and cp1252, line by line" if utf8 else "cp1252"


def _western(line: bytes) -> str:
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")
