"""The report of a learning run for people: markdown, one HTML page, and a few lines for a terminal. No ticket's text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tamiz.lab import page

Report = dict[str, Any]

_VERDICTS = {
    "proposed": "Proposed: better on the newest tickets, and no harm was found.",
    "refused": "Refused.",
    "too few": "Too few corrections.",
}
_HEAD = [
    "field",
    "rows",
    "active",
    "candidate",
    "only active right",
    "only candidate right",
    "p",
    "ECE",
    "applied (wrong)",
]


def headline(report: Report) -> str:
    """One sentence."""
    return _VERDICTS[report["state"]]


def command(report: Report) -> str:
    """What takes the candidate into use."""
    tenant = "" if report["tenant"] == "default" else f" --tenant {report['tenant']}"
    found = report["candidate"]
    return f"tamiz models activate {found['name']}@{found['hash'][:12]}{tenant}"


def facts(report: Report) -> list[str]:
    """What was learned from and judged on, as sentences."""
    rows, golden = report["rows"], report["golden"]
    told = [
        f"Active model: {report['active']['name']} {report['active']['hash'][:12]}. Tenant: {report['tenant']}. Newest word: "
        f"number {report['sequence']}.",
        f"Of {rows['rows']:,} corrected tickets {rows['taught']:,} taught, {rows['weighed']:,} set strengths and thresholds, and "
        f"the newest {rows['judged']:,} were judged. Left out: {rows['equal texts']:,} with the text of a newer one, "
        f"{rows['golden or nearly so']:,} like the golden set, {rows['nearly judged']:,} like what is judged.",
    ]
    if golden:
        told.append(
            f"Golden set: version {golden['version']}, {golden['rows']} tickets, hash {golden['hash']}."
        )
    if "candidate" in report:
        found = report["candidate"]
        told.append(
            f"Candidate: {found['name']} {found['hash'][:12]}, the {report['way']} way, {report['seconds']} seconds."
        )
    return told


def tables(report: Report) -> Iterable[tuple[str, list[list[str]], list[str]]]:
    """Title, rows and closing sentences of each judged set."""
    for name, found in report.get("sets", {}).items():
        yield (
            f"On the {name} tickets ({found['rows']})",
            [_row(*one) for one in found["fields"].items()],
            _closing(found),
        )


def _row(name: str, figures: Report) -> list[str]:
    if "model" not in figures:
        return [name, str(figures["rows"]), *["too few"] * 2, *[""] * 5]
    test, ece = figures["test"], figures["ece"]
    applied = [f"{one['count']} ({one['wrong']})" for one in figures["applied"]]
    return [
        name,
        str(figures["rows"]),
        f"{figures['active']:.3f}",
        f"{figures['model']:.3f}",
        str(test["only_b"]),
        str(test["only_a"]),
        f"{test['p']:.2g}",
        f"{ece['active']:.3f} → {ece['candidate']:.3f}",
        " → ".join(applied),
    ]


def _closing(found: Report) -> list[str]:
    scope, severe = found["out_of_scope"], found["severe"]
    told = [f"Out of scope: {scope['before']} → {scope['after']} tickets (p = {scope['p']:.2g})."]
    if severe:
        before, after = severe["low"]
        told.append(
            f"Of {severe['rows']} tickets that are {severe['label']}, suggested too low: {before} → {after}."
        )
    return told


def _sections(report: Report) -> list[tuple[str, Sequence[str]]]:
    found = [("", facts(report))]
    if report["reasons"]:
        found.append(("Why not", report["reasons"]))
    if report["state"] == "proposed":
        found.append(("To take it into use", [command(report), "and back: tamiz models rollback"]))
    return [*found, *([("To know", report["notes"])] if report.get("notes") else [])]


def as_text(report: Report) -> str:
    """For a terminal."""
    lines = [headline(report)]
    for title, told in _sections(report):
        lines += [f"{title}:"] if title else []
        lines += [f"  {one}" for one in told]
    return "\n".join(lines)


def as_markdown(report: Report) -> str:
    """The whole report."""
    lines = [f"# {headline(report)}"]
    for title, told in _sections(report):
        lines += ["", *([f"## {title}", ""] if title else []), *(f"- {one}" for one in told)]
    for title, rows, closing in tables(report):
        lines += ["", f"## {title}", "", f"| {' | '.join(_HEAD)} |", "|" + "---|" * len(_HEAD)]
        lines += [f"| {' | '.join(row)} |" for row in rows]
        lines += ["", *(f"- {one}" for one in closing)]
    return "\n".join(lines) + "\n"


def as_html(report: Report) -> str:
    """The whole report as one page that needs no other file."""
    body = [page.heading(headline(report), 1)]
    for title, told in _sections(report):
        body += [page.heading(title)] if title else []
        body.append(page.bullets(told))
    for title, rows, closing in tables(report):
        body += [page.heading(title), page.table(_HEAD, rows), page.bullets(closing)]
    return page.page("What was learned", body)
