"""Public data sets: from the folder that TAMIZ_DATA names, else through Hugging Face `datasets`.

`load_public("banking77")` → {"train": [...], "test": [...]}. Licences and attributions: `PUBLIC[name]`.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tamiz.domain.errors import ConfigError, DataError, MissingExtraError
from tamiz.domain.ticket import CanonicalText, RawMessage
from tamiz.lab.data.example import Example
from tamiz.lab.data.readers import read_table

OUT_OF_SCOPE = "out_of_scope"
AG_NEWS_CLASSES = ("World", "Sports", "Business", "Sci/Tech")

Row = tuple[str, dict[str, str], str]
"""A text, its labels, and why a person must decide (empty: an ordinary text)."""
Hub = Callable[..., Any]
"""`datasets.load_dataset`, or something that behaves like it."""


@dataclass(frozen=True, slots=True)
class PublicSet:
    """One data set: where its files lie below the data folder, where the hub has it, and whose it is.

    `files` maps a split to a file. `hub` is the hub's id, configuration and revision; empty where it has none.
    """

    name: str
    field: str
    licence: str
    attribution: str
    files: Mapping[str, str]
    text: str = "text"
    label: str = "label"
    hub: tuple[str, str, str] = ("", "", "")
    hub_label: str = "label"
    note: str = ""
    optional: frozenset[str] = frozenset()


_PARQUET = "refs/convert/parquet"  # the hub's own conversion, for sets whose loading script no longer runs

_SETS = (
    PublicSet(
        "banking77",
        "intent",
        "CC BY 4.0",
        "Banking77, Casanueva et al. 2020, 'Efficient Intent Detection with Dual Sentence Encoders' (PolyAI)",
        {"train": "banking77/train.csv", "test": "banking77/test.csv"},
        label="category",
        hub=("PolyAI/banking77", "", _PARQUET),
    ),
    PublicSet(
        "banking77-oos",
        "intent",
        "derived from Banking77 (CC BY 4.0); the copy itself states no licence",
        "BANKING77-OOS, Zhang et al. 2022, 'Are Pretrained Transformers Robust in Intent Classification?'",
        {
            "train": "banking77_oos/train.csv",
            "valid": "banking77_oos/valid.csv",
            "test": "banking77_oos/test.csv",
            "id_oos_train": "banking77_oos/id-oos_train.csv",
            "id_oos_valid": "banking77_oos/id-oos_valid.csv",
            "id_oos_test": "banking77_oos/id-oos_test.csv",
            "ood_oos_valid": "banking77_oos/ood-oos_valid.csv",
            "ood_oos_test": "banking77_oos/ood-oos_test.csv",
        },
    ),
    PublicSet(
        "clinc150",
        "intent",
        "CC BY 3.0",
        "CLINC150, Larson et al. 2019, 'An Evaluation Dataset for Intent Classification and Out-of-Scope Prediction'",
        {
            "train": "clinc150/data_full.json",
            "valid": "clinc150/data_full.json",
            "test": "clinc150/data_full.json",
        },
        hub=("clinc/clinc_oos", "plus", ""),
        hub_label="intent",
        note="the hub's 'plus' variant has 250 out-of-scope training texts where the full file has 100",
    ),
    PublicSet(
        "hwu64",
        "intent",
        "CC BY-SA 3.0",
        "HWU64, Liu et al. 2019, 'Benchmarking Natural Language Understanding Services for Building Conversational Agents'",
        {"train": "hwu64/train.csv", "valid": "hwu64/valid.csv", "test": "hwu64/test.csv"},
        hub=("FastFit/hwu_64", "", ""),
    ),
    PublicSet(
        "ag-news",
        "topic",
        "non-commercial research",
        "AG News, Zhang et al. 2015, 'Character-level Convolutional Networks for Text Classification'; corpus by A. Gulli",
        {"train": "ag_news/train.csv", "test": "ag_news/test.csv"},
        hub=("fancyzhx/ag_news", "", ""),
        note="a news benchmark with its own four classes; they are not ticket queues",
        optional=frozenset({"train"}),
    ),
    PublicSet(
        "it-topics",
        "topic",
        "CC0 according to the copy's README; origin MIT (karolzak/support-tickets-classification)",
        "Endava support tickets, anonymised; topics by adisongoh (Kaggle)",
        {"all": "it_tickets_endava/topics_dev.csv"},
        text="Document",
        label="Topic_group",
        note="the origin of the topics is not documented: silver labels",
    ),
    PublicSet(
        "it-request-type",
        "request_type",
        "CC0 according to the copy's README; origin MIT (karolzak/support-tickets-classification)",
        "Endava support tickets, anonymised",
        {"all": "it_tickets_endava/topics_dev.csv"},
        text="text_debiased",
        label="request_type_inferred",
        note="the plain text gives the type away (words removed from one class only), so the debiased text is read",
    ),
)
PUBLIC: Mapping[str, PublicSet] = {entry.name: entry for entry in _SETS}


def load_public(
    name: str,
    folder: str | Path | None = None,
    *,
    canonical: Callable[[RawMessage], CanonicalText] | None = None,
    hub: Hub | None = None,
) -> dict[str, list[Example]]:
    """The splits of a public data set as examples with canonical text; underscores in the name will do.

    Files are looked for below `folder` (default: the environment variable TAMIZ_DATA), then the set is fetched with
    `hub` (default: `datasets.load_dataset`). Texts that no class fits are marked `abstain="out_of_scope"`.
    Raises ConfigError for an unknown name, DataError where the set can be had in neither place, MissingExtraError
    when `datasets` is needed and absent.
    """
    entry = PUBLIC.get(name.replace("_", "-"))
    if entry is None:
        raise ConfigError(key="data", mistake=f"no public data set '{name}'. Known are: {', '.join(PUBLIC)}")
    where = Path(folder or os.environ.get("TAMIZ_DATA") or "data")
    found = {split: path for split, file in entry.files.items() if (path := where / file).is_file()}
    if set(entry.files) - set(found) <= entry.optional and found:
        splits = {split: list(_from_file(entry, split, path)) for split, path in found.items()}
    elif entry.hub[0]:
        splits = _from_hub(entry, hub or _load_dataset())
    else:
        mistake = f"'{entry.name}' is not there and the hub does not have it. Set TAMIZ_DATA to the folder that holds it"
        raise DataError(path=where, mistake=mistake)
    return {split: list(_examples(split, rows, canonical)) for split, rows in splits.items()}


def _load_dataset() -> Hub:
    try:
        load: Hub = importlib.import_module("datasets").load_dataset
    except ImportError as error:
        raise MissingExtraError(extra="train", package="datasets") from error
    return load


def _examples(
    split: str, rows: Iterable[Row], canonical: Callable[[RawMessage], CanonicalText] | None
) -> Iterator[Example]:
    if canonical is None:
        from tamiz.text import canonicalize

        canonical = canonicalize
    for number, (text, labels, abstain) in enumerate(rows, 1):
        shown = canonical(RawMessage("", text)).text
        if shown.strip():
            yield Example(f"{split}-{number}", shown, labels, abstain, language="en", line=number)


def _from_file(entry: PublicSet, split: str, path: Path) -> Iterator[Row]:
    if entry.name == "clinc150":
        data = json.loads(path.read_text("utf-8"))
        part = "val" if split == "valid" else split
        pairs = [*data[part], *data[f"oos_{part}"]]
        return (_row(entry, text, label) for text, label in pairs)
    if entry.name == "ag-news":
        rows = (list(row.cells.values()) for row in read_table(path).rows)
        return (
            (f"{title}\n{body}".replace("\\", " "), {entry.field: AG_NEWS_CLASSES[int(number) - 1]}, "")
            for number, title, body in rows
        )
    cells = (row.cells for row in read_table(path).rows)
    return (_row(entry, c[entry.text], c[entry.label]) for c in cells if c[entry.text] and c[entry.label])


def _row(entry: PublicSet, text: str, label: str) -> Row:
    return (text, {}, OUT_OF_SCOPE) if label == "oos" else (text, {entry.field: label}, "")


def _from_hub(entry: PublicSet, load: Hub) -> dict[str, list[Row]]:
    identity, configuration, revision = entry.hub
    options = {"name": configuration, "revision": revision}
    try:
        data = load(identity, **{key: value for key, value in options.items() if value})
    except (OSError, ValueError) as error:  # no network, no such set, or a broken copy
        mistake = (
            f"cannot be fetched from the hub ({error}). Set TAMIZ_DATA to a folder that holds '{entry.name}'"
        )
        raise DataError(path=identity, mistake=mistake) from error
    splits: dict[str, list[Row]] = {}
    for split in data:
        names = getattr(data[split].features[entry.hub_label], "names", None)
        rows = ((row["text"], row[entry.hub_label]) for row in data[split])
        named = ((text, str(names[label] if names else label)) for text, label in rows)
        splits["valid" if split == "validation" else split] = [
            _row(entry, text, label) for text, label in named
        ]
    return splits
