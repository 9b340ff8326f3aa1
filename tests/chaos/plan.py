"""What a service under test is told."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

POISON = "POISON"
"""A ticket with this word in it kills whoever reads it."""

DESK = "it"
"""The name of the desk, where there is one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`kind` is `scripted`, or for the controls `naive` or `blind`. `desk` is the address of the desk that is written to,
    empty for none. `failpoint` is `name:count`; `seconds` is how long the model
    thinks about each ticket, `grace` how long a stop waits for work in hand."""

    home: str
    kind: str = "scripted"
    failpoint: str = ""
    seconds: float = 0.0
    grace: float = 10.0
    desk: str = ""

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_dict(cls, told: dict[str, object]) -> Plan:
        """What `to_json` wrote."""
        return cls(**told)
