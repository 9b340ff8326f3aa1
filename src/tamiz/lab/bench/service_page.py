"""The service under load as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]


def service_section(folder: Path) -> list[str]:
    """What `python -m tamiz.lab.bench.service` measured and left in this folder as service.json; nothing without it."""
    path = folder / "service.json"
    if not path.is_file():
        return []
    report: Figures = json.loads(path.read_text("utf-8"))
    rounds = [len(system["rounds"]) for system in report["systems"].values()]
    return [
        "## Service",
        "",
        f"Load generator and service share the machine: {report['connections']} keep-alive connections, each with one",
        f"request in flight; {report['count']:,} distinct submissions of synthetic tickets (68 tokens in the mean), medians",
        f"of {min(rounds)} rounds, the starter model behind every design. While tickets are accepted others are triaged.",
        "Every text is new, so that none is answered by an earlier one.",
        "*Triaged* counts from the first accept to the last triage. *Killed*: one second of load, SIGKILL to all processes,",
        "a new start, and the tickets that were promised and had no triage once nothing had moved for 20 seconds. (What Celery",
        "had in hand comes back from Redis after an hour, its visibility timeout; what Redis had not written does not.)",
        "",
        "| design | 202/s | p50 ms | p99 ms | triaged/s | killed: promised | missing |",
        "|---|---|---|---|---|---|---|",
        *[_row(name, system) for name, system in report["systems"].items()],
        "",
        *_alone(report["alone"]),
    ]


def _row(name: str, system: Figures) -> str:
    cells = [
        name,
        f"{system['accepted_per_second']:,.0f}",
        f"{system['p50_ms']:.1f}",
        f"{system['p99_ms']:.1f}",
        f"{system['triaged_per_second']:.0f}",
        f"{system['killed']['promised']:,}",
        f"{system['killed']['missing']:,}",
    ]
    return f"| {' | '.join(cells)} |"


def _alone(report: Figures) -> list[str]:
    rows: Sequence[tuple[str, str]] = (
        *(
            (f"`/predict`, one connection, {name}, p50 / p99 ms", f"{t['p50_ms']:.1f} / {t['p99_ms']:.1f}")
            for name, t in report["predict"].items()
        ),
        (
            f"accepts while {report['paced']['rate']:,.0f} a second come, p50 / p99 ms",
            f"{report['paced']['p50_ms']:.1f} / {report['paced']['p99_ms']:.1f}",
        ),
        ("triaged/s with a short queue", f"{report['triaged_per_second_short_queue']:.0f}"),
        (
            f"triaged/s with up to {report['queued']:,} more in the queue",
            f"{report['triaged_per_second_long_queue']:.0f}",
        ),
        ("202/s while that queue grew", f"{report['accepted_per_second_while_it_grew']:,.0f}"),
        ("p99 ms of its last tenth", f"{report['p99_ms_at_the_end']:.1f}"),
        ("promised and not in the store", f"{report['lost']}"),
        (
            "resident MB after `/predict`, and after all this",
            f"{report['megabytes_after_predict']['resident']:.0f}, {report['megabytes']['resident']:.0f}",
        ),
    )
    return [
        "`tamiz serve` alone:",
        "",
        "| | |",
        "|---|---|",
        *[f"| {name} | {value} |" for name, value in rows],
        "",
    ]
