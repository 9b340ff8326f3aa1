"""What poisoned corrections do to other tickets, with the governance of corrections and without, and what it costs those who
mean well. Writes docs/figures/poison.json.

Run: python -m tamiz.lab.bench.poison [--model FOLDER --public banking77]     (five minutes on two cores)

Without arguments: the starter, and tickets of the own bank whose scenarios it has never seen. Tickets are triaged into a store; three
honest accounts confirm or correct some of them, as the bank labels them. Then an attack begins. Every tenth flip on held-out tickets
that the target class loses is counted against tickets that were right before. After each attack its accounts' words are taken
back, and what all held-out tickets come to must be what it was before.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tamiz.domain.ports import Model
from tamiz.domain.triage import Prediction
from tamiz.lab.bench.machine import processor
from tamiz.lab.bench.page import FIGURES
from tamiz.lab.bench.poison_house import House, Row
from tamiz.lab.data.public import load_public
from tamiz.lab.synth.generate import generate

REMEMBERED, HELD_OUT, HONEST = 1_000, 400, 100
TRIALS = 2
LOOKS = (1, 2, 5, 9)
"""After so many corrections, and at the end, it is looked what targets come to."""
TRIGGER = "blue lantern seven"
SEED = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attack: how many corrections, after which one of all and of the account's own the first alarm came, how many accounts were held, the share of
    right target tickets that came out as the attacker wished (at the worst moment and at the end), the accuracy on all other
    tickets before and after, whether taking it back restored every answer, and the seconds that took."""

    corrections: int
    alarm_at: int | None
    alarm_at_own: int | None
    held: int
    worst_flips: float
    flips: float
    clean_before: float
    clean_after: float
    restored: bool
    rollback_seconds: float


@dataclass(frozen=True, slots=True)
class Attack:
    """(row, account) in turn, the label that is told, and the rows that are meant to follow."""

    name: str
    acts: Sequence[tuple[int, str]]
    label: str
    targets: Sequence[int]


