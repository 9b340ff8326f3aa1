from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tamiz.domain.errors import DataError
from tamiz.domain.taxonomy import Field, FieldKind, Label, Taxonomy
from tamiz.domain.ticket import RawMessage
from tamiz.lab.data.example import Example
from tamiz.lab.data.examples import Loaded, to_examples
from tamiz.lab.data.labels import field_names
from tamiz.lab.data.mapping import ColumnMapping
from tamiz.lab.data.table import RawRow, Rejected, Table

TAXONOMY = Taxonomy(
    "desk",
    (
        Field("summary", FieldKind.TEXT),
        Field(
            "category",
            FieldKind.CHOICE,
            labels=(
                Label("Network", {"es": "Red"}, synonyms=("wifi", "red wi-fi")),
                Label("Access", {"es": "Acceso"}),
            ),
        ),
        Field(
            "priority", FieldKind.CHOICE, labels=(Label("High", {"es": "Alta"}), Label("Low", {"es": "Baja"}))
        ),
        Field("application", FieldKind.CHOICE, nullable=True, labels=(Label("SAP"), Label("Outlook"))),
    ),
    primary="category",
)


def plain(message: RawMessage) -> Any:
    return SimpleNamespace(text=f"{message.subject}\n{message.body}".strip(), language="en")


def loaded(
    rows: list[dict[str, str]], mapping: ColumnMapping, taxonomy: Taxonomy | None = None, **options: Any
) -> Loaded:
    table = Table(tuple(rows[0]), [RawRow(i + 2, row) for i, row in enumerate(rows)], source="tickets.csv")
    return to_examples(table, mapping, taxonomy, canonical=plain, **options)


def test_rows_become_examples_and_useless_rows_are_kept_aside() -> None:
    rows = [
        {"n": "A", "s": "VPN", "b": "down", "c": "Network ", "t": "2024-01-02"},
        {"n": "A", "s": "", "b": "again", "c": "network", "t": ""},
        {"n": "B", "s": "", "b": "", "c": "Access", "t": ""},
        {"n": "C", "s": "x", "b": "", "c": "", "t": ""},
        {"n": "D", "s": "login", "b": "", "c": "Access", "t": "soon"},
        {"n": "E", "s": "door", "b": "", "c": "Access", "t": ""},
    ]
    out = loaded(rows, ColumnMapping(subject="s", body="b", labels=("c",), id="n", time="t"))
    assert out.examples[0] == Example(
        "A#2", "VPN\ndown", {"c": "Network"}, "", "", "2024-01-02T00:00:00+00:00", "en", 2
    )
    assert [e.labels["c"] for e in out.examples] == ["Network", "Network", "Access", "Access"]
    assert [(r.line, r.reason) for r in out.rejected] == [(4, "has no text"), (5, "has no label")]
    assert out.taxonomy.field("c").keys == ("Access", "Network")
    assert any("1 times in 't' could not be read" in note for note in out.notes)


@pytest.mark.parametrize(
    "cell, key",
    [
        ("Network", "Network"), ("NETWORK", "Network"), ("red", "Network"), ("Red Wi-Fi", "Network"), ("acceso", "Access"),
        ("2 - Access", "Access"), ("1. Network", "Network"), ("Plumbing", None), ("", None),
    ],
)  # fmt: skip
def test_cells_are_matched_with_the_taxonomy(cell: str, key: str | None) -> None:
    rows = [
        {"text": "one", "category": cell, "prio": "Alta"},
        {"text": "two", "category": "Red", "prio": "low"},
    ]
    out = loaded(rows, ColumnMapping(body="text", labels=("category",)), TAXONOMY)
    assert out.examples[0].labels.get("category") == key
    assert out.examples[0].labels["priority"] == "High"  # found by its values: no header says so
    assert out.taxonomy is TAXONOMY


def test_unknown_values_are_counted_and_left_unlabelled() -> None:
    rows = [
        {"text": f"t{i}", "category": value}
        for i, value in enumerate(["Red", "Plumbing", "Plumbing", "Acceso"])
    ]
    out = loaded(rows, ColumnMapping(body="text", labels=("category",)), TAXONOMY)
    assert out.unknown == {"category": {"Plumbing": 2}}
    assert len(out.examples) == len(out.rejected) == 2
    assert any("'Plumbing' × 2" in note for note in out.notes)


@pytest.mark.parametrize(
    "empty_is_none, labels", [(True, ["none", "SAP", "none"]), (False, [None, "SAP", "none"])]
)
def test_a_nullable_field_may_not_apply(empty_is_none: bool, labels: list[str | None]) -> None:
    rows = [{"text": f"t{i}", "category": "Red", "application": a} for i, a in enumerate(["", "sap", "N/A"])]
    out = loaded(rows, ColumnMapping(body="text"), TAXONOMY, empty_is_none=empty_is_none)
    assert [e.labels.get("application") for e in out.examples] == labels


def test_rows_for_a_person_need_no_label() -> None:
    rows = [
        {"text": "??", "category": "", "abstain": "vague"},
        {"text": "vpn", "category": "Red", "abstain": "no"},
        {"text": "hm", "category": "needs_human", "abstain": ""},
    ]
    out = loaded(rows, ColumnMapping(body="text", labels=("category",), abstain="abstain"), TAXONOMY)
    assert [(e.labels.get("category"), e.abstain) for e in out.examples] == [
        (None, "vague"), ("Network", ""), (None, "needs_human"),
    ]  # fmt: skip


def test_rare_labels_and_rows_set_aside_earlier_are_noted() -> None:
    rows = [{"text": f"t{i}", "c": value} for i, value in enumerate(["a", "a", "b", "b", "c"])]
    table = Table(
        ("text", "c"), [RawRow(i + 2, r) for i, r in enumerate(rows)], [Rejected(9, "ragged", "x")], "t.csv"
    )
    out = to_examples(table, ColumnMapping(body="text", labels=("c",)), canonical=plain)
    assert len(out.examples) == 5
    assert "1 rows kept aside: ragged" in out.notes
    assert any("too small to learn: 'c'" in note for note in out.notes)


@pytest.mark.parametrize(
    "mapping, taxonomy, said",
    [
        (ColumnMapping(body="text"), None, "no column holds labels.*text, x.*NAME=label"),
        (ColumnMapping(body="text"), TAXONOMY, "no column labels a field of 'desk'.*NAME=FIELD"),
        (ColumnMapping(body="text", labels=("x",)), None, "single value"),
    ],
)
def test_without_labels_the_error_says_what_to_do(
    mapping: ColumnMapping, taxonomy: Taxonomy | None, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        loaded([{"text": "a", "x": "q"}, {"text": "b", "x": "q"}], mapping, taxonomy)


def test_the_canonical_text_is_the_default_one() -> None:
    table = Table(
        ("b", "c"),
        [RawRow(2, {"b": "<p>my mail is ana@example.org</p>", "c": "x"}), RawRow(3, {"b": "hi", "c": "y"})],
    )
    out = to_examples(table, ColumnMapping(body="b", labels=("c",)))
    assert out.examples[0].text == "my mail is <EMAIL>"


def test_field_names_are_distinct_and_safe() -> None:
    names = field_names(["Categoría", "categoria", "summary", "1º nivel", "???"])
    assert list(names.values()) == ["categoria", "categoria_2", "label_summary", "field_1o_nivel", "field"]
