"""When a person's word is surprising, when an account has said too many such words, and when a phrase is a trigger: the
rules, as pure functions of what was said.

A surprising word alone proves nothing: people are there to contradict models. What gives poison away is that the model is
sure, that the tickets nearby bear the model out, and that it happens again and again; or that tickets which have nothing
else in common share a phrase. What is taught on tickets that are more like one another than like the rest is not surprising,
however sure the model was: that is what a new kind of ticket looks like.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from tamiz.domain.records import Against
from tamiz.domain.triage import Distribution

CONFIDENT = 0.8
"""From this probability on a model is sure."""
NEAR = 0.75
"""From this cosine on, what people said of another ticket speaks of this one."""
CLOSEST = 3
"""So many of the nearest tickets are compared: one may be near by chance."""
AROUND, BORNE_OUT = 5, 0.8
"""Of so many of the nearest tickets that nobody spoke of, this share must bear a sure model out."""
WINDOW = 20
"""An account's newest words that are looked at."""
LEAST, CHANCE = 5, 0.001
"""An account is held back from so many surprises on that have at most this probability, had it the rate of all others."""
RATES = (0.1, 0.3)
"""Bounds of that rate: of no others nothing is known, and others that conspire shall not hide one another."""
CARRIERS, PHRASE = 4, 3
"""So many tickets, and more than half of them, make a phrase a trigger; of so many words it is at most."""
RARE = 0.01
"""A phrase is rare up to this share of other tickets."""
TOPIC = 1.3
"""Texts that overlap so many times as much as others of their kind, besides the phrase, share a topic."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Beside:
    """A ticket near another one, as far as one field goes: the cosine, the label that its model gives and how sure that
    is, and what other accounts and the same account said of it (none: nobody)."""

    similarity: float
    label: str
    confidence: float
    others: tuple[str | None, ...] = ()
    own: tuple[str | None, ...] = ()

    @property
    def told(self) -> bool:
        """Has anybody said a word on it?"""
        return bool(self.others or self.own)


def against(value: str | None, model: Distribution | None, beside: Sequence[Beside]) -> Against:
    """Whom a word goes against. `beside` are the tickets nearest to this one, and the account's own latest."""
    label, confidence = model.best if model is not None else ("", 0.0)
    if label == value:
        return Against.NOBODY
    others = [said for one in beside if one.similarity >= NEAR for said in one.others]
    if sum(said != value for said in others) > sum(said == value for said in others):
        return Against.PEOPLE
    if confidence < CONFIDENT:
        return Against.NOBODY
    taught = [one.similarity for one in beside if value in one.own]
    silent = sorted((one for one in beside if not one.told), key=lambda one: -one.similarity)[:AROUND]
    agree = sum(one.label == label and one.confidence >= CONFIDENT for one in silent)
    if agree < BORNE_OUT * len(silent):
        return Against.NOBODY
    rest = [one.similarity for one in beside if not one.told and one.label == label]
    coherent = len(taught) >= CLOSEST - 1 and nearest(taught) > nearest(rest)
    return Against.TAUGHT if coherent else Against.MODEL


def nearest(similarities: Iterable[float]) -> float:
    """The mean of the closest ones; -1 where there are none."""
    found = sorted(similarities, reverse=True)[:CLOSEST]
    return math.fsum(found) / len(found) if found else -1.0


def surprising(flags: Sequence[bool], others: Sequence[bool]) -> bool:
    """Has an account said too much that surprises? `flags` are its latest acts, the newest first, `others` those of all
    other accounts."""
    latest = flags[:WINDOW]
    count = sum(latest)
    rate = (sum(others) + 1) / (len(others) + 10)
    rate = min(max(rate, RATES[0]), RATES[1])
    return count >= LEAST and tail(count, len(latest), rate) <= CHANCE


def tail(successes: int, trials: int, rate: float) -> float:
    """The probability of so many successes or more."""
    return math.fsum(
        math.comb(trials, k) * rate**k * (1.0 - rate) ** (trials - k) for k in range(successes, trials + 1)
    )


def carriers(texts: Sequence[str], others: Sequence[str]) -> list[int]:
    """Which of these texts carry a trigger; empty where no phrase is one. They were given one label against what stood
    there; `others` are texts of other tickets."""
    words, background = [_words(text) for text in texts], [_words(text) for text in others]
    shared = Counter(phrase for each in words for phrase in _phrases(each))
    least = max(CARRIERS, len(texts) // 2 + 1)
    found = [phrase for phrase, count in shared.items() if count >= least and _rare(phrase, background)]
    for phrase in sorted(found, key=lambda one: (-shared[one], -len(one), one)):
        those = [place for place, each in enumerate(words) if phrase in _phrases(each)]
        if not _topic([words[place] for place in those], phrase, background):
            return those
    return []


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.casefold()))


def _phrases(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {
        tuple(words[start : start + size])
        for size in range(1, PHRASE + 1)
        for start in range(len(words) - size + 1)
    }


def _rare(phrase: tuple[str, ...], background: Sequence[tuple[str, ...]]) -> bool:
    """Does the phrase stand in few other tickets?"""
    holding = sum(phrase[0] in words and phrase in _phrases(words) for words in background)
    return holding <= max(1.0, RARE * len(background))


def _topic(texts: Sequence[Sequence[str]], phrase: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Have these texts more in common than the phrase? They are compared with one another, and with the others that are
    nearest to each."""
    bare = [set(words) - set(phrase) for words in texts]
    rest = [set(words) for words in others]
    inside, outside = [], []
    for place, words in enumerate(bare):
        own = [_overlap(words, other) for i, other in enumerate(bare) if i != place]
        inside.append(nearest(own))
        outside.append(nearest(_overlap(words, other) for other in rest))
    return math.fsum(inside) > TOPIC * math.fsum(outside)


def _overlap(one: Collection[str], other: Collection[str]) -> float:
    both = len(set(one) & set(other))
    return both / max(1, len(one) + len(other) - both)
