"""What a ticket's status may be, and what may follow what: the one transition table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from tamiz.domain.errors import TransitionError
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Decision, Triage


class Status(StrEnum):
    """Where a ticket stands; the values are what the API says."""

    PENDING = "Pending"
    BY_AI = "Classified_By_AI"
    BY_CACHE = "Classified_By_Cache"
    NEEDS_HUMAN = "Needs_Human"
    CORRECTED = "Human_Corrected"
    FAILED = "Failed"


_TRIAGED = frozenset({Status.BY_AI, Status.BY_CACHE, Status.NEEDS_HUMAN})

TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.PENDING: _TRIAGED | {Status.CORRECTED, Status.FAILED},
    Status.BY_AI: _TRIAGED | {Status.CORRECTED},
    Status.BY_CACHE: _TRIAGED | {Status.CORRECTED},
    Status.NEEDS_HUMAN: _TRIAGED | {Status.CORRECTED},
    Status.CORRECTED: frozenset({Status.CORRECTED}),
    Status.FAILED: frozenset({Status.PENDING, Status.CORRECTED}),
}
"""A person's word may follow anything and nothing but another follows it; a failed ticket may be tried again."""

RETURNS: Mapping[Status, frozenset[Status]] = {
    Status.CORRECTED: _TRIAGED | {Status.PENDING, Status.FAILED},
}
"""What a ticket may go back to when the last word on it is taken back. Apart from the other table: no triage, and nothing
else that happens to a ticket, may undo what a person said."""


def follow(now: Status, then: Status) -> Status:
    """`then`, if it may follow `now`. TransitionError otherwise."""
    if then not in TRANSITIONS[now]:
        raise TransitionError(now=now.value, then=then.value)
    return then


def give_back(now: Status, then: Status) -> Status:
    """`then`, if a ticket may return to it. TransitionError otherwise."""
    if then not in RETURNS.get(now, frozenset()):
        raise TransitionError(now=now.value, then=then.value)
    return then


def status_of(triage: Triage, taxonomy: Taxonomy, *, cached: bool = False) -> Status:
    """The status that a triage gives: a person is needed where a required field is in review."""
    required = (f.name for f in taxonomy.choices if f.required)
    if any(triage.fields[name].decision is Decision.REVIEW for name in required):
        return Status.NEEDS_HUMAN
    return Status.BY_CACHE if cached else Status.BY_AI
