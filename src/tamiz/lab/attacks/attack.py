"""Tickets with something put into them: an attack of one of forty families, or as many neutral words.

rows = campaign(generate(2_500, 0, split="valid"), taxonomy, seed=0, count=2_240)
rows += paraphrases(rows, seed=0)

Every family stands in every place in both languages, evenly; the target is never the true label.
"""

from __future__ import annotations

import html
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from itertools import cycle, islice, product
from random import Random
from typing import Any

from tamiz.domain.errors import DataError
from tamiz.domain.taxonomy import ABSTAIN, Field, Label, Taxonomy
from tamiz.domain.ticket import RawMessage
from tamiz.lab.attacks.disguise import DISGUISES
from tamiz.lab.synth import SynthTicket

LANGUAGES = ("en", "es")

_DISGUISED = re.compile("⟦(.*)⟧", re.DOTALL)
_BREAK = re.compile(r"(?<=[.!?])\s+|\n+")
_QUOTED = {
    "en": "On Tue, 3 Mar 2026 at 10:12, Robin Hale <robin@example.com> wrote:",
    "es": "El mar, 3 mar 2026 a las 10:12, Robin Hale <robin@example.com> escribió:",
}


class Place(StrEnum):
    """Where in a ticket the text is put."""

    SUBJECT_START = "subject-start"
    SUBJECT_END = "subject-end"
    BODY_START = "body-start"
    BODY_MIDDLE = "body-middle"
    BODY_END = "body-end"
    SIGNATURE = "signature"
    QUOTED = "quoted-reply"


@dataclass(frozen=True, slots=True)
class Family:
    """A way to attack. `wording`: language → template; the other fields as in families.toml."""

    id: str
    wording: Mapping[str, str]
    disguise: str = ""
    aims: str = "any"
    media: str = "plain"
    keys: bool = False

    def text(self, language: str, target: Field, label: Label, rng: Random) -> str:
        """The attack as it is put into a ticket."""
        field, value = target.name, label.key
        if not self.keys:
            field, value = target.display.get(language, field), label.display.get(language, value)
        said = self.wording[language].replace("{field}", field).replace("{label}", value)
        disguise, words = DISGUISES[self.disguise], neutral()[language]
        if _DISGUISED.search(said):
            return _DISGUISED.sub(lambda match: disguise(match[1], rng, words), said)
        return disguise(said, rng, words)

    def targets(self, taxonomy: Taxonomy, truth: Mapping[str, str | None]) -> list[tuple[Field, Label]]:
        """All that the family may aim at in a ticket with these labels."""
        if self.aims == "abstain":
            return [(f, Label(ABSTAIN)) for f in taxonomy.predicted]
        if self.aims == "any":
            pairs = [(f, label) for f in taxonomy.choices for label in f.labels]
        else:
            end = 0 if self.aims == "most" else -1
            pairs = [(f, f.labels[end]) for f in taxonomy.choices if f.ordered]
        return [(f, label) for f, label in pairs if truth.get(f.name) not in (label.key, ABSTAIN)]


@dataclass(frozen=True, slots=True)
class Attacked:
    """A ticket, and the same ticket with something put into it. `kind` is attack or benign; a benign row carries the
    family, place and target of the attack whose length it copies."""

    ticket: str
    kind: str
    family: str
    language: str
    place: Place
    field: str
    target: str
    clean: RawMessage
    message: RawMessage
    length: int


@lru_cache(maxsize=1)
def families() -> Mapping[str, Family]:
    """Id → family."""
    read = _toml("families.toml")
    return {
        name: Family(
            name, {la: raw[la] for la in LANGUAGES}, **{k: v for k, v in raw.items() if k not in LANGUAGES}
        )
        for name, raw in read.items()
    }


@lru_cache(maxsize=1)
def neutral() -> Mapping[str, tuple[str, ...]]:
    """Language → sentences that change nothing."""
    return {language: tuple(lines) for language, lines in _toml("neutral.toml").items()}


def attacked(
    message: RawMessage,
    family: Family,
    language: str,
    place: Place,
    target: Field,
    label: Label,
    rng: Random,
) -> RawMessage:
    """The message with the attack in it, as HTML or as a whole mail where the family needs that."""
    return _put(message, family.text(language, target, label, rng), place, language, family.media)


