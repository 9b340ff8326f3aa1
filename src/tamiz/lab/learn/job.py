"""What a learning run is asked to do, as it goes through a pipe to a process of its own: no ticket's text touches the disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tamiz.lab.data.example import Example


@dataclass(frozen=True, slots=True)
class Taught:
    """A ticket that people spoke of; `weak` are labels of the fields that they left as they were."""

    example: Example
    weak: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Golden:
    """A frozen set of tickets to judge on. `missing` of them are gone from the store by now."""

    version: int
    digest: str
    examples: Sequence[Example]
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One run. `rows` are in the order of people's last words. `way` is quick or full, `config` the encoder profile of a
    full run; `weak` says whether fields that people left as they were may teach. `sequence` is the newest word's number."""

    tenant: str
    active: Path
    out: Path
    rows: Sequence[Taught]
    golden: Golden | None
    sequence: int = 0
    budget: float = 0.02
    way: str = "quick"
    config: str = "cpu"
    weak: bool = False
    seed: int = 0

    def to_json(self) -> str:
        """The job as text; `from_json` reads it."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Read what `to_json` wrote."""
        data: dict[str, Any] = json.loads(text)
        rows = [Taught(Example(**row["example"]), row["weak"]) for row in data["rows"]]
        golden = data["golden"]
        if golden is not None:
            golden = Golden(**{**golden, "examples": [Example(**row) for row in golden["examples"]]})
        places = {"active": Path(data["active"]), "out": Path(data["out"])}
        return cls(**{**data, **places, "rows": rows, "golden": golden})
