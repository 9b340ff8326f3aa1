"""Which tickets train, which calibrate and which are judged in a backtest."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tamiz.domain.errors import DataError
from tamiz.lab.data.example import Example
from tamiz.lab.data.splits import group_disjoint, tied, time_ordered, unseen
from tamiz.lab.fused import Slices

MOST = 60_000
"""Tickets that a backtest uses; of a larger export the newest."""
SHARES = {"train": 0.64, "calibrate": 0.16, "judged": 0.20}
_FEWEST = 10
_DATED = 0.8
_MOMENTS = 10


@dataclass(frozen=True, slots=True)
class Cut:
    """The slices, the judged rows, and how they were made, in words. `repeats` are the newest rows that say what an
    earlier one said already; no figure of quality counts them."""

    slices: Slices
    judged: Sequence[Example]
    how: str
    repeats: Sequence[Example] = ()

    @property
    def calibrated(self) -> float:
        """The share of all rows that calibrates."""
        return len(self.slices.calibrate) / (len(self.slices.all) + len(self.judged) + len(self.repeats))


def newest(examples: Sequence[Example], seed: int) -> tuple[list[Example], list[str]]:
    """At most MOST rows, the newest by time or else drawn at random, and what to say about it."""
    if len(examples) <= MOST:
        return list(examples), []
    if _has_times(examples):
        kept = sorted(examples, key=lambda e: e.time)[-MOST:]
        return kept, [f"of {len(examples):,} tickets the newest {MOST:,} were used"]
    drawn = sorted(random.Random(seed).sample(range(len(examples)), MOST))
    return [examples[i] for i in drawn], [f"of {len(examples):,} tickets {MOST:,} were drawn at random"]


def cut(examples: Sequence[Example], field: str, seed: int) -> Cut:
    """Cut by time where there are times, else at random by groups; DataError when a slice stays too small."""
    found = _by_time(examples) if _has_times(examples) else _at_random(examples, field, seed)
    sizes = {
        "train": len(found.slices.train),
        "calibrate": len(found.slices.calibrate),
        "judge": len(found.judged),
    }
    for purpose, size in sizes.items():
        if size < _FEWEST:
            raise DataError(
                path="backtest",
                mistake=f"only {size} distinct tickets are left to {purpose} on; the export repeats itself too much, "
                "or is too small",
            )
    return found


def _has_times(examples: Sequence[Example]) -> bool:
    moments = [e.time for e in examples if e.time]
    return len(moments) >= _DATED * len(examples) and len(set(moments)) >= _MOMENTS


def _by_time(examples: Sequence[Example]) -> Cut:
    split = time_ordered(examples, SHARES)
    calibrate = unseen(split["calibrate"], split["train"])
    kept = {id(e) for e in calibrate}
    train = [*split["train"], *(e for e in split["calibrate"] if id(e) not in kept)]
    judged = unseen(split["judged"], [*split["train"], *split["calibrate"]])
    kept = {id(e) for e in judged}
    repeats = [e for e in split["judged"] if id(e) not in kept]
    oldest = min(e.time for e in examples if e.time)
    first, last = split["judged"][0].time, split["judged"][-1].time
    how = (
        f"By time: tickets from {oldest[:10]} on train, the newest fifth ({first[:10]} to {last[:10]}) is judged, and "
        "the newest fifth of the others calibrates. Newer tickets that repeat an older text are left out of the figures, "
        "so that memory does not pass for skill."
    )
    return Cut(Slices(train, calibrate), judged, how, repeats)


def _at_random(examples: Sequence[Example], field: str, seed: int) -> Cut:
    split = group_disjoint(tied(examples), SHARES, seed, field)
    how = (
        "At random, because the export has no usable times: near duplicates and texts of one template stay on one side. "
        "Real tickets change over time, so expect a little less than this."
    )
    return Cut(Slices(split["train"], split["calibrate"]), split["judged"], how)