def campaign(tickets: Sequence[SynthTicket], taxonomy: Taxonomy, seed: int, count: int) -> list[Attacked]:
    """`count` attacks, spread evenly over families, places and languages, each on a ticket of its language.

    DataError where no ticket of a language leaves a family a target.
    """
    rng = Random(seed)
    pools = {language: _shuffled(tickets, language, rng) for language in LANGUAGES}
    cells = list(product(families().values(), Place, LANGUAGES))
    rng.shuffle(cells)
    rows = []
    for family, place, language in islice(cycle(cells), count):
        ticket, (target, label) = _aimed(pools[language], family, taxonomy, rng)
        clean = RawMessage(ticket.subject, ticket.body)
        text = family.text(language, target, label, rng)
        message = _put(clean, text, place, language, family.media)
        rows.append(
            Attacked(
                ticket.id,
                "attack",
                family.id,
                language,
                place,
                target.name,
                label.key,
                clean,
                message,
                len(text),
            )
        )
    return rows


def paraphrases(rows: Sequence[Attacked], seed: int) -> list[Attacked]:
    """For every attack a benign row: the same ticket with neutral sentences of at least the same length in the same
    place, hidden the same way where the family hides in markup."""
    rng = Random(seed)
    found = []
    for row in rows:
        family = families()[row.family]
        text = _sentences(row.language, row.length, rng)
        if family.media != "plain":
            text = DISGUISES[family.disguise](text, rng, ())
        message = _put(row.clean, text, row.place, row.language, family.media)
        found.append(
            Attacked(
                row.ticket, "benign", row.family, row.language, row.place, row.field, row.target, row.clean, message,
                row.length,
            )
        )  # fmt: skip
    return found


def _shuffled(tickets: Sequence[SynthTicket], language: str, rng: Random) -> list[SynthTicket]:
    own = [ticket for ticket in tickets if ticket.language in (language, "mixed") and not ticket.abstain]
    rng.shuffle(own)
    return own


def _aimed(
    pool: list[SynthTicket], family: Family, taxonomy: Taxonomy, rng: Random
) -> tuple[SynthTicket, tuple[Field, Label]]:
    """The next ticket that leaves the family a target, moved to the end of the pool; and a target."""
    for place, ticket in enumerate(pool):
        targets = family.targets(taxonomy, ticket.labels)
        if targets:
            pool.append(pool.pop(place))
            names = sorted({f.name for f, _ in targets})
            name = rng.choice(names)
            return ticket, rng.choice([pair for pair in targets if pair[0].name == name])
    raise DataError(path="attacks", mistake=f"no ticket leaves the family '{family.id}' a target")


def _sentences(language: str, length: int, rng: Random) -> str:
    lines = list(neutral()[language])
    rng.shuffle(lines)
    text = ""
    for line in cycle(lines):
        text = f"{text} {line}".strip()
        if len(text) >= length:
            return text
    return text


def _put(message: RawMessage, text: str, place: Place, language: str, media: str) -> RawMessage:
    """The message with a text in one place. In HTML the text is markup and everything else is escaped."""
    subject, body = message.subject, message.body
    line = " ".join(text.split())
    if place is Place.SUBJECT_START:
        subject = f"{line} {subject}".strip()
    elif place is Place.SUBJECT_END:
        subject = f"{subject} {line}".strip()
    parts = (
        [(body, False)]
        if place in (Place.SUBJECT_START, Place.SUBJECT_END)
        else _parts(body, text, place, language)
    )
    if media == "plain":
        return RawMessage(subject, "\n".join(part for part, _ in parts))
    blocks = (part if markup else html.escape(part).replace("\n", "<br>\n") for part, markup in parts)
    page = "<html><body>\n" + "\n".join(f"<div>{block}</div>" for block in blocks) + "\n</body></html>"
    if media == "html":
        return RawMessage(subject, page, "text/html")
    mail = f"From: ana@example.com\nMIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n{page}"
    return RawMessage(subject, mail, "message/rfc822")


def _parts(body: str, text: str, place: Place, language: str) -> list[tuple[str, bool]]:
    """The body in parts, and whether a part is the text that was put in."""
    if place is Place.BODY_START:
        return [(text, True), (body, False)]
    if place is Place.BODY_END:
        return [(body, False), (text, True)]
    if place is Place.SIGNATURE:
        return [(f"{body}\n\n--", False), (text, True)]
    if place is Place.QUOTED:
        quoted = "\n".join(f"> {line}" for line in text.split("\n"))
        return [(f"{body}\n\n{_QUOTED[language]}", False), (quoted, True)]
    middle = min(
        (match.span() for match in _BREAK.finditer(body)),
        key=lambda s: abs(s[0] - len(body) // 2),
        default=None,
    )
    start, end = middle or (len(body), len(body))
    return [(body[:start], False), (text, True), (body[end:], False)]


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("tamiz.lab.attacks").joinpath(name).read_text("utf-8"))
