"""What may be done with which field, in one file that a running service reads again when it changes.

shadow = true                       # suggest at most, whatever a model has earned
[modes]                             # the most that may be done with a field: apply | recommend | review | off
priority = "recommend"
[fields.category]                   # the same for one field, and its error budget: wrong values among applied ones
mode = "apply"
budget = 0.01                       # needs a model that has proven it; without that it suggests at most
[[rules]]                           # in order; of two that set a field the first one counts
name = "payroll day"
words = ["payroll", "nómina"]       # any of them, whole words; without: every ticket
requester = ["@board.example.org"]  # and from one of these addresses or domains; without: from anybody
where = { category = "Software" }   # and what the model says; without: anything, and no language model is asked first
set = { assignment_group = "End User Applications" }
at_least = { urgency = "High" }     # raise, never lower
review = ["subcategory"]            # a person decides
"""

from __future__ import annotations

import hashlib
import threading
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tamiz.bootstrap.toml_lines import line_of
from tamiz.domain.errors import ConfigError
from tamiz.domain.gate import FieldPolicy, Policy
from tamiz.domain.rules import MOST_WORDS, Rule, check_rules
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
    budgets: dict[str, float] = field(default_factory=dict)

    def over(self, policy: Policy) -> Policy:
        """A model's policy under this one: capped, at the thresholds of these budgets. What the model keeps of other
        budgets is left out, so that receipts need not carry it."""
        capped = policy.with_modes(self.modes)
        fields = {name: capped.of(name) for name in (*capped.fields, *self.budgets)}
        for name, budget in self.budgets.items():
            fields[name] = fields[name].within(budget, policy.budget)
        bare = {name: replace(own, ladder=()) for name, own in fields.items()}
        return replace(capped, fields=bare, shadow=self.shadow)

    def warnings(self, policy: Policy) -> list[str]:
        """Budgets that a model cannot follow to the letter, and what is done instead."""
        return [
            f"fields.{name}.budget = {budget:g}: {told}"
            for name, budget in self.budgets.items()
            if (told := _shortfall(policy.of(name), budget, policy.budget))
        ]


def _shortfall(own: FieldPolicy, budget: float, fitted: float | None) -> str:
    if own.apply_at is None and all(rung.apply_at is None for rung in own.ladder):
        return "the model has not earned the right to apply this field; it is suggested at most"
    found = own.within(budget, fitted)
    if found.apply_at is None:
        return "the model has no proof for so strict a budget; the field is suggested at most"
    if found.budget is not None and found.budget < budget:
        return f"the model has proof for {found.budget:g}, whose threshold is used"
    return ""


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=80)
    words: tuple[str, ...] = ()
    where: dict[str, str] = {}
    set: dict[str, str] = {}
    at_least: dict[str, str] = {}
    review: tuple[str, ...] = ()
    requester: tuple[str, ...] = Field((), max_length=MOST_WORDS)


class _Field(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: str | None = None
    budget: float | None = Field(None, gt=0.0, lt=1.0)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    shadow: bool = False
    modes: dict[str, str] = {}
    fields: dict[str, _Field] = {}
    rules: tuple[_Rule, ...] = ()


def read_policy(path: Path, taxonomy: Taxonomy) -> HousePolicy:
    """Read and check a file; there being none is fine. ConfigError names file, line, key and mistake."""
    try:
        raw = path.read_bytes() if path.is_file() else b""
        if len(raw) > LARGEST:
            raise ConfigError(key=str(path), mistake=f"is larger than {LARGEST:,} bytes")
        text = raw.decode("utf-8")
        told: dict[str, Any] = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(key=str(path), mistake=f"cannot be read ({error})") from error
    try:
        file = _File.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        raise _mistake(path, text, first["loc"], first["msg"].lower()) from error
    modes = _checked(file, taxonomy, path, text)
    rules = tuple(
        Rule(r.name, r.words, r.where, r.set, r.at_least, r.review, r.requester) for r in file.rules
    )
    for number, rule in enumerate(rules):
        try:
            check_rules([rule], taxonomy)
        except ConfigError as error:
            mistake = f"{rule.name}: {error.facts['mistake']}"
            raise _mistake(path, text, ("rules", number), mistake) from error
    budgets = {name: own.budget for name, own in file.fields.items() if own.budget is not None}
    digest = hashlib.sha256(raw).hexdigest() if raw else ""
    return HousePolicy(modes, file.shadow, rules, digest, budgets)


def _checked(file: _File, taxonomy: Taxonomy, path: Path, text: str) -> dict[str, str]:
    """The modes of both tables, held against the taxonomy."""
    places = {name: ("modes", name) for name in file.modes}
    modes = dict(file.modes)
    for name, own in file.fields.items():
        if own.mode is not None and name in modes:
            raise _mistake(path, text, ("fields", name, "mode"), f"modes.{name} says it already")
        places.setdefault(name, ("fields", name))
        if own.mode is not None:
            modes[name] = own.mode
    known = [f.name for f in taxonomy.choices]
    for name, place in places.items():
        if name not in known:
            raise _mistake(path, text, place, f"there is no such field; there are {', '.join(known)}")
        if modes.get(name, "off") not in set(Decision):
            raise _mistake(path, text, place, f"'{modes[name]}' is not apply, recommend, review or off")
    return modes


def _mistake(path: Path, text: str, place: Sequence[str | int], mistake: str) -> ConfigError:
    line = line_of(text, place)
    where = f"{path.name}:{line}" if line else path.name
    return ConfigError(key=f"{where}: {'.'.join(map(str, place))}", mistake=mistake)


class LivePolicy:
    """The file as it was last read without a mistake. A wrong one leaves the last right one in place, and is told once.
    So does one that is suddenly empty or gone, until a second look finds it so: whoever is just writing it leaves it so
    for a moment, in which all that it forbids would be allowed."""

    def __init__(self, path: Path, taxonomy: Taxonomy, told: Callable[[str], None]) -> None:
        self._path, self._taxonomy, self._told = path, taxonomy, told
        self._lock = threading.Lock()
        self._seen = self._doubted = self._stamp()
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
            empty, doubted = not stamp[1] and self._seen[1], self._doubted
            self._doubted = stamp
            if empty and stamp != doubted:
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
