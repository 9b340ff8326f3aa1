"""The desks that the settings name: a connector for each, and what pushes to them.

A connector is one more entry in `KINDS`.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tamiz.bootstrap.settings import DeskSettings, Settings
from tamiz.domain.desk import Desk, DeskError
from tamiz.domain.errors import ConfigError
from tamiz.domain.outbox import Effect, EffectState, Pause
from tamiz.domain.ports import Clock
from tamiz.domain.storage import Store
from tamiz.observe.logs import log
from tamiz.service.accept import Bits
from tamiz.service.push import Pushing, PushSettings
from tamiz.service.push_plan import Planning, Seat, Seats, Taxonomies

if TYPE_CHECKING:
    from tamiz.observe.metrics import Metrics

Make = Callable[[DeskSettings, Clock], Desk]
"""What opens a connector; it does not go over the network yet."""

OUTCOMES: Mapping[EffectState, str] = {EffectState.PLANNED: "again", EffectState.INTENT: "unknown"}
"""What an effect that is still open is called in metrics and logs: surely not written, and not known."""


def _fake(chosen: DeskSettings, clock: Clock) -> Desk:
    from tamiz.testing.http_desk import HttpDesk

    return HttpDesk(chosen.url, clock, chosen.name, chosen.key.get_secret_value())


KINDS: Mapping[str, Make] = {"fake": _fake}
"""Kind of desk → its connector."""


def find_seats(
    desks: Sequence[DeskSettings], taxonomies: Taxonomies, clock: Clock, kinds: Mapping[str, Make] = KINDS
) -> Seats:
    """The desks by tenant and name. ConfigError for a kind or a field that there is not."""
    found: dict[tuple[str, str], Seat] = {}
    for number, chosen in enumerate(desks):
        if chosen.kind not in kinds:
            known = ", ".join(sorted(kinds))
            raise ConfigError(key=f"desks.{number}.kind", mistake=f"'{chosen.kind}' is none of: {known}")
        fields = [f.name for f in taxonomies(chosen.tenant).choices]
        for key, names in (("writes", chosen.writes or ()), ("defaults", chosen.defaults)):
            for name in names:
                if name not in fields:
                    mistake = f"there is no field '{name}', but: {', '.join(fields)}"
                    raise ConfigError(key=f"desks.{number}.{key}", mistake=mistake)
        writes = None if chosen.writes is None else frozenset(chosen.writes)
        free = {name: frozenset({value}) for name, value in chosen.defaults.items()}
        found[chosen.tenant, chosen.name] = Seat(kinds[chosen.kind](chosen, clock), writes, free)
    return lambda tenant, desk: found.get((tenant, desk))


def pushes(
    settings: Settings, store: Store, taxonomies: Taxonomies, clock: Clock, bits: Bits, metrics: Metrics
) -> tuple[Planning, Pushing]:
    """What plans the effects of a triage, and the handler of the jobs that push them. ConfigError."""
    seats = find_seats(settings.desks, taxonomies, clock)
    times = PushSettings(quiescence=settings.push.quiescence)

    def told(effect: Effect) -> None:
        outcome = OUTCOMES.get(effect.state, effect.state.value)
        metrics.pushed(effect.desk, outcome)
        log(
            "push",
            logging.WARNING if effect.state is EffectState.PARKED else logging.INFO,
            outcome=outcome,
            desk=effect.desk,
            ticket=effect.ticket_id,
            effect=effect.name,
            attempts=effect.attempts,
            reason=effect.reason,
        )

    def paused(pause: Pause) -> None:
        metrics.paused(pause.desk)
        log("desk paused", logging.WARNING, desk=pause.desk, until=pause.until, reason=pause.reason)

    pushing = Pushing(store, seats, taxonomies, clock, random.Random(), times, told, paused)
    return Planning(seats, taxonomies, clock, bits), pushing


def planner(settings: Settings, taxonomies: Taxonomies, clock: Clock, bits: Bits) -> Planning:
    """What plans the effects of a triage, for who pushes none. ConfigError."""
    return Planning(find_seats(settings.desks, taxonomies, clock), taxonomies, clock, bits)


def silent(desks: Sequence[DeskSettings], taxonomies: Taxonomies, clock: Clock) -> list[str]:
    """Ask every desk for what it has; what went wrong, in a line each. ConfigError."""
    seats, found = find_seats(desks, taxonomies, clock), list[str]()
    for chosen in desks:
        seat = seats(chosen.tenant, chosen.name)
        assert seat is not None
        try:
            seat.desk.discover()
        except DeskError as error:
            found.append(str(error))
    return found
