"""Which column is what: by its header, else by what its cells look like."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tamiz.domain.errors import DataError
from tamiz.lab.data.headers import (
    IGNORED,
    LABEL_ROLES,
    LOOSE,
    PLAIN_ROLES,
    TEXT_ROLES,
    WEAK,
    fold_header,
    phrases,
    rank,
)
from tamiz.lab.data.table import Table
from tamiz.lab.data.times import parse_times

MAX_LABELS = 200
MAX_HINTED_LABELS = 2000
SAMPLE = 300

_NUMBER = re.compile(r"[-+]?\d{1,20}(?:[.,]\d{1,10})?")
_BOOLEANS = frozenset(phrases("true|false|yes|no|si|sí|y|n|0|1|t|f|ja|nein|sim|não|oui|non"))
ROLES = ("subject", "body", "label", *PLAIN_ROLES, "ignore")
"""The roles that a person may give to a column; the name of a taxonomy field makes it that field's label column."""


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Columns by role; None where a role has none.

    `labels` come in order of trust, the first is the primary one. `roles` names the usual field of a label column
    (`Prioridad` → `priority`). `candidates` look like labels, but nothing in their header says so.
    """

    subject: str | None = None
    body: str | None = None
    labels: tuple[str, ...] = ()
    id: str | None = None
    time: str | None = None
    group: str | None = None
    language: str | None = None
    abstain: str | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    candidates: tuple[str, ...] = ()

    def render(self) -> str:
        """One line that says how the columns were read."""
        named = {role: getattr(self, role) for role in ("subject", "body", *PLAIN_ROLES)}
        parts = [f"{role}: {column}" for role, column in named.items() if column]
        return "; ".join([*parts, f"labels: {', '.join(self.labels) or 'none'}"])


@dataclass(frozen=True, slots=True)
class Profile:
    """What the cells of one column look like; shares are of the filled cells."""

    rows: int
    filled: int
    distinct: int
    words: float
    numeric: float
    dates: float
    booleans: bool
    repeated: float

    @property
    def free_text(self) -> bool:
        """Several words, and seldom the same ones."""
        return (
            self.words >= 2.5
            and self.distinct >= 0.1 * self.filled
            and self.numeric < 0.5
            and self.dates < 0.5
        )

    @property
    def labels_if_hinted(self) -> bool:
        """Could be a label column, given that its header says so."""
        enough = 2 <= self.distinct <= MAX_HINTED_LABELS and self.distinct < max(0.5 * self.filled, 3)
        return enough and self.words <= 12 and (self.dates < 0.5 or self.numeric > 0.5)

    @property
    def labels_by_content(self) -> bool:
        """Looks like a label column on its own: few short values, each on enough rows, no numbers, no dates."""
        few = 2 <= self.distinct <= min(MAX_LABELS, self.filled / 3) and self.filled >= 0.05 * self.rows
        plain = self.words <= 6 and self.numeric < 0.5 and self.dates < 0.5 and not self.booleans
        return few and plain and self.repeated >= 0.9


def profile(cells: Sequence[str]) -> Profile:
    """Look at the cells of one column."""
    filled = [cell for cell in cells if cell]
    counts = Counter(filled)
    sample = list(counts)[:SAMPLE]
    size = max(1, len(sample))
    dates = sum(bool(moment) for moment in parse_times([cell[:60] for cell in sample])[0])
    several = max(2, min(5, len(filled) // 1000))
    return Profile(
        rows=len(cells),
        filled=len(filled),
        distinct=len(counts),
        words=sum(len(cell[:2000].split()) for cell in sample) / size,
        numeric=sum(bool(_NUMBER.fullmatch(cell)) for cell in sample) / size,
        dates=dates / size,
        booleans={cell.casefold() for cell in sample} <= _BOOLEANS,
        repeated=sum(n for n in counts.values() if n >= several) / max(1, len(filled)),
    )


def detect(table: Table, choices: Mapping[str, str] | None = None) -> ColumnMapping:
    """Find the role of every column.

    `choices` maps a column to a role (see ROLES) or to the taxonomy field that it labels, and overrides what would
    be found; when it names label columns, only those are labels. DataError when a chosen column does not exist or
    when there is no text to read.
    """
    chosen = _chosen(table, choices or {})
    free = [c for c in table.columns if c not in chosen]
    profiles = {c: profile(table.column(c)) for c in free}
    found = _by_header(free, profiles)
    found = {role: column for role, column in found.items() if role not in chosen.values()}
    single: dict[str, Any] = {**found, **{role: c for c, role in chosen.items() if role in _SINGLE}}
    mapping = ColumnMapping(**single)
    mapping = _with_text(mapping, profiles, chosen)
    if not (mapping.subject or mapping.body):
        listed = ", ".join(table.columns)
        raise DataError(
            path=table.source,
            mistake=f"no column holds text. Its columns are: {listed}. Say which one with --column NAME=body",
        )
    return _with_labels(mapping, profiles, chosen)


_SINGLE = frozenset(("subject", "body", *PLAIN_ROLES))


def _chosen(table: Table, choices: Mapping[str, str]) -> dict[str, str]:
    folded = {fold_header(column): column for column in table.columns}
    chosen = {}
    for name, role in choices.items():
        column = name if name in table.columns else folded.get(fold_header(name))
        if column is None:
            raise DataError(
                path=table.source,
                mistake=f"has no column '{name}'. Its columns are: {', '.join(table.columns)}",
            )
        chosen[column] = role
    return chosen


def _by_header(columns: Sequence[str], profiles: Mapping[str, Profile]) -> dict[str, str]:
    """Role → column for the roles that one column can have. A column takes the role that its header fits best."""
    offers: list[tuple[int, int, str, str]] = []
    for place, column in enumerate(columns):
        if rank(column, IGNORED) in range(LOOSE):
            continue
        fits = [(rank(column, phrases), role) for role, phrases in _ALL_ROLES.items()]
        fits = sorted(
            (r, role) for r, role in fits if r >= 0 and _plausible(role, r, column, profiles[column])
        )
        if fits and fits[0][1] in _SINGLE:
            offers.append((fits[0][0], place, fits[0][1], column))
    found: dict[str, str] = {}
    for _, _, role, column in sorted(offers):
        found.setdefault(role, column)
    return found


_ALL_ROLES = {**TEXT_ROLES, **PLAIN_ROLES, **LABEL_ROLES}


def _plausible(role: str, fit: int, column: str, seen: Profile) -> bool:
    sure = fit < LOOSE and fold_header(column) not in WEAK
    if role in TEXT_ROLES:
        return seen.filled > 0 and (seen.numeric < 0.9 if sure else seen.free_text)
    if role in LABEL_ROLES:
        return seen.labels_if_hinted
    if role == "time":
        return seen.dates >= 0.5
    if role == "id":
        return seen.distinct >= 0.5 * seen.filled > 0 and not seen.free_text
    if role == "language":
        return seen.filled > 0 and seen.words < 2
    return seen.filled > 0


def _with_text(
    mapping: ColumnMapping, profiles: Mapping[str, Profile], chosen: Mapping[str, str]
) -> ColumnMapping:
    """Fall back on the column with the longest free text where no header names a body."""
    if mapping.body or "body" in chosen.values() or (mapping.subject and "subject" in chosen.values()):
        return mapping
    least = profiles[mapping.subject].words if mapping.subject else 0.0
    texts = [
        (seen.words, column)
        for column, seen in profiles.items()
        if seen.free_text and seen.words > least and column != mapping.subject and rank(column, IGNORED) < 0
    ]
    return replace(mapping, body=max(texts)[1]) if texts else mapping


def _with_labels(
    mapping: ColumnMapping, profiles: Mapping[str, Profile], chosen: Mapping[str, str]
) -> ColumnMapping:
    taken = {getattr(mapping, role) for role in _SINGLE}
    open_columns = [c for c in profiles if c not in taken and rank(c, IGNORED) not in range(LOOSE)]
    hinted: list[tuple[int, int, int, str, str]] = []
    for place, column in enumerate(open_columns):
        fits = sorted(
            (r, order, role)
            for order, (role, phrases) in enumerate(LABEL_ROLES.items())
            if (r := rank(column, phrases)) >= 0
        )
        if fits and profiles[column].labels_if_hinted and not profiles[column].free_text:
            fit, order, role = fits[0]
            hinted.append((fit // LOOSE, order, place, role, column))
    named = {column: role for *_, role, column in sorted(hinted)}
    other = tuple(c for c in open_columns if c not in named and profiles[c].labels_by_content)
    picked = {c: role for c, role in chosen.items() if role not in _SINGLE and role != "ignore"}
    labels = tuple(picked or named) or other
    roles = {**named, **{c: role for c, role in picked.items() if role != "label"}}
    candidates = tuple(c for c in (*named, *other) if c not in labels)
    return replace(
        mapping, labels=labels, roles={c: roles[c] for c in labels if c in roles}, candidates=candidates
    )
