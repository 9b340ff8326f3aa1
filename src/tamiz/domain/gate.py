"""The gate: confidence → apply, recommend, or ask a person, field by field.

A value is applied only where thresholds were earned on the tenant's own tickets (`FieldPolicy.apply_at` is set);
without that, the best a field can get is a recommendation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

from tamiz.domain.errors import ConfigError
from tamiz.domain.taxonomy import ABSTAIN, NONE, Field, Taxonomy
from tamiz.domain.triage import TOP_K, Decision, Distribution, FieldTriage, Prediction, Reason

_STRICTNESS = (Decision.APPLY, Decision.RECOMMEND, Decision.REVIEW, Decision.OFF)


@dataclass(frozen=True, slots=True)
class Rung:
    """What was earned under one error budget: the thresholds that the calibration rows prove for it."""

    budget: float
    apply_at: float | None
    by_label: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FieldPolicy:
    """Thresholds of one field. `mode` is the most that may ever be done; `apply_at` None means not earned.

    `by_label` replaces `apply_at` for single labels whose record differs (None: never apply that label). `severe_at`
    reads a field whose labels run from the most to the least severe with caution: the first label is shown that has,
    together with those before it, at least this probability (None: the most likely label). `budget` is the field's own
    error budget (None: the policy's); `ladder` keeps what other budgets would give, strictest first.
    """

    mode: Decision = Decision.APPLY
    apply_at: float | None = None
    recommend_at: float = 0.5
    by_label: Mapping[str, float | None] = field(default_factory=dict)
    severe_at: float | None = None
    budget: float | None = None
    ladder: tuple[Rung, ...] = ()

    def read(self, distribution: Distribution) -> tuple[str, float]:
        """The label to show and its probability."""
        if self.severe_at is None:
            return distribution.best
        reached = accumulate(distribution.probabilities)
        index = next((i for i, mass in enumerate(reached) if mass >= self.severe_at), -1)
        return distribution.labels[index], distribution.probabilities[index]

    def apply_threshold(self, label: str) -> float | None:
        """The confidence from which this label is applied; None when it never is."""
        return self.by_label.get(label, self.apply_at)

    def within(self, budget: float, fitted: float | None) -> FieldPolicy:
        """The thresholds under another error budget, taken from evidence and from nothing else: those proven for the
        laxest budget that is no laxer. `fitted` is the budget of the thresholds as they are, where the field has none
        of its own. Where a stricter budget was never tested, values are suggested at most; never is anything loosened
        without proof."""
        fitted = fitted if self.budget is None else self.budget
        proven = [rung for rung in self.ladder if rung.budget <= budget]
        if fitted is not None and fitted <= budget and not any(rung.budget > fitted for rung in proven):
            return replace(self, budget=fitted)
        if proven:
            rung = proven[-1]
            return replace(self, apply_at=rung.apply_at, by_label=rung.by_label, budget=rung.budget)
        return replace(self, apply_at=None, by_label={}, budget=budget)


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds of every field, and of the scope score: at 0 and below `scope_recommend` every field asks a person,
    below `scope_apply` nothing is applied. In `shadow` mode all is decided as ever, and what would be applied is
    suggested instead."""

    fields: Mapping[str, FieldPolicy] = field(default_factory=dict)
    scope_apply: float = 0.0
    scope_recommend: float = 0.0
    budget: float | None = None
    shadow: bool = False

    def of(self, name: str) -> FieldPolicy:
        """The policy of one field; a field that is not named gets the defaults (recommend from 0.5)."""
        return self.fields.get(name, FieldPolicy())

    def with_modes(self, modes: Mapping[str, str]) -> Policy:
        """A copy in which fields are capped at a mode: apply, recommend, review or off. A stricter cap that is there
        stays. ConfigError for any other mode."""
        fields = dict(self.fields)
        for name, mode in modes.items():
            if mode not in set(Decision):
                raise ConfigError(
                    key=f"policy.{name}", mistake=f"'{mode}' is not apply, recommend, review or off"
                )
            own = self.of(name)
            fields[name] = replace(own, mode=max(own.mode, Decision(mode), key=_STRICTNESS.index))
        return replace(self, fields=fields)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for manifests and receipts; `from_dict` reads it back to an equal value."""
        return {
            "scope_apply": self.scope_apply,
            "scope_recommend": self.scope_recommend,
            "budget": self.budget,
            "fields": {name: _field_to_dict(p) for name, p in self.fields.items()},
            **({"shadow": True} if self.shadow else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Policy:
        """Read what `to_dict` wrote."""
        fields = {name: _field_from_dict(p) for name, p in data["fields"].items()}
        shadow = data.get("shadow", False)
        return cls(fields, data["scope_apply"], data["scope_recommend"], data["budget"], shadow)


def _field_to_dict(p: FieldPolicy) -> dict[str, Any]:
    """What is not set is left out where older policies do not have it: they keep their hash."""
    ladder = [[rung.budget, rung.apply_at, dict(rung.by_label)] for rung in p.ladder]
    return {
        "mode": p.mode.value,
        "apply_at": p.apply_at,
        "recommend_at": p.recommend_at,
        "by_label": dict(p.by_label),
        "severe_at": p.severe_at,
        **({"budget": p.budget} if p.budget is not None else {}),
        **({"ladder": ladder} if ladder else {}),
    }


def _field_from_dict(data: Mapping[str, Any]) -> FieldPolicy:
    return FieldPolicy(
        Decision(data["mode"]),
        data["apply_at"],
        data["recommend_at"],
        data["by_label"],
        data.get("severe_at"),
        data.get("budget"),
        tuple(Rung(*rung) for rung in data.get("ladder", ())),
    )


def decide(taxonomy: Taxonomy, prediction: Prediction, policy: Policy) -> dict[str, FieldTriage]:
    """The outcome of every classification field, in the order of the taxonomy.

    Children are read given the parent's value, derived fields follow from their inputs, and whatever depends on a
    field that asks a person asks a person too.
    """
    outcomes: dict[str, FieldTriage] = {}
    for f in taxonomy.predicted:
        distribution = readable(f, prediction, policy)
        outcomes[f.name] = _outcome(distribution, prediction.scope, policy, policy.of(f.name))
        if f.parent:
            outcomes[f.name] = at_most(outcomes[f.name], outcomes[f.parent])
    for f in taxonomy.derived:
        outcomes[f.name] = _derived(f, prediction, outcomes, policy.of(f.name))
    return {f.name: outcomes[f.name] for f in taxonomy.choices}


def held(
    taxonomy: Taxonomy, outcomes: Mapping[str, FieldTriage], reasons: Mapping[str, Reason]
) -> dict[str, FieldTriage]:
    """The outcomes with these fields given to a person, and with them what rests on them."""
    found = dict(outcomes)
    for name, reason in _with_dependants(taxonomy, reasons).items():
        if found[name].decision not in (Decision.OFF, Decision.REVIEW):
            found[name] = replace(found[name], value=ABSTAIN, decision=Decision.REVIEW, reason=reason)
    return found


def suggested(
    taxonomy: Taxonomy, outcomes: Mapping[str, FieldTriage], reasons: Mapping[str, Reason]
) -> dict[str, FieldTriage]:
    """The outcomes with these fields suggested at most, and with them what rests on them."""
    found = dict(outcomes)
    for name, reason in _with_dependants(taxonomy, reasons).items():
        if found[name].decision is Decision.APPLY:
            found[name] = replace(found[name], decision=Decision.RECOMMEND, reason=reason)
    return found


def _with_dependants(taxonomy: Taxonomy, reasons: Mapping[str, Reason]) -> dict[str, Reason]:
    """The fields that have a reason, and those that rest on one of them."""
    found: dict[str, Reason] = {}
    for f in (*taxonomy.predicted, *taxonomy.derived):
        rests = {f.parent, *((f.matrix.rows, f.matrix.columns) if f.matrix else ())}
        reason = reasons.get(f.name) or (Reason.DEPENDS if rests & {*reasons, *found} else Reason.NONE)
        if reason:
            found[f.name] = reason
    return found


def shown(taxonomy: Taxonomy, f: Field, prediction: Prediction, policy: Policy) -> tuple[str, float]:
    """The value of a field and its probability before anything is decided: children below the parent's value,
    derived fields from the values of their inputs."""
    distribution = readable(f, prediction, policy)
    if f.matrix is None:
        return policy.of(f.name).read(distribution)
    row, column = (
        shown(taxonomy, taxonomy.field(name), prediction, policy)[0]
        for name in (f.matrix.rows, f.matrix.columns)
    )
    value = f.matrix.at(row, column)
    return value, distribution.of(value)


def readable(f: Field, prediction: Prediction, policy: Policy) -> Distribution:
    """A field's distribution as it is read: a child's given the parent's value, a derived one's from its inputs."""
    if f.matrix is not None:
        return derive(f, prediction)
    distribution = prediction.distributions[f.name]
    if f.parent:
        parent = policy.of(f.parent).read(prediction.distributions[f.parent])[0]
        return conditioned(f, distribution, parent)
    return distribution


def conditioned(f: Field, distribution: Distribution, parent_value: str) -> Distribution:
    """A child's distribution restricted to what may stand below one parent value, renormalised."""
    allowed = set(f.allowed(parent_value))
    kept = [
        p if la in allowed else 0.0
        for la, p in zip(distribution.labels, distribution.probabilities, strict=True)
    ]
    total = sum(kept)
    if total <= 0.0:
        kept = [1.0 / len(allowed) if la in allowed else 0.0 for la in distribution.labels]
        total = 1.0
    return Distribution(distribution.labels, tuple(p / total for p in kept))


def derive(f: Field, prediction: Prediction) -> Distribution:
    """A derived field's distribution: both inputs taken as independent and pushed through the matrix."""
    assert f.matrix is not None
    rows, columns = prediction.distributions[f.matrix.rows], prediction.distributions[f.matrix.columns]
    mass = dict.fromkeys(f.keys, 0.0)
    for row, p_row in zip(rows.labels, rows.probabilities, strict=True):
        for column, p_column in zip(columns.labels, columns.probabilities, strict=True):
            mass[f.matrix.at(row, column)] += p_row * p_column
    return Distribution(f.keys, tuple(mass.values()))


def _derived(
    f: Field, prediction: Prediction, outcomes: Mapping[str, FieldTriage], policy: FieldPolicy
) -> FieldTriage:
    assert f.matrix is not None
    distribution = derive(f, prediction)
    row, column = outcomes[f.matrix.rows], outcomes[f.matrix.columns]
    if policy.mode is Decision.OFF:
        return FieldTriage(None, 0.0, Decision.OFF, reason=Reason.SWITCHED_OFF)
    if any(outcome.decision in (Decision.REVIEW, Decision.OFF) for outcome in (row, column)):
        confidence = distribution.best[1]
        return FieldTriage(ABSTAIN, confidence, Decision.REVIEW, _top(distribution), Reason.DEPENDS)
    value = f.matrix.at(str(row.value), str(column.value))
    outcome = FieldTriage(value, distribution.of(value), Decision.APPLY, _top(distribution))
    if policy.mode is Decision.REVIEW:
        return replace(outcome, value=ABSTAIN, decision=Decision.REVIEW, reason=Reason.LOW_CONFIDENCE)
    threshold = policy.apply_threshold(value)
    if policy.mode is Decision.RECOMMEND or threshold is None or outcome.confidence < threshold:
        reason = Reason.NOT_EARNED if threshold is None else Reason.LOW_CONFIDENCE
        outcome = replace(outcome, decision=Decision.RECOMMEND, reason=reason)
    return at_most(at_most(outcome, row), column)


def _outcome(distribution: Distribution, scope: float, policy: Policy, own: FieldPolicy) -> FieldTriage:
    label, confidence = own.read(distribution)
    decision, reason = _decision(label, confidence, scope, policy, own)
    if decision is Decision.OFF:
        return FieldTriage(None, 0.0, decision, reason=reason)
    value = ABSTAIN if decision is Decision.REVIEW else None if label == NONE else label
    return FieldTriage(value, confidence, decision, _top(distribution), reason)


def _decision(
    label: str, confidence: float, scope: float, policy: Policy, own: FieldPolicy
) -> tuple[Decision, Reason]:
    if own.mode is Decision.OFF:
        return Decision.OFF, Reason.SWITCHED_OFF
    if scope <= 0.0 or scope < policy.scope_recommend:
        return Decision.REVIEW, Reason.OUT_OF_SCOPE
    threshold = own.apply_threshold(label)
    sure = threshold is not None and confidence >= threshold
    if sure and scope >= policy.scope_apply and own.mode is Decision.APPLY:
        return Decision.APPLY, Reason.NONE
    # A value sure enough to be applied is sure enough to be suggested, whatever `recommend_at` says.
    if own.mode is Decision.REVIEW or not (sure or confidence >= own.recommend_at):
        return Decision.REVIEW, Reason.LOW_CONFIDENCE
    if sure and own.mode is Decision.APPLY:
        return Decision.RECOMMEND, Reason.OUT_OF_SCOPE
    return Decision.RECOMMEND, Reason.NOT_EARNED if threshold is None else Reason.LOW_CONFIDENCE


def at_most(outcome: FieldTriage, limit: FieldTriage) -> FieldTriage:
    """An outcome that may claim no more than another one on which it rests."""
    if outcome.decision is Decision.OFF or limit.decision is Decision.APPLY:
        return outcome
    if limit.decision is Decision.RECOMMEND:
        if outcome.decision is Decision.APPLY:
            return replace(outcome, decision=Decision.RECOMMEND, reason=Reason.DEPENDS)
        return outcome
    if outcome.decision is Decision.REVIEW:
        return outcome
    return replace(outcome, value=ABSTAIN, decision=Decision.REVIEW, reason=Reason.DEPENDS)


def _top(distribution: Distribution) -> tuple[tuple[str, float], ...]:
    """The leading labels as people see them: the class for 'does not apply' is no label and is left out."""
    return tuple(pair for pair in distribution.top(TOP_K + 1) if pair[0] != NONE)[:TOP_K]
