"""Error budgets: the lowest confidence at which values may be applied so that few of the applied ones are wrong.

Thresholds are tried in one sequence fixed before any answer is looked at: from the most confident rows on, taking in
less and less confident ones, with an exact binomial test at every step. A part of δ enters at each of several starts
and is carried on while tests pass; a test that fails uses up what was carried (the fallback procedure, Wiens 2003), so a
single error among the few most confident rows does not end everything. The probability that the wrong share among
applied values exceeds the budget is at most δ (in the manner of Learn-then-Test, Angelopoulos et al. 2021). A bound on the
expectation over all tickets would promise less than people hear.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

DELTA = 0.02
STEPS = 100
STARTS = (0.25, 0.5, 0.75)
"""Shares of the rows at which parts of δ enter, besides the smallest group in which a flawless record would pass."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where applying starts, and what the held-out rows showed there.

    `at` is None when no confidence satisfies the budget. `bound` is the one-sided exact upper bound on the
    wrong share among applied values.
    """

    at: float | None
    budget: float
    delta: float
    rows: int
    applied: int
    wrong: int
    bound: float

    @property
    def coverage(self) -> float:
        """Applied rows as a share of all rows."""
        return self.applied / self.rows if self.rows else 0.0


def threshold_for(
    confidences: Sequence[float],
    correct: Sequence[bool],
    budget: float,
    delta: float = DELTA,
    steps: int = STEPS,
) -> Threshold:
    """The lowest safe threshold on held-out rows: one confidence in [0, 1] and one verdict per row.

    Ties in confidence enter together. ValueError on unequal lengths.
    """
    if len(correct) != len(confidences):
        raise ValueError("confidences and correct differ in length")
    order = sorted(range(len(confidences)), key=lambda i: -confidences[i])
    ranked = [confidences[i] for i in order]
    wrong = [0, *accumulate(int(not correct[i]) for i in order)]
    parts = _parts(len(order), budget, delta)
    level, best, best_level = 0.0, 0, delta
    for size in _sizes(parts, len(order), steps):
        level += parts.get(size, 0.0)
        if not level:
            continue
        while size < len(order) and ranked[size] == ranked[size - 1]:
            size += 1
        if binomial_cdf(wrong[size], size, budget) <= level:
            best, best_level = max(best, size), level
        else:
            level = 0.0
    if not best:
        return Threshold(None, budget, delta, len(order), 0, 0, 1.0)
    bound = upper_bound(wrong[best], best, best_level)
    return Threshold(ranked[best - 1], budget, delta, len(order), best, wrong[best], bound)


def minimum_rows(budget: float, delta: float = DELTA) -> int:
    """How many rows without a single error are needed before anything may be applied."""
    return math.ceil(math.log(delta) / math.log1p(-budget))


def upper_bound(wrong: int, rows: int, delta: float = DELTA) -> float:
    """The one-sided Clopper-Pearson upper bound at level 1 - δ on an error rate with `wrong` errors in `rows`."""
    if wrong >= rows:
        return 1.0
    low, high = wrong / rows, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if binomial_cdf(wrong, rows, middle) > delta else (low, middle)
    return high


def binomial_cdf(k: int, n: int, p: float) -> float:
    """P(X <= k) for X ~ Binomial(n, p) with 0 < p < 1, summed in logarithms."""
    if k >= n:
        return 1.0
    log_p, log_q = math.log(p), math.log1p(-p)
    total = 0.0
    for i in range(k + 1):
        choose = math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1)
        total += math.exp(choose + i * log_p + (n - i) * log_q)
    return min(1.0, total)


def _parts(total: int, budget: float, delta: float) -> dict[int, float]:
    """Where parts of δ enter, in rows; together they are at most δ. Few rows allow a single start."""
    part = delta / (len(STARTS) + 1)
    least = minimum_rows(budget, part)
    if total < 2 * least:
        single = minimum_rows(budget, delta)
        return {single: delta} if single <= total else {}
    return {least: part} | {math.ceil(share * total): part for share in STARTS if share * total > least}


def _sizes(parts: dict[int, float], total: int, steps: int) -> list[int]:
    """The sizes to test, rising: the starts, and so many even steps from the first of them to all rows."""
    if not parts:
        return []
    first = min(parts)
    step = max(1, math.ceil((total - first) / steps))
    return sorted({*parts, *range(first, total, step), total})
