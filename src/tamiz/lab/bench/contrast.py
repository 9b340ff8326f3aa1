"""Which pairs of similar texts `tamiz.text.contrast` keeps apart, beside the cosine of the starter's encoder.

Run: python -m tamiz.lab.bench.contrast (about ten minutes; TAMIZ_DATA names the folder of public pairs, if there is one).
"""

from __future__ import annotations

import csv
import json
import os
import platform
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamiz.bootstrap.wiring import starter_folder
from tamiz.lab.bench.contrast_guard import USUAL, Seen, guard_figures, shares
from tamiz.lab.bench.contrast_pairs import FRESH, HALVES, SAME, SEED, Pair, pairs
from tamiz.lab.bench.page import FIGURES, written
from tamiz.lab.data.check import LEAKS_ONLY, check
from tamiz.lab.data.example import Example
from tamiz.models.encoder import EncoderModel
from tamiz.text.contrast import Kind, contrast, refusals

PUBLIC_PAIRS = 1_000
PUBLIC = {
    "PAWS-X en": "pawsx_dev_en.csv",
    "PAWS-X es": "pawsx_dev_es.csv",
    "QQP": "qqp_sample20k.csv",
}
BACKGROUND = " The change was discussed in the weekly meeting of the branch, and the form with all details is attached."

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def own_figures(seen: Seen, seed: int = SEED) -> dict[str, Any]:
    """All parts of the own pairs, by way of deciding, and what was held out by kind and language."""
    all_pairs = pairs(seed)
    found = [contrast(p.a, p.b) for p in all_pairs]
    free = np.array([not each for each in found])
    close = seen.cosines([(p.a, p.b) for p in all_pairs])
    same = np.array([p.kind == SAME for p in all_pairs])
    parts = {name: np.array([p.half == name for p in all_pairs]) for name in (*HALVES, FRESH)}
    dev = parts[HALVES[0]]
    threshold = matching(close[dev], same[dev], free[dev])
    ways = {
        "contrast alone": free,
        f"cosine ≥ {USUAL:.2f}": close >= USUAL,
        f"cosine ≥ {threshold:.3f}, chosen on the development half": close >= threshold,
        f"cosine ≥ {USUAL:.2f} and no contrast": (close >= USUAL) & free,
    }
    halves = {
        half: {way: shares(shared[part], same[part]) for way, shared in ways.items()}
        for half, part in parts.items()
    }
    named = [
        any(d.kind is Kind.OPPOSITE for d in each)
        for p, each in zip(all_pairs, found, strict=True)
        if p.half == FRESH and p.kind == Kind.OPPOSITE and each
    ]
    return {
        "threshold": threshold,
        "halves": halves,
        "kinds": by_kind(all_pairs, free, close),
        "guard": guard_figures(seen, all_pairs),
        "opposites": {"told": len(named), "named": sum(named)},
    }


def matching(close: Floats, same: Bools, free: Bools) -> float:
    """The lowest cosine from which no more pairs that differ pass than pass the contrast."""
    allowed = int(free[~same].sum())
    ranked = np.sort(close[~same])[::-1]
    return float(np.nextafter(ranked[allowed], 2.0))


def by_kind(all_pairs: Sequence[Pair], free: Bools, close: Floats) -> list[dict[str, Any]]:
    """What was held out: pairs, and how many are let through, for each kind and language."""
    rows: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for number, pair in enumerate(all_pairs):
        if pair.half != HALVES[0]:
            rows[pair.half, pair.kind, pair.language].append(number)
    return [
        {
            "half": half,
            "kind": kind,
            "language": language,
            "pairs": len(numbers),
            "free": int(free[numbers].sum()),
            "close": int((close[numbers] >= USUAL).sum()),
        }
        for (half, kind, language), numbers in sorted(rows.items())
    ]


def public_figures(seen: Seen, folder: Path) -> dict[str, Any]:
    """Other people's pairs, of any theme: a sample of each set that is there."""
    found = {}
    for name, file in PUBLIC.items():
        path = folder / "paraphrase_pairs" / file
        if not path.is_file():
            continue
        with path.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        rows = random.Random(SEED).sample(rows, min(PUBLIC_PAIRS, len(rows)))
        same = np.array([row["label"] == "1" for row in rows])
        free = np.array([not contrast(row["text_a"], row["text_b"]) for row in rows])
        close = seen.cosines([(row["text_a"], row["text_b"]) for row in rows])
        guard = np.array(
            [
                not refusals(row["text_a"], row["text_b"], cosine)
                for row, cosine in zip(rows, close, strict=True)
            ]
        )
        found[name] = {
            "contrast alone": shares(free, same),
            f"cosine ≥ {USUAL:.2f}": shares(close >= USUAL, same),
            "both": shares((close >= USUAL) & free, same),
            "guard": shares(guard, same),
        }
    return found


def check_figures() -> dict[str, int]:
    """What `tamiz data check` lists when half of the near duplicates with two labels are opposites."""
    acts = [p for p in pairs() if p.kind == Kind.OPPOSITE and p.language == "en" and p.half == HALVES[0]]
    acts = list({frozenset((p.a, p.b)): p for p in acts if p.a[:8] == p.b[:8]}.values())[:100]
    rows: list[Example] = []
    for number, pair in enumerate(acts):
        head = f"Ticket of branch {chr(65 + number % 26)}{chr(97 + number // 26)}. "
        for text, label in ((pair.a, "do"), (pair.b, "undo")):
            rows.append(Example(str(len(rows)), head + text + BACKGROUND, {"act": label}, line=len(rows) + 1))
        slip = rows[-2].text.replace("The change", "This change")
        rows.append(Example(str(len(rows)), slip, {"act": "undo"}, line=len(rows) + 1))
    report = check({"all": rows}, "act", LEAKS_ONLY)
    return {
        "rows": len(rows),
        "slips": len(acts),
        "listed": len(report.near_contradictions),
        "explained": report.explained,
    }


def microseconds(texts: Iterable[tuple[str, str]]) -> float:
    """Mean processor time of one comparison, the best of three rounds."""
    listed = list(texts)
    rounds = []
    for _ in range(3):
        started = time.process_time()
        for one, other in listed:
            refusals(one, other, 1.0)
        rounds.append(time.process_time() - started)
    return 1e6 * min(rounds) / len(listed)


def main() -> None:
    """Measure, and write the figures and the page."""
    seen = Seen(EncoderModel.open(starter_folder("model")), {})
    report = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "python": platform.python_version(),
        "seed": SEED,
        "own": own_figures(seen),
        "public": public_figures(seen, Path(os.environ.get("TAMIZ_DATA") or "data")),
        "check": check_figures(),
        "microseconds": microseconds((p.a, p.b) for p in pairs()),
    }
    (FIGURES / "contrast.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"wrote {written()}")


if __name__ == "__main__":
    main()
