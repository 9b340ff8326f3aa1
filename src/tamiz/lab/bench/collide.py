"""Texts made to lie beside another request in the space of embeddings: which of them get its answer. Writes
docs/figures/collide.json.

Run: python -m tamiz.lab.bench.collide [--attacks 400] [--keep FOLDER]     (a quarter of an hour on two cores)

Somebody who has the encoder's file adds words to a request of their own until its embedding lies as near to another request
as they can bring it (hill climbing from their own words, and from those with the other text behind them): so that their
answer is served to others, or that of others to them. Requests are plain tickets of scenarios that no training saw, and
opposites; attacker and target ask different things in one language. Every pair is put to the checks of the cache one after the
other, as an answer that a model gave and as one that a person gave.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tamiz.bootstrap.wiring import starter_folder
from tamiz.domain.budget import upper_bound
from tamiz.lab.bench.cache_rows import Units, rows_of
from tamiz.lab.bench.cache_run import Checks, Way
from tamiz.lab.bench.cache_stream import Arrival, Source, act_id, bare, judged, plain
from tamiz.lab.bench.page import FIGURES, written
from tamiz.lab.synth.bank import default_bank
from tamiz.models.encoder import EncoderModel
from tamiz.pipeline.recall import Guard, unlike
from tamiz.service.recall import DELTA

SEED = 1
LONGEST = 16
"""Words that an attacker adds at most, beside the target's own."""
STEPS, WIDTH = 16, 8
"""Rounds of hill climbing, and texts that are tried in each."""
FOREIGN = 0.3
"""Share of added words that come from elsewhere than the target."""
USUAL = 0.80
OPPOSITES = 0.5
"""Share of attacks of which attacker and target are opposites."""

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attack:
    """What an attacker asks, the request whose place they want, and the text that they found."""

    own: Arrival
    target: Arrival
    found: str
    cosine: float


def pairs(source: Source, count: int, random: Random) -> list[tuple[Arrival, Arrival]]:
    """Two requests each, of one language, that must not share an answer."""
    names = sorted({key.split("-")[0] for key in source.acts})
    found: list[tuple[Arrival, Arrival]] = []
    while len(found) < count:
        language = random.choice(("en", "es"))
        if random.random() < OPPOSITES:
            name, place = random.choice(names), random.randrange(3)
            sides = (source.acts[act_id(name, language, place, side)] for side in random.sample("ab", 2))
            one, other = (plain(side, language, random.randrange(4)) for side in sides)
        else:
            a, b = random.sample(list(source.scenarios), 2)
            one, other = (
                plain(each, language, random.randrange(len(each.bodies[language]))) for each in (a, b)
            )
        if "{" not in one.text.text + other.text.text:
            found.append((one, other))
    return found


@dataclass(frozen=True, slots=True)
class Attacker:
    """Somebody with the encoder, words of every language, and patience for so many rounds."""

    model: EncoderModel
    vocabulary: Mapping[str, Sequence[str]]
    random: Random
    steps: int

    def attack(self, own: Arrival, target: Arrival) -> Attack:
        """The nearest text that was found: the attacker's own request stands at its beginning as it is."""
        aim = self.model.embed([target.text.text])[0]
        words = tuple(target.text.text.split())
        best, chosen = self._nearest(own, aim, [(), words])
        for _ in range(self.steps):
            tried = [self._changed(chosen, words, own.text.language) for _ in range(WIDTH)]
            near, one = self._nearest(own, aim, tried)
            if near > best:
                best, chosen = near, one
        return Attack(own, target, _text(own, chosen), best)

    def _nearest(self, own: Arrival, aim: Units, tried: Sequence[Words]) -> tuple[float, Words]:
        units = self.model.embed([_text(own, one) for one in tried])
        return max(zip((units @ aim).tolist(), tried, strict=True))

    def _changed(self, behind: Words, words: Words, language: str) -> Words:
        """One word more, less, or another."""
        random = self.random
        word = random.choice(self.vocabulary[language] if random.random() < FOREIGN else words)
        place = random.randrange(len(behind) + 1)
        how = random.choice(("more", "less", "other"))
        if how == "more" and len(behind) < LONGEST + len(words):
            return (*behind[:place], word, *behind[place:])
        if how == "less":
            return (*behind[:place], *behind[place + 1 :])
        return (*behind[:place], word, *behind[place + 1 :])


def _text(own: Arrival, behind: Sequence[str]) -> str:
    return " ".join((own.text.text, *behind))


def decided(model: EncoderModel, attacks: Sequence[Attack], keep: Path) -> dict[str, int]:
    """How many attacks pass each check, and those before it."""
    rows = rows_of(model, [each for one in attacks for each in (bare(one.found), one.target)], keep)
    checks, guard = Checks(rows, model.taxonomy, model.policy), Way().guard
    found = dict.fromkeys(("usual", "near", "agree", "served", "told"), 0)
    for number, one in enumerate(attacks):
        i, j = 2 * number, 2 * number + 1
        near = one.cosine >= guard.similarity
        words = near and not checks.contrasts(i, j)
        agree = near and checks.agree(i, j, guard)
        found["usual"] += one.cosine >= USUAL
        found["near"] += near
        found["agree"] += agree
        found["served"] += words and agree
        found["told"] += words and _same_mistake(checks, i, j, guard)
    return found


def _same_mistake(checks: Checks, i: int, j: int, guard: Guard) -> bool:
    """Would the answer be served, had a person said what the target's primary label is?"""
    primary = checks.taxonomy.primary
    now, then = (checks.rows.predictions[x] for x in (i, j))
    told = {primary: checks.rows.arrivals[j].labels.get(primary)}
    return not unlike(now, then, (), checks.taxonomy, guard, told)


def run(model: EncoderModel, count: int, keep: Path, steps: int = STEPS, seed: int = SEED) -> dict[str, Any]:
    """All attacks, and what became of them."""
    random = Random(seed)
    wanted = pairs(judged(default_bank()), count, random)
    vocabulary: dict[str, list[str]] = {}
    for pair in wanted:
        for one in pair:
            vocabulary.setdefault(one.text.language, []).extend(one.text.text.split())
    attacker = Attacker(model, vocabulary, random, steps)
    attacks = [attacker.attack(own, target) for own, target in wanted]
    both = (model.embed([own.text.text, target.text.text]) for own, target in wanted)
    before = [float(one @ other) for one, other in both]
    passed = decided(model, attacks, keep)
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "seed": seed,
        "attacks": len(attacks),
        "before": round(float(np.median(before)), 3),
        "after": round(float(np.median([one.cosine for one in attacks])), 3),
        "usual_before": sum(cosine >= USUAL for cosine in before),
        **passed,
        **{f"{name}_at_most": upper_bound(passed[name], len(attacks), DELTA) for name in ("served", "told")},
    }


def main() -> None:
    """Attack, and write the figures and the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--attacks", type=int, default=400)
    parser.add_argument("--keep", type=Path, default=Path(".cache-bench"))
    parser.add_argument("--out", type=Path, default=FIGURES / "collide.json")
    given = parser.parse_args()
    figures = run(EncoderModel.open(starter_folder("model")), given.attacks, given.keep)
    given.out.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    print(json.dumps(figures, indent=1))
    print(f"wrote {written()}")


if __name__ == "__main__":
    main()
