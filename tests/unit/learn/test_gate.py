"""The gate refuses every harm that it can show, and proposes nothing for nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import pytest

for package in ("sklearn", "scipy"):
    pytest.importorskip(package, reason="the extra 'train' is not installed")

from tamiz.domain.gate import FieldPolicy, Policy
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.lab.data.example import Example
from tamiz.lab.learn import gate
from tamiz.lab.learn.run import State
from tamiz.testing.scripted import ScriptedModel

TAXONOMY = default_taxonomy()
CATEGORY = TAXONOMY.field("category")
CRITICAL = {"urgency": "High", "impact": "High"}
Script = Callable[[str], Mapping[str, tuple[str, float]]]


def rows(count: int) -> list[Example]:
    """Tickets of every category in turn; every tenth is critical."""
    rng, found = random.Random(0), []
    for number in range(count):
        severe = number % 10 == 0
        labels = {
            "category": CATEGORY.keys[number % len(CATEGORY.keys)],
            "urgency": "High" if severe else "Low",
        }
        labels |= {"impact": labels["urgency"], "priority": "Critical" if severe else "Low"}
        found.append(Example(f"t{number}", f"{number} {labels['category']} {rng.random():.3f}", labels))
    return found


def right(share: float, sure: float = 0.9, severe: bool = True, seed: int = 0) -> Script:
    """Right about the category of so many tickets, by the ticket's number; `severe`: sees the critical ones."""

    def script(text: str) -> dict[str, tuple[str, float]]:
        number = int(text.split()[0])
        hit = random.Random(number * 7 + seed).random() < share
        label = CATEGORY.keys[(number if hit else number + 1) % len(CATEGORY.keys)]
        level = "High" if number % 10 == 0 and severe else "Low"
        return {"category": (label, sure), "urgency": (level, 0.9), "impact": (level, 0.9)}

    return script


POLICY = Policy(scope_apply=0.5, scope_recommend=0.3)


def judged(
    before: Script, after: Script, count: int = 400, policy: Policy = POLICY, **more: object
) -> list[str]:
    old, new = ScriptedModel(TAXONOMY, before, POLICY), ScriptedModel(TAXONOMY, after, policy, **more)  # type: ignore[arg-type]
    return gate.reasons({gate.NEWEST: gate.compared(old, new, rows(count))}, {}, 0.02)


def test_a_better_candidate_has_nothing_against_it() -> None:
    assert judged(right(0.7, 0.7), right(0.9, 0.9)) == []


@pytest.mark.parametrize(
    "before, after, told",
    [
        (right(0.9), right(0.7, 0.7), "category: worse on 400 rows"),
        (right(0.9), right(0.9), "nothing is gained"),
        (
            right(0.7, 0.7),
            right(0.9, 0.9, severe=False),
            "priority: of 40 tickets that are Critical it suggests 40 too low",
        ),
        (right(0.7, 0.7), right(0.9, 0.5), "confidences err by"),
    ],
)
def test_every_harm_is_named(before: Script, after: Script, told: str) -> None:
    assert any(told in reason for reason in judged(before, after))


def test_a_broken_budget_and_a_broken_scope_are_harms() -> None:
    eager = Policy({"category": FieldPolicy(apply_at=0.1)}, 0.5, 0.3)
    assert any(
        "over the budget of 2.0%" in told for told in judged(right(0.7, 0.7), right(0.9), policy=eager)
    )
    blind = judged(right(0.7, 0.7), right(0.9), scope=lambda text: 0.1)
    assert any("400 of 400 tickets count as out of scope" in told for told in blind)
    odd = gate.strange(
        ScriptedModel(TAXONOMY, right(0.7), POLICY, scope=lambda text: 0.1),
        ScriptedModel(TAXONOMY, right(0.9), POLICY),
        rows(50),
    )
    sets = {
        gate.NEWEST: gate.compared(
            *(ScriptedModel(TAXONOMY, right(s, s), POLICY) for s in (0.7, 0.9)), rows(400)
        )
    }
    assert any("50 tickets that must go to a person" in told for told in gate.reasons(sets, odd, 0.02))


def test_a_field_with_few_rows_says_nothing() -> None:
    found = gate.compared(
        ScriptedModel(TAXONOMY, right(0.9), POLICY), ScriptedModel(TAXONOMY, right(0.1), POLICY), rows(20)
    )
    assert found["fields"]["category"] == {"rows": 20}
    assert [*State] == ["proposed", "refused", "too few"]
