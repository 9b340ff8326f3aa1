"""The synthetic bank: large, disjoint where it must be, and severity that follows from evidence alone."""

from __future__ import annotations

import csv
import json
from collections import Counter

import pytest

from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.lab.data.synthetic import example_of
from tamiz.lab.synth import default_bank, generate, render, statistics, write_csv, write_jsonl

TAXONOMY = default_taxonomy()


@pytest.fixture(scope="module")
def splits():
    return {split: list(generate(1500, 3, split=split)) for split in ("train", "valid", "test")}


def test_the_bank_is_large_and_bilingual() -> None:
    bank = default_bank()
    assert len(bank.scenarios) >= 200


def test_twenty_thousand_distinct_texts_are_available() -> None:
    texts = {" ".join(f"{t.subject} {t.body}".casefold().split()) for t in generate(20_000, 1)}
    assert len(texts) == 20_000


def test_the_same_seed_gives_the_same_tickets_and_another_one_others() -> None:
    first, again, other = (list(generate(50, seed)) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_no_scenario_and_no_severity_phrase_stands_on_two_sides(splits) -> None:
    for part in ("scenario", "urgency_evidence", "impact_evidence"):
        seen = {
            name: {getattr(t, part) for t in rows if not t.abstain} - {""} for name, rows in splits.items()
        }
        assert not seen["train"] & seen["test"], part
        assert not seen["train"] & seen["valid"], part
        assert not seen["valid"] & seen["test"], part


def test_every_ordinary_ticket_obeys_the_taxonomy(splits) -> None:
    for ticket in splits["train"]:
        if not ticket.abstain:
            assert TAXONOMY.violations({"summary": ticket.summary, **ticket.labels}) == [], ticket.id


def test_languages_classes_and_abstentions_are_balanced(splits) -> None:
    rows = splits["train"]
    languages = Counter(t.language for t in rows)
    assert min(languages["en"], languages["es"]) > 0.35 * len(rows)
    critical = sum(t.labels.get("priority") == "Critical" for t in rows if not t.abstain)
    assert critical > 0.06 * len(rows)
    reasons = Counter(t.abstain for t in rows)
    assert set(reasons) == {"", "two_problems", "vague", "out_of_scope"}
    assert 0.05 * len(rows) < len(rows) - reasons[""] < 0.25 * len(rows)
    categories = Counter(t.labels["category"] for t in rows if not t.abstain)
    assert set(categories) == set(TAXONOMY.field("category").keys)


def test_examples_carry_labels_and_none_where_no_application_is_meant(splits) -> None:
    examples = [example_of(t) for t in splits["valid"][:200]]
    assert all(e.text.strip() for e in examples)
    assert any(e.labels.get("application") == "none" for e in examples)
    assert all(not e.labels for e in examples if e.abstain)


def test_files_and_statistics_tell_the_same(splits, tmp_path) -> None:
    rows = splits["valid"][:100]
    write_csv(rows, tmp_path / "t.csv")
    write_jsonl(rows, tmp_path / "t.jsonl")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        from_csv = list(csv.DictReader(file))
    from_jsonl = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text("utf-8").splitlines()]
    assert len(from_csv) == len(from_jsonl) == 100
    assert [r["body"] for r in from_csv] == [r["body"] for r in from_jsonl]
    told = render(statistics(rows))
    assert "100" in told
