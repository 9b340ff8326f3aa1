"""Streams of tickets with repeats, paraphrases and foils, of which it is known what asks the same.

A request is a scenario with its slots (site, error code, number, person, …), a language and a severity. A ticket is one
wording of it in one dress (greeting, channel, persona, fillers, slips). Scenarios come from the synthetic bank, opposites
from `cache_bank.toml` or, for development, from `contrast_bank.toml`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from random import Random
from typing import Any

from tamiz.domain.ticket import CanonicalText, RawMessage
from tamiz.lab.synth.bank import EVIDENCE_FIELDS, SLOTS, Bank, Phrase, Scenario
from tamiz.lab.synth.compose import CHANNELS, Plan, Slots, compose
from tamiz.lab.synth.generate import generate
from tamiz.lab.synth.splits import Split
from tamiz.text import canonicalize

SHOWN_FIELDS = ("category", "subcategory", "assignment_group", "request_type", "application")
SILENT = 0.6
"""Share of requests that say nothing of their severity."""
ACTS = 0.3
"""Share of new requests that have an opposite."""
RECENT, LATELY, LONG = 0.5, 200, 5_000
"""A repeat follows one of the last LATELY tickets with this probability, else one of the last LONG."""
SAME_DRESS = 0.5
"""Share of foils whose text differs from the earlier one in nothing else."""
FRAMES = 4


@dataclass(frozen=True, slots=True)
class Mix:
    """Relative frequencies of what arrives: a new request; an earlier text again; an earlier wording in another dress;
    an earlier request in other words; an earlier wording about another thing, number or person; the opposite of an
    earlier request; and what belongs to no request at all (vague, or no matter of IT)."""

    new: float = 0.30
    again: float = 0.10
    dress: float = 0.19
    words: float = 0.15
    foil: float = 0.13
    opposite: float = 0.09
    other: float = 0.04


@dataclass(frozen=True, slots=True)
class Wording:
    """Which request, in which words: the numbers choose subject, body and evidence; `dress` seeds the rest."""

    scenario: Scenario
    language: str
    levels: tuple[str, str]
    known: tuple[tuple[str, str], ...]
    request: str
    words: int
    dress: int
    twin: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A ticket of the stream and the truth about it. `facts` are the slot values that its canonical text names, but for
    those of the signature; `levels` is the severity that it tells."""

    text: CanonicalText
    request: str
    scenario: str
    levels: tuple[str, str]
    facts: frozenset[tuple[str, str]]
    labels: Mapping[str, str | None]
    how: str
    wording: Wording | None = field(default=None, repr=False)
    varies: bool = False
    """Would it read otherwise with other slots?"""


def same(a: Arrival, b: Arrival) -> bool:
    """Do two tickets ask the same? They tell of one request, or of one scenario with one severity and the same facts: what
    one names the other names, too."""
    if a.request == b.request:
        return True
    if (a.scenario, a.levels) != (b.scenario, b.levels):
        return False
    return _names(a.text.text, b.facts) and _names(b.text.text, a.facts)


def plain(scenario: Scenario, language: str, line: int, known: Mapping[str, str] | None = None) -> Arrival:
    """A ticket of nothing but one body of a scenario, its slots filled."""
    body = scenario.bodies[language][line]
    for name, value in (known or {}).items():
        body = body.replace(f"{{{name}}}", value)
    view = canonicalize(RawMessage("", body))
    labels = dict(scenario.labels) | dict.fromkeys(EVIDENCE_FIELDS, "Low")
    named = facts(view.text, known or {})
    request = f"{scenario.id} {sorted(named)}"
    return Arrival(view, request, scenario.id, ("Low", "Low"), named, labels, "plain")


def bare(text: str) -> Arrival:
    """A ticket of nothing but this text."""
    return Arrival(canonicalize(RawMessage("", text)), text, text, ("", ""), frozenset(), {}, "plain")


def alike(a: Arrival, b: Arrival) -> bool:
    """Are all labels of two tickets the same?"""
    return a.labels == b.labels


@dataclass(frozen=True, slots=True)
class Source:
    """Where requests come from: scenarios, acts with an opposite (by id), and the split whose severity phrases and other
    texts are used."""

    scenarios: Sequence[Scenario]
    acts: Mapping[str, Scenario]
    split: Split


def judged(bank: Bank) -> Source:
    """What judges: scenarios that no training saw, and opposites that nothing was tuned on."""
    file = resources.files("tamiz.lab.bench").joinpath("cache_bank.toml")
    return Source(
        [s for s in bank.scenarios if s.split == "test"], own_acts(_toml(file.read_text("utf-8"))), "test"
    )


def development(bank: Bank) -> Source:
    """What thresholds are chosen on."""
    file = resources.files("tamiz.lab.bench").joinpath("contrast_bank.toml")
    return Source(
        [s for s in bank.scenarios if s.split == "valid"],
        framed_acts(_toml(file.read_text("utf-8"))),
        "valid",
    )


def _toml(text: str) -> Mapping[str, Any]:
    return tomllib.loads(text)


