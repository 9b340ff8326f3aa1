"""One labelled ticket, as training and evaluation see it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Example:
    """`text` is the canonical, redacted view. `labels` maps field → class (`none` where the field does not apply);
    a field without a label is absent. `abstain` says why a person must decide (empty: an ordinary ticket).
    `group` ties together rows that must not be split apart (template, scenario, thread). `time` is ISO 8601 UTC or
    empty. `line` is the row's line in its source file, from 1.
    """

    id: str
    text: str
    labels: Mapping[str, str] = field(default_factory=dict)
    abstain: str = ""
    group: str = ""
    time: str = ""
    language: str = ""
    line: int = 0


def fingerprint(examples: Iterable[Example]) -> str:
    """A hash of texts and labels in order, for manifests and reports: same hash, same data."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(
            repr((example.text, sorted(example.labels.items()), example.abstain)).encode("utf-8", "replace")
        )
    return digest.hexdigest()[:16]
