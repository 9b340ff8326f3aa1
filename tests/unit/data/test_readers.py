from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tamiz.domain.errors import DataError
from tamiz.lab.data.delimited import decode, find_delimiter
from tamiz.lab.data.readers import read_table

ROWS = [
    ("asunto", "descripción"),
    ("Impresora", "No imprime, señor; mañana"),
    ("VPN", 'dice "error"\notra vez'),
]


def written(tmp_path: Path, data: bytes, name: str = "tickets.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def as_csv(delimiter: str, rows: list[tuple[str, ...]] = ROWS) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]
)
def test_delimiters_and_encodings_are_found(tmp_path: Path, delimiter: str, encoding: str) -> None:
    table = read_table(written(tmp_path, as_csv(delimiter).encode(encoding)))
    assert table.columns == ROWS[0]
    assert [tuple(row.cells.values()) for row in table.rows] == ROWS[1:]
    assert [row.line for row in table.rows] == [2, 3]
    assert table.delimiter == delimiter
    assert not table.rejected


@pytest.mark.parametrize(
    "text, columns, rows, rejected",
    [
        pytest.param("a,b\n1 x,2 y,extra\n3,4\n", ("a", "b"), [(3, "3", "4")], [2], id="too many cells"),
        pytest.param("a,b\n1,2,,\n", ("a", "b"), [(2, "1", "2")], [], id="empty extra cells are harmless"),
        pytest.param(
            "a,b,c\nx,y,z\n" * 1 + "p,q,r\n" * 8 + "1,2\n", ("a", "b", "c"), None, [11], id="too few cells"
        ),
        pytest.param(
            "a,b,c\nx,y\np,q\n",
            ("a", "b", "c"),
            [(2, "x", "y", ""), (3, "p", "q", "")],
            [],
            id="short as a rule",
        ),
        pytest.param("a,a,\nx,y,z\n", ("a", "a_2", "column_3"), [(2, "x", "y", "z")], [], id="odd header"),
        pytest.param(
            'a,b\nx,"y\nz"\n\n\np,q\n', ("a", "b"), [(2, "x", "y\nz"), (6, "p", "q")], [], id="lines"
        ),
        pytest.param(
            "a,b\r\nx,y\rp,q\n", ("a", "b"), [(2, "x", "y"), (3, "p", "q")], [], id="mixed line ends"
        ),
        pytest.param("sep=;\na;b\nx;y\n", ("a", "b"), [(3, "x", "y")], [], id="Excel's separator line"),
        pytest.param("a,b\nx,\0y\n", ("a", "b"), [(2, "x", "y")], [], id="NUL"),
        pytest.param(
            "Report\n\na,b,c\nx,y,z\np,q,r\n", ("a", "b", "c"), None, [1], id="title above the header"
        ),
        pytest.param(
            "text\nhello, world\nbye\n", ("text",), [(2, "hello, world"), (3, "bye")], [], id="one column"
        ),
        pytest.param('a,b\nx,"never closed\np,q\nr,s\n', ("a", "b"), None, [], id="a quote never closed"),
        pytest.param('a,b\nx,"he said "hi" to me"\np,q\n', ("a", "b"), None, [], id="quotes inside quotes"),
        pytest.param(
            "3,hello there,x\n4,good bye,y\n", ("column_1", "column_2", "column_3"), None, [], id="no header"
        ),
    ],
)
def test_odd_rows_are_read_or_kept_aside(
    tmp_path: Path,
    text: str,
    columns: tuple[str, ...],
    rows: list[tuple[object, ...]] | None,
    rejected: list[int],
) -> None:
    table = read_table(written(tmp_path, text.encode()))
    assert table.columns == columns
    assert [row.line for row in table.rejected] == rejected
    if rows is not None:
        assert [(row.line, *row.cells.values()) for row in table.rows] == rows
    assert all(row.cells.keys() == set(columns) for row in table.rows)


def test_an_unclosed_quote_costs_no_other_row(tmp_path: Path) -> None:
    text = "id,text\n" + '1,"broken\n' + "".join(f'{i},"fine, as ever"\n' for i in range(2, 50))
    table = read_table(written(tmp_path, text.encode()))
    assert [row.cells["id"] for row in table.rows] == [str(i) for i in range(1, 50)]
    assert {row.cells["text"] for row in table.rows[1:]} == {"fine, as ever"}


def test_many_unclosed_quotes_are_read_in_linear_time(tmp_path: Path) -> None:
    text = "id,text\n" + '1,"broken\n2,x,y\n' * 20_000
    table = read_table(written(tmp_path, text.encode()))
    assert len(table.rows) + len(table.rejected) > 10_000


def test_rejected_rows_are_written_with_line_and_reason(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, b"a,b\n1 x,2,3\nx,y\n"))
    assert table.write_rejected(tmp_path / "aside.csv") == 1
    rows = list(csv.reader(io.StringIO((tmp_path / "aside.csv").read_text("utf-8"))))
    assert rows == [["line", "reason", "raw"], ["2", "3 cells where the header has 2", "1 x,2,3\n"]]


def test_lines_in_two_encodings_are_both_read() -> None:
    text, encoding = decode("año\n".encode() + "mañana\n".encode("cp1252"))
    assert text == "año\nmañana\n"
    assert "cp1252" in encoding


