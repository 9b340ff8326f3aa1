"""What may be done with which field, in one file that a running service reads again when it changes.

shadow = true                       # suggest at most, whatever a model has earned
[modes]                             # the most that may be done with a field: apply | recommend | review | off
priority = "recommend"
[[rules]]                           # in order; of two that set a field the first one counts
name = "payroll day"
words = ["payroll", "nómina"]       # any of them, whole words; without: every ticket
where = { category = "Software" }   # and what the model says; without: anything
set = { assignment_group = "End User Applications" }
at_least = { urgency = "High" }     # raise, never lower
review = ["subcategory"]            # a person decides
"""

from __future__ import annotations

import hashlib
import threading
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tamiz.domain.errors import ConfigError
from tamiz.domain.gate import Policy
from tamiz.domain.rules import Rule, check_rules
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Decision

FILE_NAME = "policy.toml"
LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class HousePolicy:
    """A read file; without one nothing is changed. `digest` is the SHA-256 of its bytes."""

    modes: dict[str, str] = field(default_factory=dict)
    shadow: bool = False
    rules: tuple[Rule, ...] = ()
    digest: str = ""

    def over(self, policy: Policy, taxonomy: Taxonomy) -> Policy:
        """A model's policy, capped by this one."""
        capped = policy.with_modes(self.modes)
        if not self.shadow:
            return capped
        fields = {
            f.name: replace(capped.of(f.name), mode=Decision.RECOMMEND)
            for f in taxonomy.choices
            if capped.of(f.name).mode is Decision.APPLY
        }
        return replace(capped, fields={**capped.fields, **fields})


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=80)
    words: tuple[str, ...] = ()
    where: dict[str, str] = {}
    set: dict[str, str] = {}
    at_least: dict[str, str] = {}
    review: tuple[str, ...] = ()


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    shadow: bool = False
    modes: dict[str, str] = {}
    rules: tuple[_Rule, ...] = ()


def read_policy(path: Path, taxonomy: Taxonomy) -> HousePolicy:
    """Read and check a file; there being none is fine. ConfigError names the key and the mistake."""
    try:
        raw = path.read_bytes() if path.is_file() else b""
        if len(raw) > LARGEST:
            raise ConfigError(key=str(path), mistake=f"is larger than {LARGEST:,} bytes")
        told: dict[str, Any] = tomllib.loads(raw.decode("utf-8"))
        file = _File.model_validate(told)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(key=str(path), mistake=f"cannot be read ({error})") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(key=f"{path.name}: {key}", mistake=first["msg"].lower()) from error
    rules = tuple(Rule(r.name, r.words, r.where, r.set, r.at_least, r.review) for r in file.rules)
    check_rules(rules, taxonomy)
    unknown = [name for name in file.modes if name not in {f.name for f in taxonomy.choices}]
    if unknown:
        raise ConfigError(key=f"{path.name}: modes.{unknown[0]}", mistake="there is no such field")
    Policy().with_modes(file.modes)
    return HousePolicy(file.modes, file.shadow, rules, hashlib.sha256(raw).hexdigest() if raw else "")


class LivePolicy:
    """The file as it was last read without a mistake. A wrong one leaves the last right one in place, and is told once."""

    def __init__(self, path: Path, taxonomy: Taxonomy, told: Callable[[str], None]) -> None:
        self._path, self._taxonomy, self._told = path, taxonomy, told
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._current = read_policy(path, taxonomy)

    @property
    def current(self) -> HousePolicy:
        """What holds now."""
        return self._current

    def refresh(self) -> bool:
        """Look at the file; True where another policy holds from now on."""
        with self._lock:
            stamp = self._stamp()
            if stamp == self._seen:
                return False
            self._seen = stamp
            try:
                found = read_policy(self._path, self._taxonomy)
            except ConfigError as error:
                self._told(f"the policy before it stays: {error.one_line()}")
                return False
            changed, self._current = found != self._current, found
            return changed

    def _stamp(self) -> tuple[int, int, int]:
        """What changes when the file does: its time, size and inode; zeros where there is none."""
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0, 0
        return found.st_mtime_ns, found.st_size, found.st_ino
