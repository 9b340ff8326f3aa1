"""The policy file: checked as a whole, read again when it changes, never half."""

from __future__ import annotations

import pytest

from tamiz.bootstrap.policy_file import HousePolicy, LivePolicy, read_policy
from tamiz.bootstrap.toml_lines import line_of
from tamiz.domain.errors import ConfigError
from tamiz.domain.gate import FieldPolicy, Policy, Rung
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.triage import Decision

TAXONOMY = default_taxonomy()
GOOD = """
shadow = true
[modes]
priority = "review"
[[rules]]
name = "payroll"
words = ["nómina"]
where = { category = "Software" }
at_least = { urgency = "High" }
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "policy.toml"


def test_a_file_caps_modes_and_brings_rules(path) -> None:
    path.write_text(GOOD, "utf-8")
    found = read_policy(path, TAXONOMY)
    assert [rule.name for rule in found.rules] == ["payroll"]
    earned = Policy({"category": FieldPolicy(apply_at=0.9), "urgency": FieldPolicy(mode=Decision.OFF)})
    policy = found.over(earned)
    assert policy.shadow
    modes = {name: policy.of(name).mode for name in ("category", "priority", "urgency")}
    assert modes == {
        "category": Decision.APPLY,
        "priority": Decision.REVIEW,
        "urgency": Decision.OFF,
    }
    assert policy.of("category").apply_at == 0.9


def test_no_file_changes_nothing(path) -> None:
    policy = Policy({"category": FieldPolicy(apply_at=0.9)})
    assert read_policy(path, TAXONOMY) == HousePolicy()
    assert read_policy(path, TAXONOMY).over(policy) == policy


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("shadow = 3", "shadow"),
        ("colour = 1", "colour"),
        ("[modes]\npriority = 'sometimes'", "sometimes"),
        ("[modes]\ncolour = 'off'", "no such field"),
        ("[[rules]]\nname = 'x'\nset = { category = 'Red' }", "Red"),
        ("[[rules]]\nset = { category = 'Access' }", "name"),
        ("[[rules]\n", "cannot be read"),
        ("x = '\udc00'", "cannot be read"),
        ("#" * 1_000_001, "larger"),
    ],
)
def test_a_wrong_file_is_refused_as_a_whole(path, text, mistake) -> None:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError) as error:
        read_policy(path, TAXONOMY)
    assert mistake in str(error.value)


def test_a_changed_file_holds_at_once_and_a_wrong_one_never(path) -> None:
    told: list[str] = []
    live = LivePolicy(path, TAXONOMY, told.append)
    assert not live.refresh()
    path.write_text(GOOD, "utf-8")
    assert live.refresh()
    right = live.current
    assert right.shadow
    path.write_text(GOOD + "colour = 1", "utf-8")
    assert not live.refresh()
    assert live.current is right
    assert not live.refresh()
    assert len(told) == 1
    assert "stays" in told[0]


@pytest.mark.parametrize("away", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
def test_a_file_that_is_just_being_written_allows_nothing_for_a_moment(path, away) -> None:
    path.write_text(GOOD, "utf-8")
    live = LivePolicy(path, TAXONOMY, lambda mistake: None)
    away(path)
    assert not live.refresh()
    assert live.current.shadow
    path.write_text(GOOD.replace("payroll", "pay day"), "utf-8")
    assert live.refresh()
    assert [rule.name for rule in live.current.rules] == ["pay day"]
    away(path)
    assert not live.refresh()
    assert live.refresh(), "it stays so: somebody means it"
    assert live.current.modes == {}


FULL = """# what holds
shadow = false
[modes]
priority = "review"

[fields.category]
mode = "apply"
budget = 0.01
[fields.urgency]
budget = 0.05

[[rules]]
name = "payroll"
words = ["payroll"]
set = { urgency = "High" }

