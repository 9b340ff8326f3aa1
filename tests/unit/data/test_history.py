"""How an export of solved tickets is read: what is kept, what is put aside and why, and which row is which."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tamiz.domain.errors import ConfigError, DataError
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.lab.history import Aside, History, read_history, write_aside
from tamiz.service.backfill import MOST_TEXT

TAXONOMY = default_taxonomy()
ONE, TWO = TAXONOMY.field("category").keys[:2]
HEAD = ["Number", "Opened at", "Short description", "Description", "Category", "Urgency"]
ROWS = [
    ["INC1", "2025-01-02 08:00", "VPN", "It drops every hour since this morning", ONE, "High"],
    ["INC2", "2025-01-03 09:30", "Printer", "It is jammed again and nobody helps", TWO, "3 - Low"],
    ["INC3", "2025-01-04 10:00", "Mail", "The mailbox is full and I cannot send", ONE, "Medium"],
    ["INC4", "2025-01-05 11:00", "Phone", "The telephone on my desk has no sound", TWO, "High"],
]


def written(path: Path, rows=ROWS, head=HEAD) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def read(path: Path, **choices: str) -> History:
    return read_history(path, TAXONOMY, choices)


def reasons(history: History) -> list[tuple[int, str, bool]]:
    return [(one.line, one.reason, one.kept) for one in history.aside]


def test_rows_become_tickets_with_the_taxonomys_labels(tmp_path) -> None:
    found = read(written(tmp_path / "a.csv"))
    assert [one.id for one in found.tickets] == ["INC1", "INC2", "INC3", "INC4"]
    first, second = found.tickets[:2]
    assert (first.subject, first.body) == ("VPN", "It drops every hour since this morning")
    assert second.values == {"category": TWO, "urgency": "Low"}
    assert first.at.isoformat() == "2025-01-02T08:00:00+00:00"
    assert (found.rows, found.repeated, found.aside) == (4, 0, [])
    assert found.labels == {"category": 4, "urgency": 4}
    assert "id: Number; time: Opened at; subject: Short description" in found.columns


def test_what_cannot_be_used_is_put_aside_with_its_reason(tmp_path) -> None:
    more = [
        ["INC5", "soon", "VPN", "x", "Gardening", "High"],
        ["INC6", "2025-01-06", "VPN", "y", "Gardening", ""],
        ["INC7", "2025-01-06", "", "", ONE, ""],
        ["INC8", "2025-01-06", "VPN", "z", "", ""],
        ["INC1", *ROWS[0][1:]],
        ["INC2", "2025-01-06", "Printer", "Another one", TWO, ""],
        ["I" * 201, "2025-01-06", "VPN", "z", ONE, ""],
        ["INC9", "2025-01-06", "VPN", "x" * (MOST_TEXT + 1), ONE, ""],
        ["INC10", "2025-01-06", "VPN", "z", ONE],
    ]
    found = read(written(tmp_path / "a.csv", [*ROWS, *more]))
    assert [one.id for one in found.tickets][4:] == ["INC5"]
    assert found.tickets[4].values == {"urgency": "High"}
    assert (found.rows, found.repeated) == (13, 1)
    told = reasons(found)
    assert told == [
        (6, "'Gardening' is no value of category", True),
        (7, "has no label that the taxonomy knows (category 'Gardening')", False),
        (8, "has no text", False),
        (9, "has no label", False),
        (11, "id 'INC2' stands in line 3 already, with another content", False),
        (12, "its id is empty, longer than 200 characters or not printable", False),
        (13, f"its text takes {MOST_TEXT + 4:,} bytes; {MOST_TEXT:,} are the most", False),
        (14, "5 cells where the header has 6", False),
    ]
    assert json.loads(found.aside[0].row)["Number"] == "INC5"
    assert found.rows == len(found.tickets) + found.repeated + sum(not one.kept for one in found.aside)
    assert any("'Gardening' × 2" in note for note in found.notes)
    assert any("1 times in 'Opened at' could not be read" in note for note in found.notes)


def test_values_that_contradict_each_other_are_left_out(tmp_path) -> None:
    child = TAXONOMY.field("subcategory")
    strange = next(key for key in child.keys if key not in child.allowed(ONE))
    head = [*HEAD, "Subcategory"]
    rows = [[*row, child.allowed(row[4])[0]] for row in ROWS]
    rows[0][6] = strange
    found = read(written(tmp_path / "a.csv", rows, head))
    assert "subcategory" not in found.tickets[0].values
    assert reasons(found) == [(2, f"'{strange}' is no value of subcategory below category '{ONE}'", True)]


def test_without_ids_a_row_is_known_by_what_it_says_wherever_it_stands(tmp_path) -> None:
    head, rows = HEAD[1:], [row[1:] for row in ROWS]
    first = read(written(tmp_path / "a.csv", [*rows, rows[0]], head))
    grown = read(
        written(tmp_path / "b.csv", [rows[0], ["2026-01-01", "New", "A new one", ONE, ""], *rows], head)
    )
    ids = [one.id for one in first.tickets]
    assert len(set(ids)) == 5
    assert set(ids) < {one.id for one in grown.tickets}
    objects = [dict(zip(head, row, strict=True)) for row in rows]
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, objects)), "utf-8")
    assert [one.id for one in read(tmp_path / "c.jsonl").tickets] == ids[:4]


def test_a_column_that_counts_rows_names_no_ticket(tmp_path) -> None:
    head, rows = ["Row", *HEAD[1:]], [[str(n), *row[1:]] for n, row in enumerate(ROWS, 1)]
    path = written(tmp_path / "a.csv", rows, head)
    assert read(path).tickets[0].id.startswith("row-")
    assert read(path, Row="id").tickets[0].id == "1"


def test_the_column_that_a_person_names_is_the_one(tmp_path) -> None:
    head, rows = [*HEAD, "Really"], [[*row, TWO] for row in ROWS]
    path = written(tmp_path / "a.csv", rows, head)
    assert {one.values["category"] for one in read(path, Really="category").tickets} == {TWO}
    assert "category" not in read(path, Category="ignore", Really="ignore").labels


def test_an_encoding_that_was_guessed_is_told(tmp_path) -> None:
    rows = [["INC9", "2025-01-06", "Teléfono", "No suena el teléfono de mi mesa", ONE, "High"], *ROWS]
    path = written(tmp_path / "a.csv", rows)
    path.write_bytes(path.read_text("utf-8").encode("cp1252"))
    found = read(path)
    assert found.tickets[0].subject == "Teléfono"
    assert any("read as " in note and "UTF-8" in note for note in found.notes)
    path.write_bytes(written(path, rows).read_bytes().replace("é".encode(), "\ufffd".encode()))
    assert any("1 rows have letters that cannot be read" in note for note in read(path).notes)


WRONG = [
    ("nothing.csv", None, "cannot be read"),
    ("empty.csv", b"", "the file is empty"),
    ("head.csv", b"Number,Description,Category\n", "no row"),
    ("page.csv", b"<!doctype html><html>x</html>", "is a web page"),
    ("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Save it as .xlsx"),
    ("picture.csv", b"\x89PNG\r\n\x1a\n", "is a picture"),
    ("numbers.csv", b"a,b\n1,2\n3,4\n", "no column holds text"),
    ("unlabelled.csv", b"Description,Owner\nIt drops,ana\nIt jams,eva\n", "no column labels a field of"),
]


@pytest.mark.parametrize(("name", "content", "told"), WRONG, ids=[case[0] for case in WRONG])
def test_a_file_that_is_none_says_what_to_do(tmp_path, name, content, told) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=told):
        read(path)


def test_a_role_that_there_is_not_is_told(tmp_path) -> None:
    path = written(tmp_path / "a.csv")
    with pytest.raises(ConfigError, match="there is no 'categry', but: subject"):
        read(path, Category="categry")
    with pytest.raises(DataError, match="has no column 'Nope'"):
        read(path, Nope="category")


def test_what_is_put_aside_is_written_at_once_and_holds_no_formula(tmp_path) -> None:
    path = tmp_path / "aside.csv"
    aside = [Aside(3, "5 cells", json.dumps('=cmd|" /C calc"!A0')), Aside(4, "no", '{"a": "b"}', kept=True)]
    assert write_aside(aside, path) == 2
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["line", "imported", "reason", "row"]
    assert [row[:3] for row in rows[1:]] == [["3", "no", "5 cells"], ["4", "yes", "no"]]
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    assert json.loads(rows[1][3]).startswith("=cmd")
    assert [one.name for one in tmp_path.iterdir()] == ["aside.csv"]
    with pytest.raises(ConfigError, match=r"cannot be written.*Name a file that can with --aside"):
        write_aside(aside, path / "below")
