"""Rows from a file of scenarios: distinct, labelled, apart."""

from __future__ import annotations

import pytest

from tamiz.domain.errors import DataError
from tamiz.lab.data.scenarios import scenario_rows

BLOCK = """
[[scenario]]
id = "{queue}-{number}"
queue = "{queue}"
en = ["My {queue} question number {number}.", "Something about {queue}, case {number}."]
es = ["Mi duda de {queue} número {number}.", "Algo de {queue}, el caso {number}."]
"""


@pytest.fixture
def file(tmp_path):
    text = "".join(BLOCK.format(queue=queue, number=i) for queue in ("sales", "billing") for i in range(10))
    path = tmp_path / "scenarios.toml"
    path.write_text(text, "utf-8")
    return path


def test_scenarios_never_meet_across_splits_and_texts_are_distinct(file) -> None:
    rows = scenario_rows(file, "queue")
    groups = {split: {e.group for e in part} for split, part in rows.items()}
    assert {split: len(found) for split, found in groups.items()} == {"train": 14, "valid": 2, "test": 4}
    assert not groups["train"] & (groups["valid"] | groups["test"])
    everything = [e for part in rows.values() for e in part]
    assert len({e.text for e in everything}) == len(everything) > 200
    assert {e.labels["queue"] for e in rows["test"]} == {"sales", "billing"}
    assert {e.language for e in rows["train"]} == {"en", "es"}
    assert rows == scenario_rows(file, "queue")


def test_broken_files_are_named(file, tmp_path) -> None:
    with pytest.raises(DataError, match="is no file of scenarios"):
        scenario_rows(tmp_path / "nothing.toml", "queue")
    file.write_text(BLOCK.format(queue="sales", number=1).replace('queue = "sales"', ""), "utf-8")
    with pytest.raises(DataError, match="scenario 'sales-1' needs id, queue, en and es"):
        scenario_rows(file, "queue")