[[rules]]
name = "VIP"
requester = ["eva@example.org", "@board.example.org"]
at_least = { urgency = "High" }
"""


def test_a_field_has_its_mode_and_its_budget_in_one_table(path) -> None:
    path.write_text(FULL, "utf-8")
    found = read_policy(path, TAXONOMY)
    assert found.modes == {"priority": "review", "category": "apply"}
    assert found.budgets == {"category": 0.01, "urgency": 0.05}
    assert found.rules[1].requester == ("eva@example.org", "@board.example.org")


@pytest.mark.parametrize(
    ("old", "new", "place", "mistake"),
    [
        ("shadow = false", "shadow = 3", "policy.toml:2: shadow", "boolean"),
        ("priority =", "colour =", "policy.toml:4: modes.colour", "no such field"),
        ('"review"', '"often"', "policy.toml:4: modes.priority", "'often' is not"),
        ("[fields.category]", "[fields.colour]", "policy.toml:6: fields.colour", "no such field"),
        ("[fields.category]", "[fields.priority]", "policy.toml:7: fields.priority.mode", "says it already"),
        ("budget = 0.01", "budget = 1.5", "policy.toml:8: fields.category.budget", "less than 1"),
        ("budget = 0.01", "budget = 0", "policy.toml:8: fields.category.budget", "greater than 0"),
        ("budget = 0.05", "budgte = 0.05", "policy.toml:10: fields.urgency.budgte", "not permitted"),
        ('words = ["payroll"]', "words = [3]", "policy.toml:14: rules.0.words.0", "string"),
        ('set = { urgency = "High" }', "", "policy.toml:12: rules.0", "payroll: it does nothing"),
        ("@board.example.org", "the board", "policy.toml:17: rules.1", "VIP: 'the board' is neither"),
    ],
)
def test_a_mistake_is_told_with_its_line(path, old, new, place, mistake) -> None:
    path.write_text(FULL.replace(old, new, 1), "utf-8")
    with pytest.raises(ConfigError) as error:
        read_policy(path, TAXONOMY)
    assert str(error.value).startswith(place)
    assert mistake in str(error.value)


RUNGS = (Rung(0.005, 0.97), Rung(0.01, 0.95), Rung(0.05, 0.8))


@pytest.mark.parametrize(
    ("own", "budget", "apply_at", "warning"),
    [
        (FieldPolicy(apply_at=0.9, ladder=RUNGS), 0.01, 0.95, ""),
        (FieldPolicy(apply_at=0.9, ladder=RUNGS), 0.008, 0.97, "proof for 0.005"),
        (FieldPolicy(apply_at=0.9, ladder=RUNGS), 0.001, None, "no proof for so strict"),
        (FieldPolicy(apply_at=0.9), 0.01, None, "no proof for so strict"),
        (FieldPolicy(apply_at=0.9), 0.02, 0.9, ""),
        (FieldPolicy(apply_at=0.9), 0.05, 0.9, "proof for 0.02"),
        (FieldPolicy(), 0.05, None, "not earned"),
    ],
)
def test_a_budget_takes_what_was_proven_and_says_where_it_falls_short(own, budget, apply_at, warning) -> None:
    model = Policy({"category": own, "urgency": FieldPolicy(apply_at=0.7, ladder=RUNGS)}, budget=0.02)
    house = HousePolicy(budgets={"category": budget})
    policy = house.over(model)
    assert policy.of("category").apply_at == apply_at
    assert policy.of("urgency").apply_at == 0.7
    assert "ladder" not in str(policy.to_dict()), "receipts need not carry what was not taken"
    told = house.warnings(model)
    assert (warning in told[0]) if warning else not told


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("shadow",), 2),
        (("modes",), 3),
        (("fields", "category", "budget"), 8),
        (("rules", 1, "at_least", "urgency"), 20),
        (("rules", 1, "nothing"), 17),
        (("rules", 7), 0),
        (("nothing",), 0),
        ((), 0),
    ],
)
def test_the_line_of_a_key_is_that_of_its_innermost_part_that_has_one(place, line) -> None:
    assert line_of(FULL, place) == line
    assert line_of(FULL.replace("urgency]", '"urgency"]'), place) == line