def own_acts(raw: Mapping[str, Any]) -> dict[str, Scenario]:
    """The acts of `cache_bank.toml`, one scenario per act, language, thing and side."""
    found = {}
    for number, act in enumerate(raw["act"]):
        labels = dict(zip(SHOWN_FIELDS, (label or None for label in act["labels"]), strict=True))
        for language in ("en", "es"):
            for place, thing in enumerate(act[language]["things"]):
                for side in "ab":
                    lines = tuple(_filled(line, thing) for line in act[language][side])
                    key = act_id(f"own{number}", language, place, side)
                    found[key] = Scenario(key, labels, {language: lines}, {language: lines})
    return found


def framed_acts(raw: Mapping[str, Any]) -> dict[str, Scenario]:
    """The development half of the acts of `contrast_bank.toml`, each in a few of its frames."""
    labels = dict(
        zip(
            SHOWN_FIELDS, ("Access", "Permissions", "Security / Access", "Service Request", None), strict=True
        )
    )
    found = {}
    for language, own in raw.items():
        frames = own["frames"][0::2][:FRAMES]
        for number, (a, b, things) in enumerate(own["acts"][0::2]):
            for place, thing in enumerate(things):
                for side, act in (("a", a), ("b", b)):
                    said = act.replace("{x}", thing)
                    capital = said[:1].upper() + said[1:]
                    lines = tuple(f.replace("{act}", said).replace("{Act}", capital) for f in frames)
                    key = act_id(f"framed{number}", language, place, side)
                    found[key] = Scenario(key, labels, {language: lines}, {language: lines})
    return found


def act_id(name: str, language: str, place: int, side: str) -> str:
    """How an act about one thing is called."""
    return f"{name}-{language}-{place}:{side}"


def twin_of(key: str) -> str:
    """The opposite of an act."""
    return key[:-1] + ("b" if key.endswith("a") else "a")


def _filled(line: str, thing: str) -> str:
    text = line.replace("{x}", thing)
    text = re.sub(r"\bde el\b", "del", re.sub(r"\ba el\b", "al", text))
    return text[:1].upper() + text[1:]


