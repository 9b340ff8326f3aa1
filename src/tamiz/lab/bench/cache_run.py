"""A cache at work on a stream, by the checks of `pipeline.recall` one after the other; the truth counts its mistakes.

What a ticket would have got without the cache is the truth itself (an oracle in the place of the language model), asked for
the fields that the encoder leaves open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamiz.domain.budget import upper_bound
from tamiz.domain.gate import Policy, decide
from tamiz.domain.records import Record
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Decision, Reason
from tamiz.domain.vectors import digest
from tamiz.lab.bench.cache_rows import Rows, Units
from tamiz.lab.bench.cache_stream import alike, same
from tamiz.pipeline.recall import Guard, unlike
from tamiz.service.recall import DELTA, NEAREST, NEWEST, CachePolicy
from tamiz.service.reuse import sampled
from tamiz.text.contrast import between
from tamiz.text.contrast_reading import Reading, read
from tamiz.text.gist import gist

Ints = NDArray[np.int64]
BLOCK = 256


@dataclass(frozen=True, slots=True)
class Way:
    """What is checked before an answer is served to other words than its own. `settled`: no answer that was itself taken
    over so, and none that was wrong before; `budget`: the share of wrong answers at which the cache shuts, None: never."""

    guard: Guard = field(default_factory=Guard)
    agree: bool = True
    contrast: bool = True
    settled: bool = True
    budget: float | None = 0.01
    again: float = 0.05
    nearest: int = NEAREST


@dataclass(frozen=True, slots=True)
class Near:
    """For each of N tickets the earlier ones that are nearest [N, K], nearest first, with their cosines; -1 where there
    are fewer."""

    places: Ints
    cosines: Units


@dataclass(frozen=True, slots=True)
class Outcome:
    """Ticket by ticket, whose answer it was given: itself, or an earlier one; and how: "" (worked out), exact, verified or
    withheld. `rows` are the tickets."""

    rows: Rows
    source: Sequence[int]
    tiers: Sequence[str]

    def counts(self, start: int = 0, end: int | None = None) -> dict[str, Any]:
        """Hits and wrong hits of a stretch; `wrong` asks for another request, `labels` has another label."""
        found: dict[str, Any] = {
            "tickets": 0,
            "exact": 0,
            "exact_wrong": 0,
            "exact_labels": 0,
            "verified": 0,
            "wrong": 0,
            "labels": 0,
        }
        for i in range(start, len(self.tiers) if end is None else end):
            found["tickets"] += 1
            tier = self.tiers[i]
            if tier not in ("exact", "verified"):
                continue
            a, b = self.rows.arrivals[i], self.rows.arrivals[self.source[i]]
            found[tier] += 1
            found["wrong" if tier == "verified" else "exact_wrong"] += not same(a, b)
            found["labels" if tier == "verified" else "exact_labels"] += not alike(a, b)
        found["at_most"] = (
            upper_bound(found["wrong"], found["verified"], DELTA) if found["verified"] else None
        )
        return found


def nearest(units: Units, k: int, keep: int = 20_000) -> Near:
    """The k nearest among the `keep` tickets before each."""
    count = len(units)
    places, cosines = np.full((count, k), -1, np.int64), np.full((count, k), -1.0, np.float32)
    for start in range(0, count, BLOCK):
        end = min(start + BLOCK, count)
        first = max(0, start - keep)
        scores = units[start:end] @ units[first:end].T
        for row in range(end - start):
            skipped = max(0, start + row - keep - first)
            known = scores[row, skipped : start + row - first]
            best = np.argpartition(-known, k - 1)[:k] if k < len(known) else np.arange(len(known))
            best = best[np.lexsort((best, -known[best]))]
            places[start + row, : len(best)] = best + first + skipped
            cosines[start + row, : len(best)] = known[best]
    return Near(places, cosines)


class Checks:
    """What speaks against a pair of tickets, each asked once."""

    def __init__(self, rows: Rows, taxonomy: Taxonomy, policy: Policy) -> None:
        self.rows, self.taxonomy = rows, taxonomy
        self.asked = [asked(taxonomy, policy, prediction) for prediction in rows.predictions]
        self._contrasts: dict[tuple[str, str], str] = {}
        self._readings: dict[str, Reading] = {}

    def contrasts(self, i: int, j: int) -> str:
        """The first kind of difference between two texts, or nothing."""
        a, b = (self.rows.arrivals[x].text.text for x in (i, j))
        if (a, b) not in self._contrasts:
            cosine = float(self.rows.units[i] @ self.rows.units[j])
            differences = between(self._read(a), self._read(b), cosine)
            self._contrasts[a, b] = differences[0].kind.value if differences else ""
        return self._contrasts[a, b]

    def _read(self, text: str) -> Reading:
        if text not in self._readings:
            self._readings[text] = read(gist(text))
        return self._readings[text]

    def agree(self, i: int, j: int, guard: Guard) -> bool:
        """Does the model see the same in ticket i and an earlier one, in one language, of whole texts?"""
        a, b = (self.rows.arrivals[x].text for x in (i, j))
        if a.language != b.language or {*a.flags, *b.flags} & {"truncated"}:
            return False
        now, then = (self.rows.predictions[x] for x in (i, j))
        return not unlike(now, then, self.asked[j], self.taxonomy, guard)


def asked(taxonomy: Taxonomy, policy: Policy, prediction: Any) -> frozenset[str]:
    """The fields that a language model would be asked for, as `pipeline.cascade.question` has it."""
    outcomes = decide(taxonomy, prediction, policy)
    if any(outcome.reason is Reason.OUT_OF_SCOPE for outcome in outcomes.values()):
        return frozenset()
    return frozenset(
        f.name
        for f in taxonomy.predicted
        if outcomes[f.name].reason in (Reason.LOW_CONFIDENCE, Reason.DEPENDS)
        and outcomes[f.name].decision is Decision.REVIEW
    )


class Simulation:
    """One way on one stream."""

    def __init__(self, checks: Checks, near: Near, way: Way) -> None:
        self.checks, self.near, self.way, self.rows = checks, near, way, checks.rows
        count = len(self.rows.arrivals)
        self.source = list(range(count))
        self.tiers = [""] * count
        self.fit = [True] * count
        self.disputed: set[int] = set()
        self.verdicts: list[bool] = []
        self.by_text: dict[str, list[int]] = {}

    def run(self) -> Outcome:
        """All tickets, one after the other."""
        policy = CachePolicy(budget=self.way.budget) if self.way.budget is not None else None
        for i, arrival in enumerate(self.rows.arrivals):
            equal = self.by_text.setdefault(digest(arrival.text.text), [])
            if (j := self._equal(equal)) is not None:
                self.source[i], self.tiers[i] = self.source[j], "exact"
            elif (j := self._verified(i)) is not None:
                self._serve(i, j, policy is None or policy.holds(self._record()))
            equal.append(i)
        return Outcome(self.rows, self.source, self.tiers)

    def _equal(self, equal: Sequence[int]) -> int | None:
        return next((j for j in reversed(equal) if not self.way.settled or self._settled(j)), None)

    def _settled(self, j: int) -> bool:
        return self.fit[j] and self.source[j] not in self.disputed

    def _verified(self, i: int) -> int | None:
        way = self.way
        pairs = zip(self.near.places[i, : way.nearest], self.near.cosines[i, : way.nearest], strict=True)
        for place, cosine in pairs:
            j = int(place)
            if j < 0 or cosine < way.guard.similarity:
                return None
            if way.settled and not self._settled(j):
                continue
            if way.agree and not self.checks.agree(i, j, way.guard):
                continue
            if way.contrast and self.checks.contrasts(i, j):
                continue
            return j
        return None

    def _serve(self, i: int, j: int, opened: bool) -> None:
        """Serve the answer of j to i, unless the cache is shut; a share of what is served is worked out all the same."""
        judged = not opened or (self.way.budget is not None and sampled(f"ticket-{i}", self.way.again))
        if opened:
            self.tiers[i] = "verified"
            self.source[i] = self.source[j]
            self.fit[i] = judged
        else:
            self.tiers[i] = "withheld"
        if judged:
            self._judge(i, self.source[j])

    def _judge(self, i: int, source: int) -> None:
        """A re-run knows the primary field alone. What was worked out is an answer of its own from here on."""
        primary = self.checks.taxonomy.primary
        a, b = (self.rows.arrivals[x].labels[primary] for x in (i, source))
        self.verdicts.append(a != b)
        if a != b:
            self.disputed.add(source)

    def _record(self) -> Record:
        newest = self.verdicts[-NEWEST:]
        return Record(len(newest), sum(newest))


def fixed(rows: Rows, near: Near, threshold: float) -> Outcome:
    """The usual rule: the nearest earlier ticket from this cosine on, whatever its own answer came from."""
    source, tiers = list(range(len(rows.arrivals))), [""] * len(rows.arrivals)
    texts = [a.text.text for a in rows.arrivals]
    for i in range(len(rows.arrivals)):
        j = int(near.places[i, 0])
        if j >= 0 and near.cosines[i, 0] >= threshold:
            source[i] = source[j]
            tiers[i] = "exact" if texts[i] == texts[j] else "verified"
    return Outcome(rows, source, tiers)


def best_fixed(rows: Rows, near: Near, budget: float, thresholds: Sequence[float]) -> Mapping[str, Any]:
    """The threshold with the most hits among those of which no more than this share of the hits beyond equal texts was
    wrong, chosen with the whole stream in view: better than anybody could choose it."""
    found: dict[str, Any] = {"threshold": None, "counts": fixed(rows, near, 2.0).counts()}
    for threshold in thresholds:
        counts = fixed(rows, near, threshold).counts()
        held = counts["verified"] and counts["wrong"] <= budget * counts["verified"]
        if held and counts["verified"] >= found["counts"]["verified"]:
            found = {"threshold": threshold, "counts": counts}
    return found
