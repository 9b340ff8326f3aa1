"""Seeds to labelled tickets: what each ticket says is drawn first, the labels follow from it, then it is written.

tickets = generate(20_000, seed=7)                # all splits, 70 / 10 / 20 %
tickets = generate(5_000, seed=7, split="test")   # scenarios and phrases that stand in no training ticket

A split holds few scenarios (some 50 in the test), so its tickets are far from independent: intervals on accuracies must
resample scenarios or phrases, not tickets.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random

from tamiz.domain.errors import DataError
from tamiz.domain.taxonomy import ABSTAIN
from tamiz.lab.synth.bank import EVIDENCE_FIELDS, Bank, Phrase, Scenario, default_bank
from tamiz.lab.synth.compose import CHANNELS, Plan, Text, compose
from tamiz.lab.synth.splits import SHARES, SPLITS, Split

ABSTAIN_SHARES = {"two_problems": 0.08, "vague": 0.035, "out_of_scope": 0.035}
"""Reason for abstaining → share of all tickets."""

MIXED_SHARE = 0.09
JOINT_EVIDENCE_SHARE = 0.3
FOREIGN_SHARE = 0.18
"""Share of the out-of-scope texts that are in a third language."""

# Which of the nine cells of urgency and impact a ticket gets; the both-Low cell, the commonest in life, weighs more.
_LOWEST_CELL_WEIGHT = 1.4
_ATTEMPTS = 60
_OTHER = {"en": "es", "es": "en"}
_EvidenceKey = tuple[frozenset[tuple[str, str]], str, str, str]


@dataclass(frozen=True, slots=True)
class SynthTicket:
    """One generated ticket.

    `labels` maps every choice field to its label, None where it does not apply, or `needs_human` in all fields when
    `abstain` gives a reason (two_problems, vague, out_of_scope). `scenario` is the id of its scenario ("a+b" for two
    problems), the group that must not be split apart. The evidence fields hold the unfilled phrases of the bank,
    empty where the text is silent. `language` is en, es, mixed, or other (out of scope only).
    """

    id: str
    scenario: str
    split_group: Split
    language: str
    channel: str
    subject: str
    body: str
    labels: dict[str, str | None]
    summary: str
    abstain: str
    urgency_evidence: str
    impact_evidence: str


def generate(
    n: int,
    seed: int,
    split: Split | None = None,
    languages: Sequence[str] = ("en", "es"),
    bank: Bank | None = None,
) -> list[SynthTicket]:
    """`n` tickets with distinct texts (ignoring case and white space), the same ones for the same arguments.

    Raises DataError when the bank holds too little for the split, or too few distinct texts.
    """
    unknown = set(languages) - {"en", "es"}
    if unknown or not languages:
        raise DataError(path="synth", mistake=f"languages must be en and/or es, not {sorted(unknown)}")
    if split is not None and split not in SPLITS:
        raise DataError(path="synth", mistake=f"split must be one of {', '.join(SPLITS)}, not '{split}'")
    return list(_Generator(bank or default_bank(), Random(seed), tuple(languages)).tickets(n, split))


class _Generator:
    def __init__(self, bank: Bank, rng: Random, languages: tuple[str, ...]) -> None:
        self.bank, self.rng, self.languages = bank, rng, languages
        self.seen: set[str] = set()
        self.evidence: dict[_EvidenceKey, list[Phrase]] = defaultdict(list)
        for phrase in bank.evidence:
            for kind in [phrase.request_type] if phrase.request_type else _request_types(bank):
                self.evidence[_evidence_key(phrase.levels, phrase.language, phrase.split, kind)].append(
                    phrase
                )
        self.by_category: dict[str, dict[str, list[Scenario]]] = {name: defaultdict(list) for name in SPLITS}
        for scenario in bank.scenarios:
            self.by_category[scenario.split][str(scenario.labels["category"])].append(scenario)
        self.cells = list(product(*(bank.taxonomy.field(name).keys for name in EVIDENCE_FIELDS)))
        lowest = tuple(bank.silence[name] for name in EVIDENCE_FIELDS)
        self.cell_weights = [_LOWEST_CELL_WEIGHT if cell == lowest else 1.0 for cell in self.cells]
        self.persona_weights = [persona.weight for persona in bank.style.personas]

    def tickets(self, n: int, split: Split | None) -> Iterator[SynthTicket]:
        for _ in range(n):
            yield self._distinct(split or self.rng.choices(SPLITS, [*SHARES.values()])[0])

    def _distinct(self, split: Split) -> SynthTicket:
        for _ in range(_ATTEMPTS):
            ticket = self._ticket(split)
            key = " ".join(f"{ticket.subject}\n{ticket.body}".casefold().split())
            if key not in self.seen:
                self.seen.add(key)
                return ticket
        raise DataError(
            path="synth", mistake=f"the bank gave only {len(self.seen)} distinct texts for the {split} split"
        )

    def _ticket(self, split: Split) -> SynthTicket:
        rng = self.rng
        reasons = ("", *ABSTAIN_SHARES)
        shares = (1 - sum(ABSTAIN_SHARES.values()), *ABSTAIN_SHARES.values())
        reason = rng.choices(reasons, shares)[0]
        language = rng.choice(self.languages)
        mixed = len(self.languages) > 1 and reason in ("", "two_problems") and rng.random() < MIXED_SHARE
        if reason in ("vague", "out_of_scope"):
            return self._free(split, reason, language)
        return self._filed(split, reason, language, mixed)

    # ------------------------------------------------------------------ tickets about scenarios

    def _filed(self, split: Split, reason: str, language: str, mixed: bool) -> SynthTicket:
        scenarios = self._two(split) if reason else (self._one(split),)
        request_type = str(scenarios[0].labels["request_type"])
        cell = self.rng.choices(self.cells, self.cell_weights)[0]
        levels = dict(zip(EVIDENCE_FIELDS, cell, strict=True))
        evidence_language = _OTHER[language] if mixed and self.rng.random() < 0.5 else language
        evidence = self._draw_evidence(levels, evidence_language, split, request_type)
        channel = self._channel()
        plan = Plan(scenarios, evidence, language, mixed, channel)
        text = self._write(plan)
        labels = self._abstained() if reason else self._labels(scenarios[0], levels)
        name = "+".join(s.id for s in scenarios)
        return self._record(plan, text, split, name, "mixed" if mixed else language, labels, reason)

    def _one(self, split: Split) -> Scenario:
        categories = self.by_category[split]
        if not categories:
            raise DataError(path="synth", mistake=f"the bank has no scenario in the {split} split")
        return self.rng.choice(categories[self.rng.choice(sorted(categories))])

    def _two(self, split: Split) -> tuple[Scenario, ...]:
        """Two scenarios that no single category and no single group could take."""
        for _ in range(_ATTEMPTS):
            first, second = self._one(split), self._one(split)
            if all(first.labels[key] != second.labels[key] for key in ("category", "assignment_group")):
                return first, second
        raise DataError(
            path="synth", mistake=f"the {split} split has no two scenarios of different category and group"
        )

    def _draw_evidence(
        self, levels: dict[str, str], language: str, split: Split, request_type: str
    ) -> tuple[Phrase, ...]:
        """Phrases that determine these levels: a joint one, or one per field that is not left to silence."""
        joint = self.evidence.get(_evidence_key(levels, language, split, request_type))
        if joint and self.rng.random() < JOINT_EVIDENCE_SHARE:
            return (self.rng.choice(joint),)
        chosen = []
        for name, level in levels.items():
            if level == self.bank.silence[name] and self.rng.random() < self.bank.silence_share:
                continue
            pool = self.evidence.get(_evidence_key({name: level}, language, split, request_type))
            if not pool:
                raise DataError(
                    path="severity.toml", mistake=f"no {split} phrase for {name} {level} in '{language}'"
                )
            chosen.append(self.rng.choice(pool))
        return tuple(chosen)

    def _labels(self, scenario: Scenario, levels: dict[str, str]) -> dict[str, str | None]:
        known = dict(scenario.labels) | levels
        for derived in self.bank.taxonomy.derived:
            if derived.matrix is not None:
                row, column = known[derived.matrix.rows], known[derived.matrix.columns]
                known[derived.name] = derived.matrix.at(str(row), str(column))
        return {choice.name: known[choice.name] for choice in self.bank.taxonomy.choices}

    # ------------------------------------------------------------------ tickets about nothing that can be filed

    def _free(self, split: Split, reason: str, language: str) -> SynthTicket:
        rng = self.rng
        foreign = reason == "out_of_scope" and rng.random() < FOREIGN_SHARE
        bank_language = "other" if foreign else language
        source = self.bank.vague if reason == "vague" else self.bank.out_of_scope
        pool = [p for p in source if p.split == split and p.language == bank_language]
        if not pool:
            raise DataError(path="abstain.toml", mistake=f"no {split} text for {reason} in '{bank_language}'")
        count = 2 if len(pool) > 1 and rng.random() < (0.4 if reason == "vague" else 0.15) else 1
        texts = tuple(rng.sample(pool, count))
        evidence: tuple[Phrase, ...] = ()
        if reason == "vague" and rng.random() < 0.3:
            cell = rng.choices(self.cells, self.cell_weights)[0]
            levels = dict(zip(EVIDENCE_FIELDS, cell, strict=True))
            evidence = self._draw_evidence(levels, language, split, _request_types(self.bank)[0])
        channel = self._channel()
        if reason == "out_of_scope" and channel == "phone":
            channel = "mail"
        plan = Plan((), evidence, language, False, channel, texts, foreign)
        text = self._write(plan)
        name = f"{reason.replace('_', '-')}-{hashlib.sha256(texts[0].text.encode()).hexdigest()[:8]}"
        return self._record(plan, text, split, name, bank_language, self._abstained(), reason)

    # ------------------------------------------------------------------ small helpers

    def _channel(self) -> str:
        return self.rng.choices(list(CHANNELS), list(CHANNELS.values()))[0]

    def _write(self, plan: Plan) -> Text:
        persona = self.rng.choices(self.bank.style.personas, self.persona_weights)[0]
        return compose(self.rng, self.bank, plan, persona)

    def _abstained(self) -> dict[str, str | None]:
        return {choice.name: ABSTAIN for choice in self.bank.taxonomy.choices}

    def _record(
        self,
        plan: Plan,
        text: Text,
        split: Split,
        scenario: str,
        language: str,
        labels: dict[str, str | None],
        abstain: str,
    ) -> SynthTicket:
        told = {
            name: next((p.text for p in plan.evidence if name in p.levels), "") for name in EVIDENCE_FIELDS
        }
        digest = hashlib.sha256(f"{text.subject}\n{text.body}".encode()).hexdigest()
        return SynthTicket(
            id=f"syn-{digest[:12]}",
            scenario=scenario,
            split_group=split,
            language=language,
            channel=plan.channel,
            subject=text.subject,
            body=text.body,
            labels=labels,
            summary=text.summary,
            abstain=abstain,
            urgency_evidence=told["urgency"],
            impact_evidence=told["impact"],
        )


def _evidence_key(levels: Mapping[str, str], language: str, split: str, request_type: str) -> _EvidenceKey:
    return frozenset(levels.items()), language, split, request_type


def _request_types(bank: Bank) -> tuple[str, ...]:
    return bank.taxonomy.field("request_type").keys
