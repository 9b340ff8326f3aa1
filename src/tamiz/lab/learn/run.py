"""One learning run: cut, learn, judge, and say what is proposed.

    python -m tamiz.lab.learn < job.json

The command line starts it in a process of its own, at low priority. It writes report.json, report.md and report.html into
the job's folder, and `model` where a candidate came of it. No report holds a ticket's text.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

from tamiz.lab.learn import candidate, gate
from tamiz.lab.learn.job import Golden, Job
from tamiz.lab.learn.opened import Open, Opened
from tamiz.lab.learn.report import as_html, as_markdown
from tamiz.lab.learn.slices import LEAST, Slices, cut, with_weak
from tamiz.models.artifact import read_manifest

MODEL, REPORT = "model", "report.json"
STRANGE = 400
"""Synthetic tickets among which those that must go to a person are judged."""

Say = Callable[[str], None]


class State(StrEnum):
    """How a run ended."""

    PROPOSED = "proposed"
    REFUSED = "refused"
    TOO_FEW = "too few"


def run(job: Job, say: Say, opened: Open | None = None) -> dict[str, Any]:
    """The report as plain data, written into `job.out` beside the candidate. ConfigError, ArtifactError, DataError."""
    started = time.monotonic()
    active = read_manifest(job.active)
    report: dict[str, Any] = {
        "tenant": job.tenant,
        "sequence": job.sequence,
        "active": {"name": active.name, "hash": active.content_hash},
        "way": job.way,
        "budget": job.budget,
        "golden": _golden_facts(job.golden),
    }
    say(f"looking for duplicates among {len(job.rows):,} corrected tickets")
    slices = cut(job.rows, job.golden)
    report["rows"] = {
        **slices.counts,
        "taught": len(slices.taught),
        "weighed": len(slices.weighed),
        "judged": len(slices.judged),
    }
    usable = sum(report["rows"][name] for name in ("taught", "weighed", "judged"))
    if usable < LEAST:
        report |= {
            "state": State.TOO_FEW,
            "reasons": [f"{usable} usable corrected tickets of the {LEAST} that it takes"],
        }
    else:
        report |= _judged(job, slices, say, opened or Opened())
    report["seconds"] = round(time.monotonic() - started, 1)
    write(report, job.out)
    return report


def _judged(job: Job, slices: Slices, say: Say, opened: Open) -> dict[str, Any]:
    say(f"learning from {len(slices.taught) + len(slices.weighed):,} tickets")
    made = _made(job, slices, opened)
    say("judging both models on the newest tickets")
    active, found = opened(job.active), opened(made.folder)
    sets = {gate.NEWEST: gate.compared(active, found, slices.judged)}
    if job.golden is not None and job.golden.examples:
        say("judging both models on the golden set")
        sets[gate.GOLDEN] = gate.compared(active, found, job.golden.examples)
    odd = [e for e in candidate.replay(active.taxonomy, STRANGE, "test") if e.abstain]
    strange = gate.strange(active, found, odd) if odd else {}
    against = gate.reasons(sets, strange, job.budget)
    return {
        "state": State.REFUSED if against else State.PROPOSED,
        "reasons": against,
        "notes": notes(job, sets),
        "candidate": {"name": found.info.name, "hash": found.info.content_hash},
        "changes": made.changes,
        "sets": sets,
        "strange": strange,
    }


def _made(job: Job, slices: Slices, opened: Open) -> candidate.Made:
    out, taught = job.out / MODEL, with_weak(slices.taught, job.weak)
    if job.way == "quick":
        return candidate.quick(job.active, taught, slices.weighed, out, job.budget, opened)
    return candidate.full(job.active, taught, slices.weighed, out, job.budget, job.config)


def notes(job: Job, sets: dict[str, Any]) -> list[str]:
    """What a person should know before saying yes."""
    found = []
    if job.golden is None:
        found.append(
            "There is no golden set. Where the newest corrections are wrong themselves, only one can tell: `tamiz learn golden`."
        )
    elif job.golden.missing:
        found.append(f"{job.golden.missing} tickets of the golden set are gone from the store.")
    for name, figures in sets[gate.NEWEST]["fields"].items():
        if "model" in figures:
            before, after = (one["count"] for one in figures["applied"])
            if before and not after:
                found.append(
                    f"{name}: the active model would apply {before} of {figures['rows']} values, this one none: the corrections "
                    "are too few, or too hard, to prove its thresholds on."
                )
        else:
            found.append(f"{name}: {figures['rows']} judged rows, too few to say anything.")
    if job.way != "quick":
        found.append(
            "It has another encoder: what the memory holds is embedded anew as tickets come, or by backfill."
        )
    return found


def _golden_facts(golden: Golden | None) -> dict[str, Any]:
    if golden is None:
        return {}
    facts = {"version": golden.version, "hash": golden.digest, "rows": len(golden.examples)}
    return {**facts, "missing": golden.missing}


def write(report: dict[str, Any], folder: Path) -> None:
    """report.md, report.html, and report.json at last: where it stands, the run is complete."""
    (folder / "report.md").write_text(as_markdown(report), "utf-8")
    (folder / "report.html").write_text(as_html(report), "utf-8")
    draft = folder / f".{REPORT}"
    draft.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
    draft.replace(folder / REPORT)


def discard(folder: Path) -> None:
    """The candidate of a run away; its report stays."""
    shutil.rmtree(folder / MODEL, ignore_errors=True)
