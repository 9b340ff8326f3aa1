"""Weeks at the help desk of a company, hour by hour, as a stream of which it is known what asks the same.

Composed, not recorded: 2,000 people who write 1.1 tickets a month each, with a long tail of themes; some of them write the
same again; forms of fixed text; and two outages a week that many people report, each in words of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from tamiz.lab.bench.cache_stream import Arrival, Source, Stream, Wording
from tamiz.lab.synth.bank import Bank

PEOPLE = 2_000
ORDINARY = round(PEOPLE * 1.1 * 12 / 52)
"""Tickets a week that concern their writer alone."""
RESENT, REMINDED = 0.06, 0.05
"""Shares of these that are sent again as they are, or in the same words in another dress (by chat after the mail)."""
FORMS, FORM_TICKETS, FORM_VARIES = 12, 90, 0.6
"""Forms of fixed text, how often any of them is used in a week, and the share that names another person, device or site."""
OUTAGES = ((0, 9, 75), (2, 14, 45))
"""Day, hour and reports of the outages of a week."""
FORWARDED = 0.1
"""Share of the reports of an outage that pass on an earlier one as it is."""
HOURS = {7: 3, 8: 9, 9: 14, 10: 13, 11: 12, 12: 7, 13: 7, 14: 11, 15: 10, 16: 8, 17: 4, 18: 2}
"""Hour of a working day → relative number of tickets."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A ticket, its week, and the hour of that week from Monday 0:00."""

    week: int
    hour: int
    arrival: Arrival


def weeks(bank: Bank, source: Source, count: int, seed: int = 0) -> list[Visit]:
    """So many weeks, in the order of time."""
    stream, rng = Stream(bank, source, seed=seed), Random(seed)
    themes = [*source.scenarios, *(source.acts[key] for key in sorted(source.acts))]
    rng.shuffle(themes)
    weights = [1.0 / (rank + 1) for rank in range(len(themes))]
    forms = [_form(stream, rng) for _ in range(FORMS)]
    visits: list[Visit] = []
    for week in range(count):
        for _ in range(ORDINARY):
            scenario = rng.choices(themes, weights)[0]
            language = rng.choice(sorted(scenario.bodies))
            wording = stream.fresh(scenario, language)
            hour = _hour(rng)
            visits.append(Visit(week, hour, stream.written(wording, "new")))
            draw = rng.random()
            if draw < RESENT:
                visits.append(Visit(week, _after(rng, hour), replace(visits[-1].arrival, how="again")))
            elif draw < RESENT + REMINDED:
                again = stream.written(replace(wording, dress=rng.getrandbits(32)), "dress")
                visits.append(Visit(week, _after(rng, hour), again))
        for _ in range(FORM_TICKETS):
            visits.append(Visit(week, _hour(rng), _filled_in(stream, rng, rng.choice(forms))))
        for day, hour, reports in OUTAGES:
            visits += _outage(stream, rng, week, 24 * day + hour, reports)
    return sorted(visits, key=lambda v: (v.week, v.hour))


def _form(stream: Stream, rng: Random) -> Wording:
    scenario = rng.choice(list(stream.source.scenarios))
    return stream.fresh(scenario, rng.choice(("en", "es")))


def _filled_in(stream: Stream, rng: Random, form: Wording) -> Arrival:
    """The same text, about the same thing or another one."""
    if rng.random() < FORM_VARIES:
        number = rng.getrandbits(32)
        form = replace(form, known=stream.slots(form.language), request=f"r{number}")
    return stream.written(form, "form")


def _outage(stream: Stream, rng: Random, week: int, hour: int, reports: int) -> list[Visit]:
    """One incident of high impact, reported in both languages, most of it within two hours."""
    incidents = [s for s in stream.source.scenarios if s.labels["request_type"] == "Incident"]
    scenario = rng.choice(incidents)
    by_language = {
        language: replace(stream.fresh(scenario, language), levels=("High", "High"))
        for language in ("en", "es")
    }
    found: list[Visit] = []
    for _ in range(reports):
        later = min(int(rng.expovariate(1.0)), 7)
        if found and rng.random() < FORWARDED:
            found.append(Visit(week, hour + later, replace(rng.choice(found).arrival, how="again")))
            continue
        wording = by_language[rng.choice(("en", "es"))]
        told = replace(wording, words=rng.getrandbits(32), dress=rng.getrandbits(32))
        found.append(Visit(week, hour + later, stream.written(told, "outage")))
    return found


def _hour(rng: Random) -> int:
    return 24 * rng.randrange(5) + rng.choices(list(HOURS), list(HOURS.values()))[0]


def _after(rng: Random, hour: int) -> int:
    return min(hour + 1 + int(rng.expovariate(0.25)), 24 * 7 - 1)
