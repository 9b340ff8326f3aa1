"""The golden set: tickets to judge every candidate on, chosen once and then frozen.

    <home>/golden/<tenant>.jsonl      {"golden": 1, "classes": HASH, "made": TIME}, then a line per ticket

Tickets of the store stand there by id and labels, and their text is read where it is needed: who is erased is gone from here
too. Tickets of a file bring their text. A set that is replaced stays beside the new one, under its version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tamiz.domain.errors import ConfigError, DataError
from tamiz.domain.taxonomy import Taxonomy
from tamiz.lab.data.example import Example
from tamiz.lab.data.splits import random_split
from tamiz.lab.learn.job import Golden, Taught
from tamiz.lab.learn.slices import resolved

LEAST = 90
"""Corrected tickets from which a third may be set apart; fewer judged tickets tell nothing apart."""


def place(home: Path, tenant: str) -> Path:
    """Where a tenant's golden set lies."""
    return home / "golden" / f"{quote(tenant, safe='')}.jsonl"


def drawn(rows: Sequence[Taught], size: int, field: str, seed: int = 0) -> list[Example]:
    """So many tickets, at most a third of all, drawn by the classes of a field. DataError for too few rows."""
    distinct = [row.example for row in resolved(rows)]
    if len(distinct) < LEAST:
        raise DataError(
            path="golden set", mistake=f"{len(distinct)} corrected tickets are too few; it takes {LEAST}"
        )
    share = min(size, len(distinct) // 3) / len(distinct)
    return random_split(distinct, {"golden": share, "rest": 1 - share}, field, seed)["golden"]


def freeze(
    path: Path, examples: Sequence[Example], taxonomy: Taxonomy, made: datetime, texts: bool, replace: bool
) -> int:
    """Write the set and return its version. `texts` says whether the tickets are not in the store. ConfigError where there
    is one already that is not to be replaced."""
    version = 1
    if path.is_file():
        version = int(_lines(path)[0]["golden"]) + 1
        if not replace:
            raise ConfigError(key="golden", mistake=f"{path} is frozen; a new one takes --replace")
        path.rename(path.with_suffix(f".{version - 1}.jsonl"))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines: list[dict[str, Any]] = [
        {"golden": version, "classes": taxonomy.classes_hash, "made": made.isoformat()}
    ]
    for e in examples:
        told = {"text": e.text, "language": e.language} if texts else {}
        lines.append({"id": e.id, "labels": dict(e.labels), **told})
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
    draft.replace(path)
    return version


def ids(path: Path) -> list[str]:
    """The ids of the tickets that the store has."""
    return [str(line["id"]) for line in _lines(path)[1:] if "text" not in line] if path.is_file() else []


def thaw(path: Path, taxonomy: Taxonomy, texts: Mapping[str, tuple[str, str]]) -> Golden | None:
    """The set, None where there is none; `texts` gives (text, language) of the store's tickets by id. ConfigError where it
    was made for other classes."""
    if not path.is_file():
        return None
    head, *rows = _lines(path)
    if head["classes"] != taxonomy.classes_hash:
        raise ConfigError(
            key="golden", mistake=f"{path} was made for other classes; make a new one with --replace"
        )
    found = []
    for row in rows:
        told = (row["text"], row["language"]) if "text" in row else texts.get(row["id"])
        if told is not None:
            found.append(Example(row["id"], told[0], row["labels"], language=told[1]))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return Golden(int(head["golden"]), digest, found, len(rows) - len(found))


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        if not lines or not all(isinstance(line, dict) for line in lines) or "golden" not in lines[0]:
            raise ValueError("it has no head")
    except (OSError, ValueError) as error:
        raise DataError(path=path, mistake=f"is no golden set ({error})") from error
    return lines
