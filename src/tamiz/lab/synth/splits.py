"""Which split a scenario or a phrase belongs to: decided by the bank alone, the same for every seed of the generator."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
SHARES: Mapping[Split, float] = {"train": 0.7, "valid": 0.1, "test": 0.2}

_SALT = "tamiz-synth-1"
# 70 / 10 / 20 %, interleaved so that short lists get a test share too.
_DEAL: tuple[Split, ...] = (
    "train", "train", "test", "train", "train", "valid", "train", "train", "test", "train",
)  # fmt: skip


def deal(keys: Iterable[str]) -> dict[str, Split]:
    """Key → split, 70 / 10 / 20 %, by the order of the keys' hashes: the same keys always get the same splits."""
    return {key: _DEAL[i % len(_DEAL)] for i, key in enumerate(sorted(keys, key=_rank))}


def deal_stratified(labels: Mapping[str, Iterable[str]]) -> dict[str, Split]:
    """Key → split such that every label gets its share of each split, the rarest labels first.

    `labels` maps a key to its labels. Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011); a label of
    three keys or more has one in the test.
    """
    waiting = {key: tuple(own) for key, own in sorted(labels.items(), key=lambda item: _rank(item[0]))}
    counts = Counter(label for own in waiting.values() for label in own)
    wanted = {split: {la: share * n for la, n in counts.items()} for split, share in SHARES.items()}
    room = {split: share * len(waiting) for split, share in SHARES.items()}
    dealt: dict[str, Split] = {}
    while waiting:
        left = Counter(label for own in waiting.values() for label in own)
        rarest = min(left, key=lambda label: (left[label], label))
        for key in [key for key, own in waiting.items() if rarest in own]:
            split = max(SPLITS, key=lambda s: (wanted[s][rarest], room[s]))
            dealt[key] = split
            room[split] -= 1
            for label in waiting.pop(key):
                wanted[split][label] -= 1
    return dealt


def _rank(key: str) -> str:
    return hashlib.sha256(f"{_SALT}|{key}".encode()).hexdigest()
