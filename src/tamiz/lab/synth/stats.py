"""The statistics report on generated tickets: uniqueness, languages, class balance, evidence, split hygiene."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from statistics import mean, quantiles
from typing import Any

from tamiz.domain.taxonomy import NONE
from tamiz.lab.synth.bank import EVIDENCE_FIELDS
from tamiz.lab.synth.generate import SynthTicket


def statistics(rows: Iterable[SynthTicket]) -> dict[str, Any]:
    """Counts and shares (0 to 1) of a generated set, ready for JSON; `render` prints them.

    `shared_*` list what stands in more than one split and must be empty for an honest test.
    """
    tickets = list(rows)
    distinct = {" ".join(f"{t.subject}\n{t.body}".casefold().split()) for t in tickets}
    scenarios = _by_split(tickets, lambda t: t.scenario.split("+"))
    filed = [t for t in tickets if not t.abstain]
    evidence = {name: _by_split(filed, _evidence_of(name)) for name in EVIDENCE_FIELDS}
    return {
        "rows": len(tickets),
        "distinct_texts": len(distinct),
        "uniqueness": round(len(distinct) / max(len(tickets), 1), 4),
        "language": _shares(t.language for t in tickets),
        "channel": _shares(t.channel for t in tickets),
        "abstain": _shares(t.abstain or "no" for t in tickets),
        "split": dict(sorted(Counter(t.split_group for t in tickets).items())),
        "words": _lengths([len(t.body.split()) for t in tickets]),
        "fields": _balance(tickets),
        "scenarios": {split: len(found) for split, found in scenarios.items()},
        "shared_scenarios": _shared(scenarios),
        "evidence": {
            name: {split: len(found) for split, found in by_split.items()}
            for name, by_split in evidence.items()
        },
        "silent": {
            name: round(sum(not _evidence_of(name)(t) for t in filed) / max(len(filed), 1), 4)
            for name in evidence
        },
        "shared_evidence": sorted({e for by_split in evidence.values() for e in _shared(by_split)}),
    }


def render(report: dict[str, Any]) -> str:
    """The report as plain text, a line per fact and a table per field."""
    lines = [
        f"tickets            {report['rows']}",
        f"distinct texts     {report['distinct_texts']} ({report['uniqueness']:.1%})",
    ]
    lines += [f"{name:18} {_listed(report[name])}" for name in ("language", "channel", "abstain")]
    lines.append(f"{'split':18} " + ", ".join(f"{key} {count}" for key, count in report["split"].items()))
    lines.append(f"{'words per body':18} " + ", ".join(f"{k} {v}" for k, v in report["words"].items()))
    lines.append(f"{'scenarios':18} " + ", ".join(f"{k} {v}" for k, v in report["scenarios"].items()))
    for name, counts in report["evidence"].items():
        told = ", ".join(f"{split} {count}" for split, count in counts.items())
        lines.append(f"{name + ' phrases':18} {told}; silent in {report['silent'][name]:.1%} of the tickets")
    for name in ("shared_scenarios", "shared_evidence"):
        lines.append(f"{name.replace('_', ' '):18} {len(report[name]) or 'none'}")
    for name, by_split in report["fields"].items():
        lines += ["", name, *_table(by_split)]
    return "\n".join(lines) + "\n"


def _by_split(
    tickets: Iterable[SynthTicket], keys: Callable[[SynthTicket], list[str]]
) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for ticket in tickets:
        found[ticket.split_group].update(keys(ticket))
    return dict(sorted(found.items()))


def _shared(by_split: dict[str, set[str]]) -> list[str]:
    counts = Counter(key for found in by_split.values() for key in found)
    return sorted(key for key, count in counts.items() if count > 1)


def _balance(tickets: list[SynthTicket]) -> dict[str, dict[str, dict[str, int]]]:
    counts: dict[str, dict[str, Counter[str]]] = {}
    for ticket in tickets:
        for name, value in ticket.labels.items():
            by_split = counts.setdefault(name, defaultdict(Counter))
            by_split[ticket.split_group][value or NONE] += 1
    return {
        name: {split: dict(counter.most_common()) for split, counter in sorted(by_split.items())}
        for name, by_split in counts.items()
    }


def _shares(values: Iterable[str]) -> dict[str, float]:
    counts = Counter(values)
    return {key: round(count / counts.total(), 4) for key, count in counts.most_common()}


def _evidence_of(name: str) -> Callable[[SynthTicket], list[str]]:
    def told(ticket: SynthTicket) -> list[str]:
        text = ticket.urgency_evidence if name == "urgency" else ticket.impact_evidence
        return [text] if text else []

    return told


def _lengths(words: list[int]) -> dict[str, float]:
    if len(words) < 2:
        return {"mean": float(sum(words))}
    deciles = quantiles(words, n=10)
    return {"mean": round(mean(words), 1), "median": round(deciles[4], 1), "p90": round(deciles[8], 1)}


def _listed(shares: dict[str, float]) -> str:
    return ", ".join(f"{key} {share:.1%}" for key, share in shares.items())


def _table(by_split: dict[str, dict[str, int]]) -> list[str]:
    labels = list(dict.fromkeys(label for counts in by_split.values() for label in counts))
    head = f"  {'':22}" + "".join(f"{split:>16}" for split in by_split)
    rows = []
    for label in labels:
        cells = [
            f"{counts.get(label, 0):>8} {counts.get(label, 0) / sum(counts.values()):>6.1%}"
            for counts in by_split.values()
        ]
        rows.append(f"  {label:22}" + "".join(f"{cell:>16}" for cell in cells))
    return [head, *rows]