class Stream:
    """Arrivals without end, the same ones for the same source, mix and seed."""

    def __init__(self, bank: Bank, source: Source, mix: Mix | None = None, seed: int = 0) -> None:
        self.bank, self.source, self.rng = bank, source, Random(seed)
        self.mix = mix or Mix()
        self.seen: list[Arrival] = []
        self.evidence: dict[tuple[str, str, str, str], list[Phrase]] = {}
        for phrase in bank.evidence:
            if phrase.split == source.split and len(phrase.levels) == 1:
                ((name, level),) = phrase.levels.items()
                for kind in [phrase.request_type] if phrase.request_type else ("Incident", "Service Request"):
                    self.evidence.setdefault((phrase.language, name, level, kind), []).append(phrase)
        self.others = iter(self._others(seed))

    def take(self, count: int) -> list[Arrival]:
        """The next arrivals."""
        return [self.next() for _ in range(count)]

    def next(self) -> Arrival:
        """One more ticket."""
        names = ("new", "again", "dress", "words", "foil", "opposite", "other")
        how = self.rng.choices(names, [getattr(self.mix, name) for name in names])[0]
        found = getattr(self, f"_{how}")() or self._new()
        self.seen.append(found)
        return found

    def written(self, wording: Wording, how: str) -> Arrival:
        """A ticket in these words and this dress."""
        rng, words = Random(f"{wording.dress}"), Random(f"{wording.words}")
        scenario, language = wording.scenario, wording.language
        chosen = replace(
            scenario,
            subjects={language: (words.choice(scenario.subjects[language]),)},
            bodies={language: (words.choice(scenario.bodies[language]),)},
        )
        evidence = tuple(self._phrases(wording, words))
        persona = rng.choices(self.bank.style.personas, [p.weight for p in self.bank.style.personas])[0]
        channel = rng.choices(list(CHANNELS), list(CHANNELS.values()))[0]
        known = dict(wording.known)
        text = compose(rng, self.bank, Plan((chosen,), evidence, language, False, channel), persona, known)
        view = canonicalize(RawMessage(text.subject, text.body))
        told = {name: level for phrase in evidence for name, level in phrase.levels.items()}
        levels = tuple(told.get(name, self.bank.silence[name]) for name in EVIDENCE_FIELDS)
        labels = dict(scenario.labels) | dict(zip(EVIDENCE_FIELDS, levels, strict=True))
        # A mail ends with a closing and who signs it; neither is part of what it asks.
        body = "\n\n".join(text.body.split("\n\n")[:2]) if channel == "mail" else text.body
        named = facts(f"{text.subject}\n{body}", known)
        named = frozenset(fact for fact in named if _names(view.text, (fact,)))
        request, severity = wording.request, (levels[0], levels[1])
        varies = any(_stands(view.text, value, after=r"(?![\w:-])") for value in known.values())
        return Arrival(view, request, scenario.id, severity, named, labels, how, wording, varies)

    def fresh(self, scenario: Scenario, language: str) -> Wording:
        """A request that nobody made yet, in some words."""
        rng = self.rng
        levels = tuple(self.bank.silence[name] for name in EVIDENCE_FIELDS)
        if rng.random() >= SILENT:
            levels = tuple(rng.choice(self.bank.taxonomy.field(name).keys) for name in EVIDENCE_FIELDS)
        twin = twin_of(scenario.id) if scenario.id in self.source.acts else ""
        number = rng.getrandbits(32)
        return Wording(
            scenario,
            language,
            (levels[0], levels[1]),
            self.slots(language),
            f"r{number}",
            *self._numbers(),
            twin,
        )

    def _new(self) -> Arrival:
        if self.rng.random() < ACTS:
            key = self.rng.choice(sorted(self.source.acts))
            scenario = self.source.acts[key]
            (language,) = scenario.bodies
        else:
            scenario, language = self.rng.choice(list(self.source.scenarios)), self.rng.choice(("en", "es"))
        return self.written(self.fresh(scenario, language), "new")

    def _again(self) -> Arrival | None:
        before = self._earlier(lambda one: True)
        return before and replace(before, how="again")

    def _dress(self) -> Arrival | None:
        before = self._wording(lambda one: True)
        if before is None:
            return None
        return self.written(replace(before, dress=self.rng.getrandbits(32)), "dress")

    def _words(self) -> Arrival | None:
        before = self._wording(lambda one: True)
        if before is None:
            return None
        words, dress = self._numbers()
        return self.written(replace(before, words=words, dress=dress), "words")

    def _foil(self) -> Arrival | None:
        """Another request in the same words: other slots, or the same act on another thing."""
        before = self._wording(lambda one: one.varies or bool(one.wording and one.wording.twin))
        if before is None:
            return None
        scenario = before.scenario
        if before.twin:
            stem, side = scenario.id.rsplit("-", 1)[0], scenario.id[-1]
            things = [
                k
                for k in self.source.acts
                if k.startswith(f"{stem}-") and k.endswith(side) and k != scenario.id
            ]
            scenario = self.source.acts[self.rng.choice(sorted(things))]
        number = self.rng.getrandbits(32)
        changed = replace(
            before,
            scenario=scenario,
            known=self.slots(before.language),
            request=f"r{number}",
            twin=twin_of(scenario.id) if before.twin else "",
        )
        return self.written(self._redressed(changed), "foil")

    def _opposite(self) -> Arrival | None:
        before = self._wording(lambda one: bool(one.wording and one.wording.twin))
        if before is None:
            return None
        twin = self.source.acts[before.twin]
        changed = replace(
            before, scenario=twin, twin=before.scenario.id, request=f"r{self.rng.getrandbits(32)}"
        )
        return self.written(self._redressed(changed), "opposite")

    def _other(self) -> Arrival | None:
        return next(self.others, None)

    def _others(self, seed: int) -> Iterator[Arrival]:
        for ticket in generate(1_500, seed, split=self.source.split, bank=self.bank):
            if ticket.abstain:
                view = canonicalize(RawMessage(ticket.subject, ticket.body))
                yield Arrival(view, ticket.id, ticket.scenario, ("", ""), frozenset(), ticket.labels, "other")

    def _redressed(self, wording: Wording) -> Wording:
        if self.rng.random() < SAME_DRESS:
            return wording
        return replace(wording, dress=self.rng.getrandbits(32))

    def _earlier(self, fits: Any) -> Arrival | None:
        reach = LATELY if self.rng.random() < RECENT else LONG
        pool = self.seen[-reach:]
        for _ in range(50):
            found = self.rng.choice(pool) if pool else None
            if found is None or fits(found):
                return found
        return None

    def _wording(self, fits: Any) -> Wording | None:
        found = self._earlier(lambda one: one.wording is not None and fits(one))
        return found.wording if found else None

    def _phrases(self, wording: Wording, rng: Random) -> Iterator[Phrase]:
        kind = str(wording.scenario.labels["request_type"])
        for name, level in zip(EVIDENCE_FIELDS, wording.levels, strict=True):
            pool = self.evidence.get((wording.language, name, level, kind), ())
            if level != self.bank.silence[name] and pool:
                yield rng.choice(pool)

    def slots(self, language: str) -> tuple[tuple[str, str], ...]:
        """Values for all slots."""
        slots = Slots(Random(self.rng.getrandbits(32)), self.bank)
        return tuple((name, slots.fill(f"{{{name}}}", language)) for name in sorted(SLOTS))

    def _numbers(self) -> tuple[int, int]:
        return self.rng.getrandbits(32), self.rng.getrandbits(32)


def facts(text: str, known: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """The slot values that a text names."""
    return frozenset(fact for fact in known.items() if _names(text, (fact,)))


def _names(text: str, wanted: Iterable[tuple[str, str]]) -> bool:
    """Does a text name all these values, in any case?"""
    return all(_stands(text, value, after=r"(?![\w-]|:\d)") for _, value in wanted)


def _stands(text: str, value: str, after: str) -> bool:
    """Does a value stand in a text, with this after it?"""
    return bool(re.search(rf"(?<![\w:.-]){re.escape(value.casefold())}{after}", text.casefold()))
