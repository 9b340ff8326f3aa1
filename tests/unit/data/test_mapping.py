from __future__ import annotations

from collections.abc import Sequence

import pytest

from tamiz.domain.errors import DataError
from tamiz.lab.data.headers import fold_header
from tamiz.lab.data.mapping import detect
from tamiz.lab.data.table import RawRow, Table
from tamiz.lab.data.times import parse_times

COUNT = 40
TOPICS = ("Network", "Hardware", "Access")


def cell(kind: str, i: int) -> str:
    """A plausible cell: the kind of column says what it looks like."""
    return {
        "text": f"since morning number {i} the printer on floor {i * 7} does not print my report",
        "short": f"printer {i} broken",
        "label": TOPICS[i % 3],
        "code": str(i % 3),
        "id": f"INC{i:05d}",
        "number": str(1000 + i),
        "time": f"2024-05-{i % 28 + 1:02d} 10:{i:02d}:00",
        "constant": "Acme",
        "person": f"Ana {i}",
        "bool": "true" if i % 2 else "false",
        "lang": "es" if i % 2 else "en",
        "empty": "",
    }[kind]


def table(columns: dict[str, str], count: int = COUNT) -> Table:
    rows = [RawRow(i + 2, {name: cell(kind, i) for name, kind in columns.items()}) for i in range(count)]
    return Table(tuple(columns), rows, source="t.csv")


@pytest.mark.parametrize(
    "columns, expected",
    [
        pytest.param(
            {
                "Number": "id", "Opened": "time", "Short description": "short", "Description": "text",
                "Assignment group": "label", "Priority": "code", "Caller": "person", "State": "label",
            },
            {"id": "Number", "time": "Opened", "subject": "Short description", "body": "Description",
             "labels": ("Assignment group", "Priority")},
            id="ServiceNow",
        ),
        pytest.param(
            {"Nº": "id", "Fecha de apertura": "time", "Asunto": "short", "Descripción": "text", "Categoría": "label",
             "Prioridad": "code", "Idioma": "lang"},
            {"subject": "Asunto", "body": "Descripción", "time": "Fecha de apertura", "language": "Idioma",
             "labels": ("Categoría", "Prioridad")},
            id="Spanish",
        ),
        pytest.param(
            {"Issue key": "id", "Issue Type": "label", "Summary": "short", "description": "text", "Created": "time"},
            {"id": "Issue key", "subject": "Summary", "body": "description", "labels": ("Issue Type",)},
            id="Jira",
        ),
        pytest.param(
            {"Betreff": "short", "Beschreibung": "text", "Kategorie": "label", "Erstellt am": "time"},
            {"subject": "Betreff", "body": "Beschreibung", "labels": ("Kategorie",), "time": "Erstellt am"},
            id="German",
        ),
        pytest.param(
            {"row": "number", "Document": "text", "Topic_group": "label"},
            {"id": "row", "body": "Document", "labels": ("Topic_group",)},
            id="a data set",
        ),
        pytest.param(
            {"x1": "text", "x2": "label", "x3": "number", "x4": "constant", "x5": "bool", "x6": "time", "x7": "code"},
            {"body": "x1", "labels": ("x2",)},
            id="by content alone",
        ),
        pytest.param(
            {"customMessageText": "text", "ticketCategory": "label"},
            {"body": "customMessageText", "labels": ("ticketCategory",)},
            id="camel case",
        ),
        pytest.param(
            {"utterance": "short", "label": "code"}, {"body": "utterance", "labels": ("label",)}, id="numeric classes"
        ),
        pytest.param(
            {"id": "id", "subject": "short", "body": "text", "category": "constant", "abstain": "empty", "scenario": "id"},
            {"labels": (), "group": "scenario"},
            id="a constant column is no label",
        ),
        pytest.param(
            {"Description": "text", "Resolution": "text", "Category": "label", "Close code": "label"},
            {"body": "Description", "labels": ("Category",)},
            id="what was known only afterwards stays out",
        ),
        pytest.param(
            {"text": "text", "label": "label", "repo": "label"},
            {"labels": ("label",), "candidates": ("repo",)},
            id="candidates are named",
        ),
    ],
)  # fmt: skip
def test_columns_are_recognised(columns: dict[str, str], expected: dict[str, object]) -> None:
    mapping = detect(table(columns))
    assert {key: getattr(mapping, key) for key in expected} == expected


def test_choices_override_what_was_found() -> None:
    source = table({"Description": "text", "Notes": "text", "Category": "label", "Team": "label"})
    mapping = detect(source, {"notes": "body", "Team": "assignment_group", "Category": "ignore"})
    assert (mapping.body, mapping.labels, mapping.roles) == ("Notes", ("Team",), {"Team": "assignment_group"})


@pytest.mark.parametrize(
    "choices, said",
    [
        ({}, "no column holds text.*n, code.*--column NAME=body"),
        ({"wat": "body"}, "no column 'wat'.*n, code"),
    ],
)
def test_without_text_the_columns_are_listed(choices: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        detect(table({"n": "number", "code": "code"}), choices)


def test_a_single_row_is_enough_for_text() -> None:
    mapping = detect(table({"id": "id", "subject": "short", "body": "text"}, count=1))
    assert (mapping.id, mapping.subject, mapping.body) == ("id", "subject", "body")


@pytest.mark.parametrize(
    "header",
    [
        "Short description",
        "short_description",
        "ShortDescription",
        " SHORT-DESCRIPTION: ",
        "shortDescription",
    ],
)
def test_spellings_of_a_header_are_the_same(header: str) -> None:
    assert fold_header(header) == "short description"


@pytest.mark.parametrize(
    "values, expected, noted",
    [
        (["2024-03-04 05:06:07"], ["2024-03-04T05:06:07+00:00"], False),
        (["2024-03-04T05:06:07.123Z", "2024-03-04T05:06:07+02:00"],
         ["2024-03-04T05:06:07+00:00", "2024-03-04T03:06:07+00:00"], False),
        (["04/03/2024 05:06", "25/03/2024 05:06"], ["2024-03-04T05:06:00+00:00", "2024-03-25T05:06:00+00:00"], False),
        (["03/04/2024 5:06 PM", "3/25/24 12:00 AM"], ["2024-03-04T17:06:00+00:00", "2024-03-25T00:00:00+00:00"], False),
        (["03/04/2024"], ["2024-04-03T00:00:00+00:00"], True),
        (["4.3.2024 05:06", "14.3.2024"], ["2024-03-04T05:06:00+00:00", "2024-03-14T00:00:00+00:00"], False),
        (["2024/03/04 05:06"], ["2024-03-04T05:06:00+00:00"], False),
        (["4 de marzo de 2024", "Mar 4, 2024 5:06 pm", "04-Mar-2024", "Mon, 4 Mar 2024 05:06:07 GMT"],
         ["2024-03-04T00:00:00+00:00", "2024-03-04T17:06:00+00:00", "2024-03-04T00:00:00+00:00",
          "2024-03-04T05:06:07+00:00"], False),
        (["1709528767", "1709528767000"], ["2024-03-04T05:06:07+00:00"] * 2, False),
        (["", "yesterday", "2024-13-45", "31/02/2024", "99999999999999"], [""] * 5, False),
    ],
)  # fmt: skip
def test_times_are_read(values: Sequence[str], expected: list[str], noted: bool) -> None:
    times, note = parse_times(values)
    assert times == expected
    assert bool(note) == noted
