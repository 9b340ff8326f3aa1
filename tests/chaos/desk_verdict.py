"""The third ledger: what a desk applied, against what the store says of it and what was decided."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

from tamiz.domain.outbox import EffectState
from tamiz.testing.desk_wire import Applied
from tamiz.testing.fake_desk import US

from .load import FIELD, PERSONS
from .verdict import Kept


@dataclass(frozen=True)
class Writes:
    """`decided`: tickets of the desk with values to apply; `applied`: writes that the desk did; `again`: effects that took
    more than one try.

    `missing`: such values that do not stand there in the end; `twice`: writes beyond the first of an effect; `foreign`:
    writes of which the store does not know, or says that they were never made; `unmade`: effects that the store calls
    done and the desk has not; `overwritten`: values of people that are gone; `open`: effects without an end; `untold`:
    ends that are not in the audit trail exactly once. `parked`: given to a person, since three kills found the same job
    in hand; whether they were applied is for that person to see.
    """

    decided: int
    applied: int
    again: int
    missing: int
    twice: int
    foreign: int
    unmade: int
    overwritten: int
    open: int
    untold: int
    parked: int

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @property
    def clean(self) -> bool:
        """Was everything written once, and nothing else?"""
        wrong = (self.missing, self.twice, self.foreign, self.unmade, self.overwritten, self.open)
        return not any(wrong) and not self.untold


def weigh_writes(found: Kept, ledger: Sequence[Applied], chosen: Collection[str]) -> Writes:
    """Compare decisions, effects and the desk's ledger. `chosen`: tickets of the desk with a person's value."""
    ours = [one for one in ledger if one.actor == US]
    times = Counter(one.marker for one in ours)
    states = {one.key: one.state for one in found.effects}
    written = {EffectState.DONE, EffectState.PARKED}
    parked = {one.ticket_id for one in found.effects if one.state is EffectState.PARKED}
    standing: dict[str, dict[str, object]] = {}
    for one in ledger:
        standing.setdefault(one.ticket_id, {}).update(one.values)
    due = [t for t, values in found.decided.items() if values]
    ends = Counter(one.ticket_id for one in found.effects if not one.open)
    return Writes(
        decided=len(due),
        applied=len(ours),
        again=sum(one.attempts > 1 for one in found.effects),
        missing=sum(
            not found.decided[ticket].items() <= standing.get(found.external[ticket], {}).items()
            for ticket in due
            if ticket not in parked and found.external[ticket] not in chosen
        ),
        twice=_beyond_the_first(ours),
        foreign=sum(states.get(marker) not in written for marker in times),
        unmade=sum(
            one.state is EffectState.DONE and bool(one.before) and not times[one.key] for one in found.effects
        ),
        overwritten=sum(
            FIELD in one.values and one.values[FIELD] != PERSONS for one in ours if one.ticket_id in chosen
        ),
        open=sum(one.open for one in found.effects),
        untold=sum(ends[ticket] != found.pushes[ticket] for ticket in {*ends, *found.pushes}),
        parked=len(parked),
    )


def _beyond_the_first(ours: Sequence[Applied]) -> int:
    """Every ticket is triaged once here, so that nothing is to be written to one a second time."""
    return len(ours) - len({one.ticket_id for one in ours})