def test_huge_cells_are_read(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, f"id,body\n1,{'x' * 300_000}\n".encode()))
    assert len(table.rows[0].cells["body"]) == 300_000


@pytest.mark.parametrize(
    "data, name, said",
    [
        (b"", "t.csv", "empty"),
        (b" \n \n", "t.csv", "no text"),
        (b"a,b\n", "t.csv", "no row"),
        (b"\xd0\xcf\x11\xe0rest", "t.xls", ".xlsx"),
        (b"<html><table></table>", "t.xls", "web page"),
        (b"\x1f\x8brest", "t.csv.gz", "Unpack"),
        (bytes(range(1, 32)) * 30, "t.csv", "not look like text"),
        (b"[1, 2]", "t.json", "no JSON object"),
        (b"PK\x03\x04rest", "t.xlsx", "Excel"),
        (b"PAR1rest", "t.parquet", "Parquet"),
    ],
)
def test_files_that_hold_no_table_say_what_to_do(tmp_path: Path, data: bytes, name: str, said: str) -> None:
    if name.endswith((".xlsx", ".parquet")):
        pytest.importorskip(
            "openpyxl" if name.endswith("x") else "pyarrow", reason="comes with the extra 'train'"
        )
    with pytest.raises(DataError, match=said):
        read_table(written(tmp_path, data, name))


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    "text, expected, rejected",
    [
        pytest.param(
            '{"a": "x"}\n{"b": 2.0}\n', [{"a": "x", "b": ""}, {"a": "", "b": "2"}], [], id="union of keys"
        ),
        pytest.param('{"a": "x"}\n{oops\n3\n', [{"a": "x"}], [2, 3], id="bad lines kept aside"),
        pytest.param(
            '{"f": {"s": {"t": "x"}}, "l": ["a", 1]}', [{"f.s.t": "x", "l": "a, 1"}], [], id="nested"
        ),
        pytest.param('[{"a": null},\n {"a": true}]', [{"a": ""}, {"a": "true"}], [], id="one list"),
        pytest.param(
            '{"records": [{"a": "x"}, {"a": "y"}]}', [{"a": "x"}, {"a": "y"}], [], id="records inside"
        ),
        pytest.param('{\n "result": [{"a": "x"}]\n}', [{"a": "x"}], [], id="pretty-printed document"),
        pytest.param('{"a": "\\ud800x"}\n', [{"a": "\ufffdx"}], [], id="lone surrogate"),
        pytest.param("[" * 100_000 + '\n{"a": "x"}\n', [{"a": "x"}], [1], id="too deep"),
    ],
)
def test_json_is_read(tmp_path: Path, text: str, expected: list[dict[str, str]], rejected: list[int]) -> None:
    table = read_table(written(tmp_path, text.encode(), "t.jsonl"))
    assert [dict(row.cells) for row in table.rows] == expected
    assert [row.line for row in table.rejected] == rejected


def test_excel_round_trip_skips_the_title_and_empty_sheets(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl comes with the extra 'train'")
    book = openpyxl.Workbook()
    sheet = book.create_sheet("tickets")
    for row in [["Export of May"], [], ["asunto", "n", "x"], ["VPN", 3.0, None], ["Señal\nmala", 2.5, "z"]]:
        sheet.append(row)
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert [tuple(row.cells.values()) for row in table.rows] == [
        ("VPN", "3", ""),
        ("Señal\nmala", "2.5", "z"),
    ]
    assert [row.line for row in table.rows] == [4, 5]
    assert [row.reason for row in table.rejected] == ["stands before the header"]
    with pytest.raises(DataError, match="no sheet 'other'"):
        read_table(tmp_path / "t.xlsx", sheet="other")


def test_parquet_round_trip(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow comes with the extra 'train'")
    from pyarrow import parquet

    parquet.write_table(pa.table({"text": ["añil", None], "n": [1, 2]}), tmp_path / "t.bin")
    table = read_table(tmp_path / "t.bin")
    assert [dict(row.cells) for row in table.rows] == [{"text": "añil", "n": "1"}, {"text": "", "n": "2"}]


cells = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\"',;|"), max_size=30)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(cells, cells, cells), min_size=3, max_size=12))
def test_what_csv_writes_is_read_back(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    out = io.StringIO()
    header, rows = ("subject", "body", "category"), [("VPN", "is down", "Network"), *rows]
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    table = read_table(written(tmp_path, out.getvalue().encode()))
    expected = [tuple(c.strip() for c in row) for row in rows if any(c.strip() for c in row)]
    assert [tuple(row.cells.values()) for row in table.rows] == expected
    assert table.columns == header


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_decoded(data: bytes) -> None:
    text, _ = decode(data)
    assert isinstance(find_delimiter(text), str)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=300), st.sampled_from([".csv", ".jsonl"]))
def test_any_file_is_a_table_or_a_clear_error(tmp_path: Path, data: bytes, ending: str) -> None:
    try:
        table = read_table(written(tmp_path, data, f"t{ending}"))
    except DataError:
        return
    assert table.rows
    json.dumps([dict(row.cells) for row in table.rows]).encode()
