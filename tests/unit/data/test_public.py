from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tamiz.domain.errors import ConfigError, DataError
from tamiz.domain.ticket import RawMessage
from tamiz.lab.data.public import PUBLIC, load_public


def plain(message: RawMessage) -> Any:
    return SimpleNamespace(text=message.body, language="en")


def made(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


FILES = {
    "banking77/train.csv": "text,category\nwhere is my card?,card_arrival\nlost it,lost_card\n",
    "banking77/test.csv": "text,category\ncard please,card_arrival\n",
    "clinc150/data_full.json": json.dumps(
        {part: [["say hi", "translate"]] for part in ("train", "val", "test")}
        | {f"oos_{part}": [["who won", "oos"]] for part in ("train", "val", "test")}
    ),
    "ag_news/test.csv": '"3","Fears","Unions say\\nthey are"\n"4","Race","A second\\team"\n',
    "it_tickets_endava/topics_dev.csv": "row,Document,text_debiased,Topic_group,request_type_inferred\n"
    "0,can you log in,log in,Access,Incident\n1,new mouse,mouse,Hardware,\n",
}


@pytest.mark.parametrize(
    "name, expected",
    [
        ("banking77", {"train": [("card_arrival", ""), ("lost_card", "")], "test": [("card_arrival", "")]}),
        (
            "clinc150",
            {part: [("translate", ""), (None, "out_of_scope")] for part in ("train", "valid", "test")},
        ),
        ("ag_news", {"test": [("Business", ""), ("Sci/Tech", "")]}),
        ("it-topics", {"all": [("Access", ""), ("Hardware", "")]}),
        ("it-request-type", {"all": [("Incident", "")]}),
    ],
)
def test_files_are_read_as_splits(
    tmp_path: Path, name: str, expected: dict[str, list[tuple[str | None, str]]]
) -> None:
    splits = load_public(name, made(tmp_path, FILES), canonical=plain)
    field = PUBLIC[name.replace("_", "-")].field
    assert {s: [(e.labels.get(field), e.abstain) for e in rows] for s, rows in splits.items()} == expected


def test_the_request_type_is_judged_on_debiased_text(tmp_path: Path) -> None:
    splits = load_public("it-request-type", made(tmp_path, FILES), canonical=plain)
    assert [e.text for e in splits["all"]] == ["log in"]


class FakeSplit(list[dict[str, Any]]):
    """Rows with named classes, as `datasets` gives them."""

    features = {"label": SimpleNamespace(names=["card_arrival", "oos"])}  # noqa: RUF012


def test_without_files_the_hub_is_asked(tmp_path: Path) -> None:
    asked = []

    def hub(name: str, **options: str) -> dict[str, FakeSplit]:
        asked.append((name, options))
        return {
            "train": FakeSplit([{"text": "x", "label": 0}]),
            "validation": FakeSplit([{"text": "y", "label": 1}]),
        }

    splits = load_public("banking77", tmp_path, canonical=plain, hub=hub)
    assert asked == [("PolyAI/banking77", {"revision": "refs/convert/parquet"})]
    assert {s: [(e.labels, e.abstain) for e in rows] for s, rows in splits.items()} == {
        "train": [({"intent": "card_arrival"}, "")],
        "valid": [({}, "out_of_scope")],
    }


def test_what_cannot_be_had_is_told(tmp_path: Path) -> None:
    def offline(name: str, **_: str) -> Any:
        raise ConnectionError(f"no route to {name}")

    with pytest.raises(DataError, match=r"cannot be fetched.*TAMIZ_DATA"):
        load_public("hwu64", tmp_path, hub=offline)
    with pytest.raises(DataError, match="Set TAMIZ_DATA"):
        load_public("it-topics", tmp_path)
    with pytest.raises(ConfigError, match="Known are: banking77"):
        load_public("imagenet")


def test_every_set_names_its_licence_and_authors() -> None:
    assert all(entry.licence and entry.attribution for entry in PUBLIC.values())
