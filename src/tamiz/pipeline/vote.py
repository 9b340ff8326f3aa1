"""What people's corrections of near tickets say about a new text: per field a vote, to be merged with the model's own word,
and solved tickets to show to a language model.

Every account counts once in a neighbourhood, however much it corrected there; a nearer voice counts more than a farther
one; contradictions take weight from the vote. How much a vote counts is a logistic function of similarity whose numbers
`tamiz.lab.vote` learns.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tamiz.domain.gate import conditioned
from tamiz.domain.ports import Neighbour
from tamiz.domain.taxonomy import NONE, Field, Taxonomy
from tamiz.domain.triage import Distribution, Prediction, Vote

_TINY = 1e-4
_UNHEARD = 0.005
"""A vote of less weight changes nothing that anybody sees, and is left out of the receipt."""
_PAIR = 0.51
"""From half of the weight on, a label that was told alone outweighs whatever the model holds."""
_CLOSE = 0.05
"""A voice with less than this of the nearest one's say does not contradict it."""
_FRONT = 3
"""The mean of so many is steadier than the nearest alone; with fewer than seven voices fewer are taken."""
_BESIDE = 0.1
"""Voices that are farther than the front by no more than this are counted as a crowd."""
_FOREIGN = 0.05
"""A cosine by which a solved ticket in the ticket's own language may be farther than one in another."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Voice:
    """A corrected ticket near a text: the cosine similarity, and the values that the account `by` gave at `at`; a field
    that it left alone is absent, None says that a field does not apply."""

    ticket_id: str
    similarity: float
    values: Mapping[str, str | None]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Curve:
    """The weight of voices that agree: σ(bias + near · similarity + ahead · lead + crowd · log voices − doubt · log-odds of
    the model's word).

    The lead is the similarity less that of the nearest known ticket with another label. Three voices that say the same
    are a crowd, and more are no more. The model's word counts against voices that say something else.
    """

    bias: float
    near: float
    ahead: float = 0.0
    doubt: float = 0.0
    crowd: float = 0.0

    def weight(self, similarity: float, lead: float, against: float, crowd: float) -> float:
        """In (0, 1); `against` are the log-odds of the model's own label, 0 where the voices say the same, `crowd` the
        logarithm of how many voices say it."""
        odds = (
            self.bias + self.near * similarity + self.ahead * lead - self.doubt * against + self.crowd * crowd
        )
        return 1.0 / (1.0 + math.exp(-min(max(odds, -30.0), 30.0)))


@dataclass(frozen=True, slots=True)
class Weighing:
    """How voices are weighed, in units of cosine similarity; every kind of model may have its own.

    `alone` counts where no other tickets are known, `beside` where they are, `ordered` for fields of degrees (urgency,
    impact), which similar tickets do not share. `heat`: a voice farther than the nearest by this
    counts 1/e of it. Below `least` nobody is heard; texts from `same` on count as one text. `elder` is what remains of
    the older of two contradicting single voices.
    """

    alone: Curve = Curve(-21.0, 25.0, doubt=0.33, crowd=2.0)
    beside: Curve = Curve(-4.3, 2.5, 25.0, 0.2, 4.3)
    ordered: Curve = Curve(-120.0, 122.0)
    heat: float = 0.02
    least: float = 0.4
    same: float = 0.97
    elder: float = 0.25

    def curve(self, f: Field, lead: float | None) -> Curve:
        """The curve for one field, given the voices' lead where it is known."""
        if f.ordered:
            return self.ordered
        return self.alone if lead is None else self.beside


@dataclass(frozen=True, slots=True)
class Heard:
    """What a neighbourhood says of a field: shares by class, the leading class, the mean similarity of the nearest third
    of its voices (of three at most), how far the most trusted of them is trusted, and the logarithm of how many are hardly
    farther than the first (of three at most)."""

    distribution: Distribution
    label: str
    similarity: float
    trust: float
    crowd: float


def votes(
    voices: Sequence[Voice],
    prediction: Prediction,
    taxonomy: Taxonomy,
    weighing: Weighing | None = None,
    trust: Mapping[str, float] | None = None,
    known: Sequence[Neighbour] = (),
) -> dict[str, Vote]:
    """The votes by field; a field of which near voices say nothing has none, a derived one never.

    `trust` in [0, 1] by account (1 where it is not named; 0 silences it). `known` are the nearest tickets with labels that
    are right beyond doubt, drawn from some hundreds at least: what the model remembers of its training, what people
    confirmed. Where they are given, voices count by how far they lead over those with other labels. Tickets that nobody
    has read must not be among them: a new class's older ones would silence every correction.

    A child field hears only labels that may stand below the parent's value as merged, and a child told together with a
    parent that the vote brought in survives with it.
    """
    weighing, trust = weighing or Weighing(), trust or {}
    found: dict[str, Vote] = {}
    for f in taxonomy.predicted:
        own, allowed, parent = prediction.distributions[f.name], f.classes, ""
        if f.parent:
            parent = _reading(f.parent, prediction, found)
            own, allowed = conditioned(f, own, parent), f.allowed(parent)
        heard = listen(voices, f, allowed, weighing, trust)
        if heard is None:
            continue
        weight = _weight(heard, f, own, weighing, known)
        if f.parent in found and parent != prediction.distributions[f.parent].best[0]:
            weight = max(weight, found[f.parent].weight, _PAIR * heard.trust)
        if weight >= _UNHEARD:
            found[f.name] = Vote(weight, heard.distribution)
    return found


def _reading(name: str, prediction: Prediction, found: Mapping[str, Vote]) -> str:
    own = prediction.distributions[name]
    return (found[name].of(own) if name in found else own).best[0]


def _weight(
    heard: Heard, f: Field, own: Distribution, weighing: Weighing, known: Sequence[Neighbour]
) -> float:
    lead = lead_of(heard, f, known)
    odds = against(heard, own)
    agreed = heard.distribution.of(heard.label)
    weight = weighing.curve(f, lead).weight(heard.similarity, lead or 0.0, odds, heard.crowd)
    return weight * agreed * heard.trust


def lead_of(heard: Heard, f: Field, known: Sequence[Neighbour]) -> float | None:
    """By how much the leading voices are nearer than the nearest known ticket with another label; None where none is
    known. Where all that is known has the same label, the farthest of it stands for the next."""
    labelled = [n for n in known if f.name in n.labels]
    if not labelled:
        return None
    others = [n.similarity for n in labelled if n.labels[f.name] != heard.label]
    return heard.similarity - (max(others) if others else min(n.similarity for n in labelled))


def against(heard: Heard, own: Distribution) -> float:
    """The log-odds of the model's own label where voices say another one, else 0."""
    label, confidence = own.best
    if label == heard.label:
        return 0.0
    confidence = min(max(confidence, _TINY), 1.0 - _TINY)
    return math.log(confidence / (1.0 - confidence))


def listen(
    voices: Iterable[Voice], f: Field, allowed: Sequence[str], weighing: Weighing, trust: Mapping[str, float]
) -> Heard | None:
    """What the voices say of one field, among the labels that are allowed; None where nobody near says anything."""
    possible = frozenset(allowed)
    words = [
        _Word(v.ticket_id, v.similarity, value or NONE, v.by, v.at, min(1.0, trust.get(v.by, 1.0)))
        for v in voices
        if v.similarity >= weighing.least
        for value in ([v.values[f.name]] if f.name in v.values else [])
        if (value or NONE) in possible and trust.get(v.by, 1.0) > 0.0
    ]
    words = _last_words(words, weighing.same)
    if not words:
        return None
    shares = _shares(words, weighing)
    total = math.fsum(shares.values())
    classes = f.classes
    label = max(classes, key=lambda each: shares.get(each, 0.0))
    distribution = Distribution(classes, tuple(shares.get(each, 0.0) / total for each in classes))
    leading = sorted((w for w in words if w.label == label), key=lambda w: -w.similarity)
    front = leading[: min(_FRONT, math.ceil(len(leading) / 3))]
    near = math.fsum(word.similarity for word in front) / len(front)
    crowd = min(_FRONT, sum(word.similarity >= near - _BESIDE for word in leading))
    return Heard(distribution, label, near, max(word.trust for word in leading), math.log(crowd))


@dataclass(frozen=True, slots=True)
class _Word:
    """What a voice says of one field."""

    ticket_id: str
    similarity: float
    label: str
    by: str
    at: datetime
    trust: float


def _last_words(words: Iterable[_Word], same: float) -> list[_Word]:
    """One word per ticket, and one per account for what is nearly the text itself: the later replaces the earlier, unless
    the earlier account is trusted more."""
    kept: dict[tuple[str, str], _Word] = {}
    for word in sorted(words, key=lambda w: (w.trust, w.at, w.ticket_id, w.by, w.label)):
        kept["ticket", word.ticket_id] = word
    single: dict[tuple[str, str], _Word] = {}
    for word in sorted(kept.values(), key=lambda w: (w.at, w.ticket_id)):
        single[("account", word.by) if word.similarity >= same else ("ticket", word.ticket_id)] = word
    return list(single.values())


def _shares(words: Sequence[_Word], weighing: Weighing) -> dict[str, float]:
    """How much of a say each label has. An account has one say, as large as its nearest voice is near, and divides it
    between the labels that it told around here."""
    nearest = max(word.similarity for word in words)
    by_account: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    say: dict[str, float] = defaultdict(float)
    close = []
    for word in words:
        near = math.exp((word.similarity - nearest) / weighing.heat)
        by_account[word.by][word.label] += near
        say[word.by] = max(say[word.by], near * word.trust)
        if near >= _CLOSE:
            close.append(word)
    shares: dict[str, float] = defaultdict(float)
    for account, told in by_account.items():
        total = math.fsum(told.values())
        for label, near in told.items():
            shares[label] += say[account] * near / total
    if len(close) == 2 and close[0].label != close[1].label and close[0].trust == close[1].trust:
        older = min(close, key=lambda w: (w.at, w.ticket_id))
        shares[older.label] *= weighing.elder
    return shares


def examples(
    found: Iterable[Neighbour], k: int, field: str, per_label: int = 2, words: int = 400, language: str = ""
) -> tuple[Neighbour, ...]:
    """Solved tickets to show to a language model, nearest first: at most k, at most `per_label` with one label of the
    field, none that repeats another one (four of five words in common), none without text, `words` words in all. One in
    another language than `language` counts as farther than it is."""

    def far(one: Neighbour) -> float:
        foreign = language and one.language and one.language != language
        return (_FOREIGN if foreign else 0.0) - one.similarity

    chosen: list[tuple[Neighbour, frozenset[str]]] = []
    labels: Counter[str] = Counter()
    room = words
    for each in sorted(found, key=lambda n: (far(n), n.id)):
        said = _WORD.findall(each.text.casefold())
        own, label = frozenset(said), each.labels.get(field, "")
        if len(chosen) == k:
            break
        if not own or len(said) > room or (label and labels[label] == per_label):
            continue
        if any(len(own & other) >= 0.8 * len(own | other) for _, other in chosen):
            continue
        chosen.append((each, own))
        labels[label] += 1
        room -= len(said)
    return tuple(each for each, _ in chosen)
