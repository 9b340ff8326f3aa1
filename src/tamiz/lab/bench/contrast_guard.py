"""What the guard of the cache lets through: alone, beside the cosine, and where the model files both tickets alike.

The parts: the three of `contrast_bank.toml` and "grown", by which lists and rules were made; "judgement", "second" and "third", each
written before its one look. What each first look showed stands in `docs/lab-log.md`; after it the part served development too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamiz.domain.budget import upper_bound
from tamiz.domain.triage import Prediction
from tamiz.lab.bench.contrast_pairs import JUDGED, SAME, Pair, judgement
from tamiz.models.encoder import EncoderModel
from tamiz.text.contrast import refusals

USUAL = 0.80
"""A cosine from which caches commonly share an answer."""
SURE = 0.05
BATCH = 64


@dataclass(slots=True)
class Seen:
    """A model that looks at each text once."""

    model: EncoderModel
    known: dict[str, Prediction]

    def look(self, texts: Iterable[str]) -> None:
        """Predict the texts that were not seen before."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self.known]
        for start in range(0, len(fresh), BATCH):
            batch = fresh[start : start + BATCH]
            self.known.update(zip(batch, self.model.predict(batch), strict=True))

    def cosines(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """The cosine of every pair [N]."""
        self.look(text for pair in pairs for text in pair)
        one, other = (
            np.array([self.known[pair[side]].embedding for pair in pairs], np.float64) for side in (0, 1)
        )
        return np.asarray((one * other).sum(axis=1))

    def alike(self, a: str, b: str) -> bool:
        """Is the most likely label of every field the same for both texts, which were looked at?"""
        one, other = (self.known[text].distributions for text in (a, b))
        return all(one[field].best[0] == other[field].best[0] for field in one)


def shares(shared: NDArray[np.bool_], same: NDArray[np.bool_]) -> dict[str, Any]:
    """Of pairs that differ, how many would share an answer (with an exact bound at 95 %); of those that mean the same, how
    many would."""
    wrong, rows = int(shared[~same].sum()), int((~same).sum())
    return {
        "different": rows,
        "wrong": wrong,
        "wrong_at_most": upper_bound(wrong, rows, SURE) if rows else None,
        "same": int(same.sum()),
        "passed": int(shared[same].sum()),
    }


def guard_figures(seen: Seen, own: Sequence[Pair]) -> dict[str, dict[str, Any]]:
    """By part and way of deciding, how many pairs would share an answer; `own` are the pairs of the bank."""
    parts: dict[str, list[Pair]] = {}
    for pair in (*own, *(pair for name in JUDGED for pair in judgement(name))):
        parts.setdefault(pair.half, []).append(pair)
    return {name: _ways(seen, pairs) for name, pairs in parts.items()}


def _ways(seen: Seen, pairs: Sequence[Pair]) -> dict[str, Any]:
    close = seen.cosines([(p.a, p.b) for p in pairs])
    same = np.array([p.kind == SAME for p in pairs])
    alike = np.array([seen.alike(p.a, p.b) for p in pairs])
    free = np.array([not refusals(p.a, p.b, cosine) for p, cosine in zip(pairs, close, strict=True)])
    strict = np.array([not refusals(p.a, p.b, 0.0) for p in pairs])
    near = close >= USUAL
    return {
        f"cosine ≥ {USUAL:.2f}, same labels": shares(near & alike, same),
        "guard": shares(free, same),
        f"guard, cosine ≥ {USUAL:.2f}": shares(free & near, same),
        f"guard, cosine ≥ {USUAL:.2f}, same labels": shares(free & near & alike, same),
        "guard that pardons nothing": shares(strict, same),
        f"guard that pardons nothing, cosine ≥ {USUAL:.2f}, same labels": shares(strict & near & alike, same),
    }