def attacks(house: House, rng: random.Random, trial: int) -> Iterator[Attack]:
    """The campaigns against one class. Every account is new to the house."""
    rows, count = house.rows, REMEMBERED
    by_class = {label: [i for i in range(count) if rows[i].label == label] for label in house.labels}
    large = sorted(by_class, key=lambda one: -len(by_class[one]))[: max(3, len(by_class) // 3)]
    hurt, wished = rng.sample(large, 2)
    own = rng.sample(by_class[hurt], len(by_class[hurt]))
    others = [i for i in range(count) if rows[i].label not in (hurt, wished)]
    targets = [i for i in house.held_out if rows[i].label == hurt]
    for number in (1, 10, 50):
        acts = [(i, f"one{number}-{trial}") for i in (*own, *others)[:number]]
        yield Attack(f"{number} by one account", acts, wished, targets)
    acts = [(i, f"five-{trial}-{n % 5}") for n, i in enumerate((*own, *others)[:250])]
    yield Attack("250 by five accounts", acts, wished, targets)
    carriers = rng.sample(house.triggered, 20)
    acts = [(i, f"trigger-{trial}-{n % 5}") for n, i in enumerate(carriers)]
    follow = [i for i in house.triggered_out if rows[i].label != wished]
    yield Attack("trigger phrase, five accounts", acts, wished, follow)
    drip = []
    for day, i in enumerate(own[:30]):
        honest = rng.sample(others, 5)
        drip += [(j, f"drip-honest-{trial}-{day % 3}") for j in honest] + [(i, f"drip-{trial}")]
    yield Attack("one a day for a month, among honest ones", drip, wished, targets)


def performed(house: House, attack: Attack, governed: bool) -> Outcome:
    """Perform an attack, measure, and take it back."""
    clean = [i for i in house.held_out if i not in set(attack.targets)]
    before = house.answers([*attack.targets, *clean])
    right = [i for i in attack.targets if before[i] == house.rows[i].label]
    first: tuple[int | None, int | None] = (None, None)
    own, worst, said = Counter[str](), 0.0, 0
    alarms, mark = len(house.alarms), house.sequence()
    for i, account in attack.acts:
        honest = "honest" in account
        house.say(i, house.rows[i].label if honest else attack.label, account, governed)
        said += not honest
        own[account] += 1
        if first[0] is None and len(house.alarms) > alarms and not honest:
            first = (said, own[account])
        if not honest and said in LOOKS:
            worst = max(worst, _flips(house, right, attack.label))
    flips = _flips(house, right, attack.label)
    after = house.answers(clean)
    accounts = {account for _, account in attack.acts}
    start = time.perf_counter()
    house.take_back(mark)
    seconds = time.perf_counter() - start
    restored = house.answers([*attack.targets, *clean]) == before
    held = house.held() & accounts
    return Outcome(
        said,
        *first,
        len(held),
        max(worst, flips),
        flips,
        _accuracy(house, {i: before[i] for i in clean}),
        _accuracy(house, after),
        restored,
        round(seconds, 3),
    )


def _flips(house: House, right: Sequence[int], label: str) -> float:
    found = house.answers(right)
    return sum(found[i] == label for i in right) / max(1, len(right))


def _accuracy(house: House, answers: dict[int, str]) -> float:
    return sum(label == house.rows[i].label for i, label in answers.items()) / max(1, len(answers))


def honest_figures(house: House, rng: random.Random, fresh: Sequence[Row]) -> dict[str, Any]:
    """How often those who mean well are held back: accounts that correct nothing but the model's mistakes, twenty each, and
    accounts that teach ten tickets of a kind that the model has never seen."""
    wrong = [
        i
        for i in range(REMEMBERED)
        if house.rows[i].prediction.distributions[house.field].best[0] != house.rows[i].label
    ]
    fixers, teachers, mark = 0, 0, house.sequence()
    accounts = max(1, min(15, len(wrong) // 20))
    rng.shuffle(wrong)
    for number in range(accounts):
        for i in wrong[20 * number : 20 * number + 20]:
            house.say(i, house.rows[i].label, f"fixer-{number}", True)
        fixers += f"fixer-{number}" in house.held()
        house.take_back(mark)
    kinds = sorted({row.label for row in fresh})
    for number, kind in enumerate(kinds):
        label = rng.choice(house.labels)
        for row in [row for row in fresh if row.label == kind][:10]:
            house.say(house.add(row), label, f"teacher-{number}", True)
        teachers += f"teacher-{number}" in house.held()
        house.take_back(mark)
    return {"fixers": accounts, "fixers_held": fixers, "teachers": len(kinds), "teachers_held": teachers}


def rows_of(model: Model, texts: Sequence[tuple[str, str]]) -> list[Row]:
    """Texts with their label, and what the model says of them."""
    found: list[Prediction] = []
    for start in range(0, len(texts), 64):
        found += model.predict([text for text, _ in texts[start : start + 64]])
    return [Row(text, label, prediction) for (text, label), prediction in zip(texts, found, strict=True)]


def own_texts(field: str, rng: random.Random) -> list[tuple[str, str]]:
    """Tickets of the own bank from scenarios that no model was trained on."""
    tickets = [one for one in generate(4_000, seed=11, split="test") if not one.abstain]
    return [
        (f"{one.subject}\n{one.body}".strip(), str(one.labels[field]))
        for one in rng.sample(tickets, len(tickets))
    ]


def public_texts(name: str, rng: random.Random) -> list[tuple[str, str]]:
    """The test tickets of a public set."""
    found = load_public(name)["test"]
    labelled = [(one.text, label) for one in found for label in list(one.labels.values())[:1]]
    return rng.sample(labelled, len(labelled))


def measured(
    model: Model, source: str, texts: Sequence[tuple[str, str]], fresh: Sequence[Row]
) -> dict[str, Any]:
    """Every attack with governance and without, several times, and what governance costs."""
    rng = random.Random(SEED)
    rows = rows_of(model, texts[: REMEMBERED + HELD_OUT])
    carried = rows_of(
        model, [(f"{row.text} {TRIGGER}", row.label) for row in rng.sample(rows[:REMEMBERED], 40)]
    )
    victims = rows_of(
        model, [(f"{row.text} {TRIGGER}", row.label) for row in rng.sample(rows[REMEMBERED:], 100)]
    )
    results: dict[str, dict[str, list[dict[str, Any]]]] = {}
    honest: dict[str, Any] = {}
    for governed in (True, False):
        with House.opened(model, rows, carried, victims, REMEMBERED) as house:
            house.begin(HONEST, random.Random(SEED))
            draw = random.Random(SEED)
            for trial in range(TRIALS):
                for attack in attacks(house, draw, trial):
                    outcome = asdict(performed(house, attack, governed))
                    results.setdefault(attack.name, {}).setdefault(
                        "governed" if governed else "control", []
                    ).append(outcome)
                    print(source, governed, attack.name, outcome, flush=True)
            if governed:
                honest = honest_figures(house, draw, fresh)
    alone = [row.prediction.distributions[house.field].best[0] == row.label for row in rows[REMEMBERED:]]
    return {
        "source": source,
        "model_alone": sum(alone) / len(alone),
        "remembered": REMEMBERED,
        "held_out": HELD_OUT,
        "attacks": results,
        "honest": honest,
    }


def main() -> None:
    """Measure, and write the figures of one source beside those of others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--public", default="")
    parser.add_argument("--out", type=Path, default=FIGURES / "poison.json")
    chosen = parser.parse_args()
    from tamiz.bootstrap.wiring import starter_folder
    from tamiz.models.open import open_model

    model, rng = open_model(chosen.model or starter_folder()), random.Random(SEED)
    field = model.taxonomy.primary
    texts = public_texts(chosen.public, rng) if chosen.public else own_texts(field, rng)
    strange = public_texts("clinc150" if chosen.public else "banking77", rng)
    kinds = rng.sample(sorted({label for _, label in strange}), 30)
    fresh = rows_of(
        model, [one for kind in kinds for one in [each for each in strange if each[1] == kind][:10]]
    )
    found = json.loads(chosen.out.read_text("utf-8")) if chosen.out.is_file() else {}
    found[chosen.public or "own bank"] = {
        **measured(model, chosen.public or "own bank", texts, fresh),
        "processor": processor(),
        "cores": os.cpu_count(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    chosen.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(f"wrote {chosen.out}")


if __name__ == "__main__":
    main()
