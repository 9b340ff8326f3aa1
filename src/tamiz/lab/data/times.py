"""Moments as exports write them → ISO 8601 in UTC. A column is read as a whole, since 03/04 alone says nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

_ISO = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")
_NUMERIC = re.compile(
    r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})"
    r"(?:,?[ T]{1,2}(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)? ?([ap]\.? ?m\.?)?)?",
    re.IGNORECASE,
)
_YEAR_FIRST = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_NAMED = re.compile(
    r"(?:\w{2,10},? )?(?:(?P<d1>\d{1,2})[ .-]{1,2}(?:de )?(?P<m1>[a-zé]{3,10})|(?P<m2>[a-z]{3,10})\.? (?P<d2>\d{1,2}))"
    r"[ ,.-]{1,2}(?:de )?(?P<y>\d{4})"
    r"(?:,?(?: at)? (?P<h>\d{1,2}):(?P<min>\d{2})(?::(?P<s>\d{2}))? ?(?P<ap>[ap]\.?m\.?)?)?(?: ?(?:gmt|utc|z|\+0000))?",
    re.IGNORECASE,
)
_EPOCH = re.compile(r"\d{10}(?:\d{3})?")
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan ene janv",
            "feb fev fevr",
            "mar mrz mars",
            "apr abr avr",
            "may mai mayo",
            "jun juin",
            "jul juil",
            "aug ago aout",
            "sep set sept",
            "oct okt out",
            "nov",
            "dec dic dez",
        ),
        1,
    )
    for name in names.split()
}


def parse_times(values: Sequence[str]) -> tuple[list[str], str]:
    """ISO 8601 UTC per value (empty where it is no moment), and a note where day and month cannot be told apart.

    A moment without a zone is taken as UTC.
    """
    month_first, certain = _order(values)
    parsed = [_parse(value.strip(), month_first) for value in values]
    numeric = any(_NUMERIC.fullmatch(value.strip()) for value in values)
    note = "dates such as 03/04 were read as day/month; nothing in the column says which" if numeric else ""
    return parsed, "" if certain else note


def _order(values: Sequence[str]) -> tuple[bool, bool]:
    """(month first?, is that certain?), from the values where one of the two numbers cannot be a month."""
    day_first = month_first = 0
    for value in values:
        match = _NUMERIC.fullmatch(value.strip())
        if match:
            day_first += int(match[1]) > 12
            month_first += int(match[3]) > 12
    return month_first > day_first, month_first != day_first


def _parse(value: str, month_first: bool) -> str:
    try:
        moment = _moment(value, month_first)
    except (ValueError, OverflowError, OSError):
        return ""
    if moment is None:
        return ""
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="seconds")


def _moment(value: str, month_first: bool) -> datetime | None:
    if _ISO.match(value):
        return datetime.fromisoformat(value.removesuffix(" UTC").replace(" +", "+"))
    if match := _NUMERIC.fullmatch(value):
        first, second, year = _ints(match[1], match[3], match[4])
        day, month = (second, first) if month_first else (first, second)
        return _build(year + 2000 if year < 100 else year, month, day, match[5], match[6], match[7], match[8])
    if match := _YEAR_FIRST.fullmatch(value):
        year, month, day = _ints(match[1], match[2], match[3])
        return _build(year, month, day, match[4], match[5], match[6], None)
    if match := _NAMED.fullmatch(value):
        name = (match["m1"] or match["m2"]).casefold()
        month = _MONTHS.get(name[:4]) or _MONTHS.get(name[:3]) or 0
        year, day = _ints(match["y"], match["d1"] or match["d2"])
        return _build(year, month, day, match["h"], match["min"], match["s"], match["ap"])
    if _EPOCH.fullmatch(value):
        return datetime.fromtimestamp(int(value) / (1000 if len(value) == 13 else 1), UTC)
    return None


def _build(
    year: int,
    month: int,
    day: int,
    hour: str | None,
    minute: str | None,
    second: str | None,
    half: str | None,
) -> datetime:
    hours, minutes, seconds = _ints(hour, minute, second)
    hours = hours % 12 + 12 * (half[0] in "pP") if half else hours
    return datetime(year, month, day, hours, minutes, seconds)


def _ints(*parts: str | None) -> tuple[int, ...]:
    return tuple(int(part or 0) for part in parts)
