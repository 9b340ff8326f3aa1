"""Taxonomies: what a file may say, and what every mistake looks like."""

from __future__ import annotations

import pytest

from tamiz.domain.errors import NoTaxonomyError, TaxonomyError
from tamiz.domain.taxonomy import ABSTAIN, FieldKind, infer
from tamiz.domain.taxonomy_file import default_taxonomy, dumps, load, loads

HEAD = 'name = "x"\nprimary = "area"\n'
AREA = "[fields.area]\nkind = 'choice'\nlabels.A = {}\nlabels.B = {}\n"


def test_default_taxonomy_holds_the_expected_relations() -> None:
    taxonomy = default_taxonomy()
    sub = taxonomy.field("subcategory")
    allowed = {key: set(sub.allowed(key)) for key in taxonomy.field("category").keys}
    assert allowed == {
        "Hardware": {"Other", "Physical Security"},
        "Software": {"Other", "Login Issues"},
        "Access": {"Login Issues", "Permissions", "Policy Violation"},
        "Network": {"Login Issues", "Other"},
        "Security": {"Malware", "Policy Violation", "Permissions", "Login Issues", "Other"},
        "Workplace": {"Physical Security", "Other"},
    }
    matrix = taxonomy.field("priority").matrix
    assert matrix is not None
    assert [matrix.at("High", u) for u in ("High", "Medium", "Low")] == ["Critical", "High", "Medium"]
    assert matrix.at("Low", "Low") == "Low"
    assert [f.name for f in taxonomy.derived] == ["priority"]
    assert taxonomy.field("application").classes[-1] == "none"


@pytest.mark.parametrize(
    ("text", "line", "mistake"),
    [
        ('name = "x\n', 1, "not valid TOML"),
        ("name = 'x'\nprimary = 'nope'\n" + AREA, 2, "primary field 'nope'"),
        (HEAD + "[fields.area]\nkind = 'chioce'\n", 4, "fields.area.kind"),
        (HEAD + "[fields.area]\nkind = 'choice'\nlabels.A = {}\n", 3, "at least two labels"),
        (HEAD + AREA + "labels.needs_human = {}\n", 7, "reserved word"),
        (HEAD + AREA + "labels.a = {}\n", 7, "differ only in case"),
        (HEAD + AREA + "colour = 'red'\n", 7, "colour"),
        (
            HEAD + AREA + "[fields.sub]\nkind = 'choice'\nparent = 'aera'\nlabels.X = {}\nlabels.Y = {}\n",
            9,
            "parent 'aera'",
        ),
        (
            HEAD
            + AREA
            + "[fields.sub]\nkind = 'choice'\nparent = 'area'\nlabels.X = {}\n[fields.sub.labels.Y]\nparents = ['C']\n",
            12,
            "'C' is not a label of area",
        ),
        (
            HEAD
            + AREA
            + "[fields.p]\nkind = 'choice'\nlabels.P = {}\nlabels.Q = {}\n[fields.p.matrix]\nrows = 'area'\n"
            "columns = 'area'\n[fields.p.matrix.cells]\nA = { A = 'P', B = 'P' }\nB = { A = 'P', B = 'Z' }\n",
            16,
            "'Z' is not a label of 'p'",
        ),
        (
            HEAD + AREA + "[fields.s]\nkind = 'text'\n[fields.t]\nkind = 'text'\n",
            3,
            "more than one field of kind 'text'",
        ),
    ],
)
def test_a_broken_file_is_told_with_line_and_mistake(text: str, line: int, mistake: str) -> None:
    with pytest.raises(TaxonomyError) as caught:
        loads(text, "my.toml")
    assert str(caught.value).startswith(f"my.toml:{line}:")
    assert mistake in str(caught.value)


def test_an_unreadable_file_is_told(tmp_path) -> None:
    with pytest.raises(
        NoTaxonomyError, match=r"absent\.toml: cannot be read \(No such file or directory\)\.$"
    ):
        load(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes("name = 'año'".encode("latin-1"))
    with pytest.raises(NoTaxonomyError, match="utf-8"):
        load(tmp_path / "latin.toml")


def test_dumps_and_loads_are_inverse() -> None:
    assert loads(dumps(default_taxonomy())) == default_taxonomy()
    odd = infer("t", {"group": ['a "b" \\', "ñandú", "tab\u007f", "x.y"]})
    with pytest.raises(TaxonomyError):
        loads(dumps(odd))  # a control character is no label
    fine = infer("t", {"group": ['a "b" \\', "ñandú", "x.y"]})
    assert loads(dumps(fine)) == fine


def test_inferred_labels_are_sorted_by_count_and_reserved_words_left_out() -> None:
    taxonomy = infer("t", {"group": ["b", "a", "b", "", ABSTAIN]})
    assert taxonomy.field("group").keys == ("b", "a")
    assert taxonomy.text_field is not None
    assert taxonomy.text_field.kind is FieldKind.TEXT


GOOD = {
    "summary": "VPN drops",
    "category": "Network",
    "subcategory": "Other",
    "application": "VPN",
    "urgency": "High",
    "impact": "High",
    "priority": "Critical",
    "assignment_group": "Network Operations",
    "request_type": "Incident",
}


@pytest.mark.parametrize(
    ("change", "offending"),
    [
        ({}, []),
        ({"application": None}, []),
        ({"category": ABSTAIN, "subcategory": ABSTAIN}, []),
        ({"urgency": ABSTAIN}, []),
        ({"category": "Netwrok"}, ["category", "subcategory"]),
        ({"subcategory": "Malware"}, ["subcategory"]),
        ({"priority": "Low"}, ["priority"]),
        ({"category": None}, ["category"]),
        ({"colour": "red"}, ["colour"]),
        ({"summary": "x" * 500}, ["summary"]),
        ({"summary": None}, ["summary"]),
    ],
)
def test_violations_name_the_offending_field(change: dict[str, str | None], offending: list[str]) -> None:
    found = default_taxonomy().violations({**GOOD, **change})
    assert [v.field for v in found] == offending


def test_a_missing_required_field_is_a_violation_and_a_missing_optional_one_is_not() -> None:
    values = {k: v for k, v in GOOD.items() if k not in ("category", "application")}
    assert [v.field for v in default_taxonomy().violations(values)] == ["category"]


def test_prose_and_classes_have_separate_hashes() -> None:
    text = dumps(default_taxonomy())
    renamed = loads(text.replace('"Puesto de trabajo"', '"Oficina"'))
    assert renamed.classes_hash == default_taxonomy().classes_hash
    assert renamed.prose_hash != default_taxonomy().prose_hash
    relabelled = loads(text.replace('"Facilities"', '"Buildings"'))
    assert relabelled.classes_hash != default_taxonomy().classes_hash
