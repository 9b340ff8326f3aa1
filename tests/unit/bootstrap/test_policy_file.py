"""The policy file: checked as a whole, read again when it changes, never half."""

from __future__ import annotations

import pytest

from tamiz.bootstrap.policy_file import HousePolicy, LivePolicy, read_policy
from tamiz.domain.errors import ConfigError
from tamiz.domain.gate import FieldPolicy, Policy
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
    path.unlink()
    assert live.refresh()
    assert live.current == HousePolicy()
