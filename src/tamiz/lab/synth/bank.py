"""The bank of hand-written texts: scenarios, severity evidence, abstentions, personas and style.

The files are TOML in the package folder `tamiz/lab/synth/bank`. Every file with [[scenario]] tables is a scenario
file; the other four are `severity.toml`, `abstain.toml`, `persona.toml` and `style.toml`. Labels are checked against
the taxonomy; a mistake raises DataError naming file and scenario.

Splits belong to the bank, not to a seed of the generator (`tamiz.lab.synth.splits`). Phrases that say the same in both
languages share a split.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from tamiz.domain.errors import DataError
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.lab.synth.splits import Split, deal, deal_stratified

LANGUAGES = ("en", "es")
SLOTS = frozenset({"site", "room", "person", "team", "n", "error", "host", "day", "time"})

SCENARIO_FIELDS = ("category", "subcategory", "assignment_group", "request_type")
EVIDENCE_FIELDS = ("urgency", "impact")

_SLOT = re.compile(r"\{([^{}]{0,40})\}")
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+){1,20}")
_LINE_LISTS = (
    "fillers", "alarms", "injections", "quotes", "subject_prefixes", "generic_subjects", "forms", "phone_notes",
    "chat_openers", "chat_endings", "bridges",
)  # fmt: skip
_WORD_TABLES = ("abbreviations", "loanwords", "third_person")
_SLOT_LISTS = ("site", "room", "error", "first_name", "surname", "host_prefix")

Lines = Mapping[str, tuple[str, ...]]
"""Language → texts."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One clear problem or request, phrased several times in each language; `labels` lack urgency and impact."""

    id: str
    labels: Mapping[str, str | None]
    subjects: Lines
    bodies: Lines
    split: Split = "train"


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text that belongs to one split. `levels` are the labels that it determines (evidence), else empty."""

    text: str
    language: str
    split: Split
    levels: Mapping[str, str] = field(default_factory=dict)
    request_type: str = ""

    @property
    def is_clause(self) -> bool:
        """Clauses start with a small letter and are attached to a sentence with a comma."""
        return self.text[:1].islower()


@dataclass(frozen=True, slots=True)
class Persona:
    """A way of writing; see persona.toml for the units."""

    name: str
    tone: str
    weight: float
    verbosity: float
    typos: float
    abbreviates: float
    accents: float
    casing: str


@dataclass(frozen=True, slots=True)
class Style:
    """Everything around the facts. `lines`: name → language → texts; `tones`: name → language → tone → texts."""

    personas: tuple[Persona, ...]
    lines: Mapping[str, Lines]
    tones: Mapping[str, Mapping[str, Lines]]
    words: Mapping[str, Mapping[str, Mapping[str, str]]]
    slots: Mapping[str, tuple[str, ...]]
    parallel_slots: Mapping[str, Lines]


@dataclass(frozen=True, slots=True)
class Bank:
    """The whole bank, validated. `silence`: field → the level that may be expressed by no evidence at all."""

    taxonomy: Taxonomy
    scenarios: tuple[Scenario, ...]
    evidence: tuple[Phrase, ...]
    silence: Mapping[str, str]
    silence_share: float
    vague: tuple[Phrase, ...]
    out_of_scope: tuple[Phrase, ...]
    style: Style


@lru_cache(maxsize=1)
def default_bank() -> Bank:
    """The bank that ships with the package, over the default taxonomy."""
    return load_bank(resources.files("tamiz.lab.synth").joinpath("bank"), default_taxonomy())


def load_bank(folder: Traversable, taxonomy: Taxonomy) -> Bank:
    """Read and check every *.toml of a folder (a `pathlib.Path` will do).

    Raises DataError for broken TOML, a missing file, an unknown label, slot or relation, a wrong number of
    phrasings, a double id.
    """
    files = {
        entry.name: _read(entry)
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".toml")
    }
    for name in ("severity.toml", "abstain.toml", "persona.toml", "style.toml"):
        if name not in files:
            raise DataError(path=folder, mistake=f"the bank has no {name}")
    absence = files["severity.toml"]["absence"]
    return Bank(
        taxonomy=taxonomy,
        scenarios=_scenarios(files, taxonomy),
        evidence=tuple(_evidence(files["severity.toml"], taxonomy)),
        silence={name: absence[name] for name in EVIDENCE_FIELDS},
        silence_share=absence["share"],
        vague=_free(files["abstain.toml"]["vague"], "vague"),
        out_of_scope=_free(files["abstain.toml"]["out_of_scope"], "out_of_scope"),
        style=_style(files),
    )


def _read(entry: Traversable) -> dict[str, Any]:
    try:
        return tomllib.loads(entry.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(path=entry.name, mistake=f"is not valid TOML: {error}") from error


def _scenarios(files: Mapping[str, Mapping[str, Any]], taxonomy: Taxonomy) -> tuple[Scenario, ...]:
    found: dict[str, Scenario] = {}
    for name, data in files.items():
        for raw in data.get("scenario", ()):
            scenario = _scenario(name, raw, taxonomy)
            if scenario.id in found:
                raise DataError(path=name, mistake=f"scenario '{scenario.id}' exists twice")
            found[scenario.id] = scenario
    splits = _scenario_splits(found.values())
    return tuple(
        Scenario(s.id, s.labels, s.subjects, s.bodies, splits[s.id])
        for s in sorted(found.values(), key=lambda s: s.id)
    )


def _scenario_splits(scenarios: Iterable[Scenario]) -> dict[str, Split]:
    """Stratified by every label and by category with subcategory, so that the test knows each of them."""
    return deal_stratified({s.id: [*_strata(s.labels)] for s in scenarios})


def _strata(labels: Mapping[str, str | None]) -> Iterator[str]:
    yield from (f"{name}={label}" for name, label in labels.items() if label)
    yield f"{labels['category']}/{labels['subcategory']}"


def _scenario(name: str, raw: Mapping[str, Any], taxonomy: Taxonomy) -> Scenario:
    def fail(mistake: str) -> DataError:
        return DataError(path=name, mistake=f"scenario '{raw.get('id', '?')}': {mistake}")

    if odd := (raw.keys() - {"application"}) ^ {"id", "subjects", "bodies", *SCENARIO_FIELDS}:
        raise fail(f"missing or unknown keys: {', '.join(sorted(odd))}")
    if not _ID.fullmatch(raw["id"]) or not raw["id"].startswith(str(raw["category"]).lower() + "-"):
        raise fail("the id must be kebab-case and start with the category")
    labels: dict[str, str | None] = {key: raw[key] for key in SCENARIO_FIELDS}
    labels["application"] = raw.get("application")
    for violation in taxonomy.violations(labels):
        if violation.field in labels:
            raise fail(f"{violation.field} {violation.problem}")
    for key, low, high in (("subjects", 2, 3), ("bodies", 4, 5)):
        for language in LANGUAGES:
            texts = raw[key].get(language, [])
            if not low <= len(texts) <= high:
                raise fail(f"{key}.{language} needs {low} to {high} texts, not {len(texts)}")
            for text in texts:
                if problem := _text_problem(text):
                    raise fail(f"{key}.{language}: {problem}")
    return Scenario(raw["id"], labels, _lines(raw["subjects"]), _lines(raw["bodies"]))


def _text_problem(text: str) -> str:
    if not text.strip():
        return "an empty text"
    for slot in _SLOT.findall(text):
        if slot not in SLOTS:
            return f"unknown slot {{{slot}}} in '{text[:60]}'"
    if text.count("{") != text.count("}") or text.count("{") != len(_SLOT.findall(text)):
        return f"unbalanced braces in '{text[:60]}'"
    return ""


def _evidence(data: Mapping[str, Any], taxonomy: Taxonomy) -> Iterator[Phrase]:
    request_types = ("", *taxonomy.field("request_type").keys)
    for block in data["evidence"]:
        levels = {name: block[name] for name in EVIDENCE_FIELDS if name in block}
        request_type = block.get("request_type", "")
        known = all(level in taxonomy.field(name).keys for name, level in levels.items())
        if not levels or not known or request_type not in request_types:
            raise DataError(path="severity.toml", mistake=f"evidence block with unknown labels: {levels}")
        where = f"{levels} {request_type}".strip()
        yield from _pairs("severity.toml", block["phrases"], where, levels, request_type)


def _free(table: Mapping[str, Any], where: str) -> tuple[Phrase, ...]:
    """The texts of one kind of abstention: pairs, and texts in other languages."""
    others = [{"other": text} for text in table.get("other", ())]
    return (*_pairs("abstain.toml", table["pairs"], where), *_pairs("abstain.toml", others, where))


def _pairs(
    file: str,
    pairs: Iterable[Mapping[str, str]],
    where: str,
    levels: Mapping[str, str] | None = None,
    request_type: str = "",
) -> Iterator[Phrase]:
    """A phrase per text; the texts of one pair (language → text) go to one split together."""
    rows = list(pairs)
    for (language, text), count in Counter(item for pair in rows for item in pair.items()).items():
        problem = "exists twice" if count > 1 else _text_problem(text)
        if problem:
            raise DataError(path=file, mistake=f"{where} {language}: '{text[:60]}' {problem}")
    for pair in rows:
        if pair.keys() not in ({*LANGUAGES}, {"other"}):
            raise DataError(path=file, mistake=f"{where}: {dict(pair)} is not a pair of en and es")
    splits = deal(" | ".join(pair.values()) for pair in rows)
    for pair in rows:
        split = splits[" | ".join(pair.values())]
        for language, text in pair.items():
            yield Phrase(text, language, split, levels or {}, request_type)


def _style(files: Mapping[str, Mapping[str, Any]]) -> Style:
    persona, style, abstain = files["persona.toml"], files["style.toml"], files["abstain.toml"]
    try:
        lines = {name: _lines(style[name]) for name in _LINE_LISTS}
        lines |= {name: _lines(persona[name]) for name in ("signatures", "titles")}
        lines |= {name: _lines(abstain[name]) for name in ("connectors", "pair_subjects")}
        return Style(
            personas=tuple(Persona(**raw) for raw in persona["persona"]),
            lines=lines,
            tones={
                name: {language: _lines(tones) for language, tones in persona[name].items()}
                for name in ("greetings", "closings")
            },
            words={name: style[name] for name in _WORD_TABLES},
            slots={name: tuple(persona["slots"][name]) for name in _SLOT_LISTS},
            parallel_slots={name: _lines(persona["slots"][name]) for name in ("day", "team")},
        )
    except KeyError as missing:
        raise DataError(path="persona.toml and style.toml", mistake=f"{missing} is missing") from missing
    except TypeError as error:
        raise DataError(path="persona.toml", mistake=str(error)) from error


def _lines(table: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {language: tuple(texts) for language, texts in table.items()}
