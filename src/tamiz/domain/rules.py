"""Rules that a person wrote: where a ticket's words or fields say so, a value is set, raised, or left to a person.

What a rule sets is certain (confidence 1) and is applied, as far as the field's mode allows. Rules run in the order of the
file; of two that set the same field the first one counts. A rule without `where` decides before anybody is asked, so that
no language model is asked for what it settles; all of them have the last word after the models.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from tamiz.domain.errors import ConfigError
from tamiz.domain.gate import Policy, at_most, decide, held
from tamiz.domain.taxonomy import ABSTAIN, Field, Taxonomy
from tamiz.domain.triage import Decision, Distribution, FieldTriage, Hit, Prediction, Reason

MOST_WORDS = 200
_ADDRESS = re.compile(r"[^@\s]{0,64}@[^@\s]{1,255}")


@dataclass(frozen=True, slots=True)
class Rule:
    """Concerns tickets that have one of the `words` (whole words, however written; empty: any), come from one of
    `requester` (addresses, or "@domain" with what is below it; empty: anybody) and have all the values in `where` (of the
    model's answer; empty: any).

    `values` are set, `at_least` raises an ordered field to this label unless it is as severe already, `review` gives
    fields to a person.
    """

    name: str
    words: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    at_least: Mapping[str, str] = field(default_factory=dict)
    review: tuple[str, ...] = ()
    requester: tuple[str, ...] = ()

    def concerns(self, requester: str) -> bool:
        """Does the rule speak of this person's tickets? Of an unknown person's only where it names nobody. The address
        may stand alone or as `Name <address>`."""
        if not self.requester:
            return True
        named = requester.strip().rpartition("<")[2]
        address = (named[:-1] if named.endswith(">") else requester).strip().casefold()
        domain = address.rpartition("@")[2]
        return any(
            address == each or (each.startswith("@") and f".{domain}".endswith(f".{each[1:]}"))
            for each in map(str.casefold, self.requester)
        )

    def heard(self, text: str) -> bool:
        """Does the canonical text have one of the words?"""
        return self.heard_in(_folded(text))

    def heard_in(self, folded: str) -> bool:
        """The same of a text in small letters without accents."""
        return not self.words or _pattern(self.words).search(folded) is not None


def check_rules(rules: Sequence[Rule], taxonomy: Taxonomy) -> None:
    """ConfigError for a rule that names a field or label that there is not, or that does nothing."""
    fields = {f.name: f for f in taxonomy.choices}
    for rule in rules:
        key = f"rules.{rule.name}"
        for name in (*rule.where, *rule.values, *rule.at_least, *rule.review):
            if name not in fields:
                raise ConfigError(key=key, mistake=f"there is no field '{name}'")
        for name, label in (*rule.where.items(), *rule.values.items(), *rule.at_least.items()):
            if label not in fields[name].keys:
                allowed = ", ".join(fields[name].keys)
                raise ConfigError(key=key, mistake=f"'{label}' is no label of {name} ({allowed})")
        unordered = [name for name in rule.at_least if not fields[name].ordered]
        if unordered:
            raise ConfigError(key=key, mistake=f"the labels of {unordered[0]} have no order to raise it in")
        derived = [name for name in (*rule.values, *rule.at_least) if fields[name].matrix is not None]
        if derived:
            raise ConfigError(key=key, mistake=f"{derived[0]} is derived; set what it is derived from")
        if not (rule.values or rule.at_least or rule.review):
            raise ConfigError(key=key, mistake="it does nothing")
        if len(rule.words) > MOST_WORDS:
            raise ConfigError(key=key, mistake=f"it has more than {MOST_WORDS} words")
        wrong = [each for each in rule.requester if not _ADDRESS.fullmatch(each)]
        if wrong:
            raise ConfigError(key=key, mistake=f"'{wrong[0]}' is neither an address nor '@' and a domain")


def fired(
    rules: Sequence[Rule], text: str, taxonomy: Taxonomy, outcomes: Mapping[str, FieldTriage]
) -> tuple[Hit, ...]:
    """The rules that fire on a canonical text with these outcomes, and what each sets or gives to a person."""
    hits: list[Hit] = []
    taken: set[str] = set()
    folded = _folded(text) if any(rule.words for rule in rules) else ""
    for rule in rules:
        if not rule.heard_in(folded) or any(outcomes[n].value != label for n, label in rule.where.items()):
            continue
        raised = {
            n: label for n, label in rule.at_least.items() if _raises(taxonomy.field(n), outcomes[n], label)
        }
        values = {n: label for n, label in {**raised, **rule.values}.items() if n not in taken}
        taken |= set(values)
        if values or rule.review:
            hits.append(Hit(rule.name, values, rule.review))
    return tuple(hits)


def obeyed(
    hits: Sequence[Hit],
    taxonomy: Taxonomy,
    prediction: Prediction,
    outcomes: Mapping[str, FieldTriage],
    policy: Policy,
) -> dict[str, FieldTriage]:
    """The outcomes after the rules that fired. What rests on a value that a rule set is decided anew, given that value;
    a field that one rule sets and another gives to a person is set."""
    values = {name: label for hit in hits for name, label in hit.values.items()}
    review = {name for hit in hits for name in hit.review} - set(values)
    if not values and not review:
        return dict(outcomes)
    found = _decided_given(values, taxonomy, prediction, outcomes, policy)
    return held(taxonomy, found, dict.fromkeys(review, Reason.RULE))


def given(values: Mapping[str, str], prediction: Prediction) -> Prediction:
    """The prediction with these values certain."""
    certain = {name: _certain(prediction.distributions[name], label) for name, label in values.items()}
    return replace(prediction, distributions={**prediction.distributions, **certain})


def _decided_given(
    values: Mapping[str, str],
    taxonomy: Taxonomy,
    prediction: Prediction,
    outcomes: Mapping[str, FieldTriage],
    policy: Policy,
) -> dict[str, FieldTriage]:
    """The outcomes with these values set, and anew what rests on them."""
    again = decide(taxonomy, given(values, prediction), policy)
    found = dict(outcomes)
    for f in (*taxonomy.predicted, *taxonomy.derived):
        rests = {f.parent, *((f.matrix.rows, f.matrix.columns) if f.matrix else ())}
        if f.name in values:
            found[f.name] = _set(outcomes[f.name], values[f.name], policy.of(f.name).mode)
        elif rests & set(values):
            found[f.name] = again[f.name]
            for name in rests - {""}:  # what else it rests on may have been held meanwhile
                found[f.name] = at_most(found[f.name], found[name])
    return found


def _set(outcome: FieldTriage, label: str, mode: Decision) -> FieldTriage:
    if mode is Decision.OFF:
        return outcome
    value = ABSTAIN if mode is Decision.REVIEW else label
    return FieldTriage(value, 1.0, mode, ((label, 1.0),), Reason.RULE)


def _raises(f: Field, outcome: FieldTriage, label: str) -> bool:
    """Is the label more severe than what stands there? A field that a person decides is raised too."""
    return outcome.value not in f.keys or f.keys.index(outcome.value) > f.keys.index(label)


def _certain(own: Distribution, label: str) -> Distribution:
    return Distribution(own.labels, tuple(1.0 if each == label else 0.0 for each in own.labels))


@lru_cache(maxsize=512)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    either = "|".join(re.escape(_folded(word)).replace(r"\ ", r"\s{1,3}") for word in words)
    return re.compile(rf"(?<!\w)(?:{either})(?!\w)")


def _folded(text: str) -> str:
    """Small letters without accents."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in parts if not unicodedata.combining(character))
