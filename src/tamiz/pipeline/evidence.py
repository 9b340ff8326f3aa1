"""What a decision rests on, and the decision: a pure function of what the receipt keeps, so that a replay of the receipt
decides the same, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tamiz.domain.gate import Policy, decide, held, readable, suggested
from tamiz.domain.ports import Written
from tamiz.domain.rules import given, obeyed
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import FieldTriage, Hit, Pool, Prediction, Reason, Receipt, Vote, Writing


@dataclass(frozen=True, slots=True)
class Evidence:
    """A model's prediction, what people said of tickets like this one, what a language model said of some fields and how
    its word is pooled, the least severe labels that the ticket's own words allow (`eased`: of words that it calls over),
    and the rules that fired."""

    prediction: Prediction
    written: Written | None = None
    pools: Mapping[str, Pool] = field(default_factory=dict)
    floors: Mapping[str, str] = field(default_factory=dict)
    hits: tuple[Hit, ...] = ()
    eased: Mapping[str, str] = field(default_factory=dict)
    votes: Mapping[str, Vote] = field(default_factory=dict)

    @property
    def voted(self) -> Prediction:
        """The prediction with people's votes in it. What people have sorted before lies within the model's reach, unless
        there is nothing in it to read."""
        if not self.votes:
            return self.prediction
        own = self.prediction.distributions
        both = {name: vote.of(own[name]) for name, vote in self.votes.items()}
        told = max(vote.weight for vote in self.votes.values())
        scope = max(self.prediction.scope, told) if self.prediction.scope > 0.0 else 0.0
        return replace(self.prediction, distributions={**own, **both}, scope=scope)

    @property
    def pooled(self) -> Prediction:
        """The prediction with votes in it, and the fields that a language model was asked for pooled."""
        voted = self.voted
        if self.written is None:
            return voted
        both = {
            name: self.pools.get(name, Pool()).of(voted.distributions[name], said)
            for name, said in self.written.distributions.items()
        }
        return replace(voted, distributions={**voted.distributions, **both})


def weighed(evidence: Evidence, taxonomy: Taxonomy, policy: Policy) -> dict[str, FieldTriage]:
    """The outcome of every field: model, second opinion, floor, and a person's rules, the last word with the last. In
    shadow mode what would be applied is suggested, and the reason says so."""
    pooled = evidence.pooled
    found = decide(taxonomy, pooled, policy)
    if evidence.written is not None:
        found = held(taxonomy, found, _disagreements(evidence.voted, evidence.written, taxonomy, policy))
    found = held(taxonomy, found, dict.fromkeys(_below(evidence.floors, found, taxonomy), Reason.FLOOR))
    over = dict.fromkeys(_below(evidence.eased, found, taxonomy), Reason.SAID_OVER)
    found = suggested(taxonomy, found, over)
    found = obeyed(evidence.hits, taxonomy, pooled, found, policy)
    # What follows from a rule is held to the second opinion and to the floors too; what a rule sets is not.
    ruled = {name: label for hit in evidence.hits for name, label in hit.values.items()}
    found = held(taxonomy, found, _disputed_children(evidence, ruled, taxonomy, policy))
    floors = {name: label for name, label in evidence.floors.items() if name not in ruled}
    found = held(taxonomy, found, dict.fromkeys(_below(floors, found, taxonomy), Reason.FLOOR))
    return suggested(taxonomy, found, dict.fromkeys(found, Reason.SHADOW)) if policy.shadow else found


def evidence_of(receipt: Receipt) -> Evidence:
    """What a receipt keeps of the evidence."""
    prediction = Prediction(receipt.distributions, receipt.scope)
    writing = receipt.writer
    own = Evidence(
        prediction, floors=receipt.floors, hits=receipt.hits, eased=receipt.eased, votes=receipt.votes
    )
    return recalled(own, writing)


def recalled(evidence: Evidence, writing: Writing | None) -> Evidence:
    """The evidence with what a language model wrote before; a failure says nothing."""
    if writing is None or writing.failure:
        return evidence
    return replace(evidence, written=Written(writing.distributions, writing.abstained), pools=writing.pools)


def replayed(receipt: Receipt, taxonomy: Taxonomy) -> dict[str, FieldTriage]:
    """The outcomes that a receipt's evidence gives under its policy, before they are held against the taxonomy."""
    return weighed(evidence_of(receipt), taxonomy, Policy.from_dict(receipt.policy))


def writing_of(model: str, model_hash: str, written: Written, pools: Mapping[str, Pool]) -> Writing:
    """A language model's part for the receipt."""
    used = {name: pools.get(name, Pool()) for name in written.distributions}
    return Writing(model, model_hash, written.distributions, written.abstained, pools=used)


def _disagreements(
    prediction: Prediction, written: Written, taxonomy: Taxonomy, policy: Policy
) -> dict[str, Reason]:
    """Asked fields on which the two name different labels; all of them where the language model would rather not say."""
    if written.abstained >= 0.5:
        return dict.fromkeys(written.distributions, Reason.DISAGREEMENT)
    found = {}
    for name, said in written.distributions.items():
        own = readable(taxonomy.field(name), prediction, policy)
        if own.best[0] != said.best[0]:
            found[name] = Reason.DISAGREEMENT
    return found


def _disputed_children(
    evidence: Evidence, ruled: Mapping[str, str], taxonomy: Taxonomy, policy: Policy
) -> dict[str, Reason]:
    """Fields below a value that a rule set, and so decided anew, on which the two do not agree given that value."""
    if evidence.written is None or not ruled:
        return {}
    disputed = _disagreements(given(ruled, evidence.voted), evidence.written, taxonomy, policy)
    return {
        name: reason
        for name, reason in disputed.items()
        if name not in ruled and taxonomy.field(name).parent in ruled
    }


def _below(floors: Mapping[str, str], outcomes: Mapping[str, FieldTriage], taxonomy: Taxonomy) -> list[str]:
    """Fields whose value is less severe than their floor."""
    below = []
    for name, lowest in floors.items():
        keys, value = taxonomy.field(name).keys, outcomes[name].value
        if value in keys and keys.index(value) > keys.index(lowest):
            below.append(name)
    return below
