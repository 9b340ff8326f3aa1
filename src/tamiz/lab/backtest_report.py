"""A backtest in words: plain text for the console, and one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tamiz.lab import page
from tamiz.lab.backtest_findings import counted
from tamiz.lab.data.baselines import NOISE_LISTED
from tamiz.lab.metrics import BUDGETS
from tamiz.lab.report import Table, aligned, charts_html, field_sentences, quality_table, to_json

Report = Mapping[str, Any]

_NAMED = 15


def write_backtest(report: Report, folder: Path) -> list[Path]:
    """Write report.json, report.txt and report.html into a folder; the paths written."""
    files = {"report.json": to_json(report), "report.txt": as_text(report), "report.html": as_html(report)}
    for name, content in files.items():
        (folder / name).write_text(content, "utf-8")
    return [folder / name for name in files]


def as_text(report: Report) -> str:
    """The backtest for a terminal."""
    lines = [f"Backtest of {report['file']}", *data_sentences(report)]
    lines += [f"Note: {note}" for note in report["data"]["notes"]]
    lines += ["", "In short (this model, and TF-IDF + LinearSVC in brackets):", *aligned(*summary(report))]
    for name, found in report["fields"].items():
        lines += ["", f"{name}: {found['labelled']:,} labelled tickets, {found['rows']:,} judged"]
        lines += aligned(*quality_table(found))
        lines += [f"  {told}" for told in (verdict(found), *field_sentences(found))]
        lines += [f"  {told}" for told in gate_sentences(found)]
        lines += [f"  {told}" for told in label_sentences(found)]
        lines += [f"  {told}" for told in _mistake_lines(found)]
    return "\n".join([*lines, "", *model_sentences(report)]) + "\n"


def as_html(report: Report) -> str:
    """The backtest as one HTML document that needs no other file."""
    title = f"Backtest of {report['file']}"
    body = [page.heading(title, 1), *(page.paragraph(told) for told in data_sentences(report))]
    if report["data"]["notes"]:
        body.append(page.bullets(report["data"]["notes"]))
    body += [page.heading("In short", 3), page.table(*summary(report))]
    body.append(page.paragraph("In brackets: TF-IDF + LinearSVC on the same rows.", "soft"))
    body += [page.paragraph(told, "note") for told in model_sentences(report)]
    for name, found in report["fields"].items():
        body += _field_html(name, found)
    return page.page(title, body)


def summary(report: Report) -> Table:
    """A line per field: quality beside the baseline, and the share applied at each budget."""
    budgets = [f"at {b:.0%}" for b in BUDGETS]
    rows = []
    for name, found in report["fields"].items():
        ours, plain = found["model"], found["baselines"]["linear"]
        pairs = [f"{ours[q]['value']:.3f} ({plain[q]['value']:.3f})" for q in ("accuracy", "macro_f1")]
        shares = {a["budget"]: a["applied"] / max(1, a["rows"]) for a in found["applied"]}
        rows.append([name, *pairs, *(f"{shares[b]:.0%}" for b in BUDGETS)])
    return ["field", "accuracy", "macro-F1", *(f"applied {b}" for b in budgets)], rows


def data_sentences(report: Report) -> list[str]:
    """What was read, and how it was cut."""
    data = report["data"]
    lines = [f"{data['rows']:,} rows read, {data['used']:,} tickets used. {data['columns']}."]
    if data["rejected"]:
        why = ", ".join(f"{reason} ({rows:,})" for reason, rows in data["reasons"].items())
        lines.append(f"{data['rejected']:,} rows were kept aside in {data['rejected_file']}: {why}.")
    languages = ", ".join(f"{name or 'unknown'} {rows:,}" for name, rows in data["languages"].items())
    lines.append(f"Languages: {languages}.")
    repeats = f" {data['repeats']:,} of the newest repeat an older one." if data["repeats"] else ""
    lines.append(
        f"{data['how']}{repeats} {data['train']:,} train, {data['calibrate']:,} calibrate, {data['judged']:,} are judged."
    )
    return lines


def model_sentences(report: Report) -> list[str]:
    """Where the trained model lies and how to switch it on."""
    model = report["model"]
    encoder = f", words and the encoder {model['encoder']}" if model["encoder"] else ", words and characters"
    later = "; the model itself then learned from that slice too" if model["refitted"] else ""
    return [
        f"The model ({model['kind']}{encoder}, {model['megabytes']:.0f} MB) lies in {model['folder']}; its thresholds "
        f"keep to a budget of {model['budget']:.0%}. Switch it on: tamiz models activate {model['folder']}",
        f"Thresholds were set on the calibration slice by a model that had not seen it{later}. The counts of applied and "
        f"wrong tickets come from the judged slice, which nothing learned from. It took {report['seconds']:.0f} seconds.",
    ]


def verdict(found: Report) -> str:
    """One honest sentence on whether the model is worth more than the plain baseline."""
    ours, plain = found["model"], found["baselines"]["linear"]
    test = found["against_linear"]
    more = ours["accuracy"]["value"] - plain["accuracy"]["value"]
    fairer = ours["macro_f1"]["value"] - plain["macro_f1"]["value"]
    sure = "a significant difference" if test["p"] < 0.05 else "which chance could explain"
    if more == fairer == 0:
        return "Equal to TF-IDF + LinearSVC: the same accuracy and macro-F1."
    if more > 0 and fairer > 0:
        return f"Better than TF-IDF + LinearSVC in accuracy ({more:+.1%}, {sure}) and in macro-F1 ({fairer:+.3f})."
    if more <= 0 and fairer <= 0:
        return f"NOT better than TF-IDF + LinearSVC: accuracy {more:+.1%} ({sure}), macro-F1 {fairer:+.3f}."
    return f"Against TF-IDF + LinearSVC: accuracy {more:+.1%} ({sure}), macro-F1 {fairer:+.3f}."


def gate_sentences(found: Report) -> list[str]:
    """What would have been applied at each budget, and the reassignments spared."""
    lines = [f"Budget {a['budget']:.0%}: {a['sentence']}" for a in found["applied"]]
    again = found["repeats"]
    if again["applied"]:
        lines.append(
            f"Of {again['rows']:,} newest tickets that repeat an older one, {again['applied']:,} would have been applied too, "
            f"{again['wrong']:,} of them wrong."
        )
    return [*lines, found["routing"]["sentence"]] if found["routing"] else lines


def label_sentences(found: Report) -> list[str]:
    """Classes too small to learn, and problems in the labels."""
    return list(_label_sentences(found))


def _label_sentences(found: Report) -> Iterator[str]:
    small, labels = found["small"], found["labels"]
    if small["classes"]:
        named = ", ".join(f"{label} ({rows})" for label, rows in list(small["classes"].items())[:_NAMED])
        more = f" and {len(small['classes']) - _NAMED} more" if len(small["classes"]) > _NAMED else ""
        yield (
            f"Too small to learn (fewer than {small['limit']} earlier tickets): {counted(len(small['classes']), 'class')} with "
            f"{small['share']:.1%} of the judged tickets: {named}{more}."
        )
    contradictions, doubts = labels["contradictions"], labels["doubts"]
    if contradictions["texts"]:
        yield (
            f"Contradictions: {counted(contradictions['texts'], 'text')} with different labels on different rows "
            f"({contradictions['rows']:,} rows); no model can get all of them right."
        )
    if doubts["count"]:
        least = "at least " if doubts["count"] >= NOISE_LISTED else ""
        yield f"Labels that look doubtful in cross-validation: {least}{doubts['count']:,}; the first are in the report."
    if labels["repeated"]["exact"]:
        near = labels["repeated"]["near"]
        exact = counted(labels["repeated"]["exact"], "row")
        yield f"Repeats: {exact} word for word, {near:,} nearly so."
    for told in labels["shortcuts"]:
        yield f"Suspicious shortcut: {told}"


def _mistake_lines(found: Report) -> Iterator[str]:
    if found["mistakes"]:
        yield "What it would have got wrong, the most confident first (* would have been applied):"
    for m in found["mistakes"]:
        mark = "*" if m["applied"] else " "
        yield f"{mark} line {m['line']}: said '{m['value']}' ({m['confidence']:.2f}), is '{m['label']}': {m['text']}"


def _field_html(name: str, found: Report) -> list[str]:
    body = [
        page.heading(name),
        page.paragraph(f"{found['labelled']:,} labelled tickets, {found['rows']:,} judged.", "soft"),
        page.table(*quality_table(found), ours=0),
        page.paragraph(verdict(found), "note"),
        *(page.paragraph(told) for told in field_sentences(found)),
        page.heading("What would have been applied", 3),
        page.table(["error budget", "from confidence", "applied", "wrong", "realised"], _applied_rows(found)),
        page.bullets(gate_sentences(found)),
    ]
    if found["mistakes"]:
        body += [page.heading("What it would have got wrong", 3), _mistake_table(found)]
    problems = label_sentences(found)
    if problems:
        body += [page.heading("Labels", 3), page.bullets(problems), *_label_tables(found)]
    return [*body, *charts_html(found)]


def _applied_rows(found: Report) -> list[list[str]]:
    return [
        [
            f"{a['budget']:.0%}",
            "none is safe" if a["threshold"] is None else f"{a['threshold']:.3f}",
            f"{a['applied']:,} of {a['rows']:,}",
            f"{a['wrong']:,}",
            "" if a["realised"] is None else f"{a['realised']:.1%}",
        ]
        for a in found["applied"]
    ]


def _mistake_table(found: Report) -> str:
    rows = [
        [
            m["line"],
            m["text"],
            m["value"],
            m["label"],
            f"{m['confidence']:.2f}",
            "yes" if m["applied"] else "no",
        ]
        for m in found["mistakes"]
    ]
    return page.table(["line", "ticket (redacted)", "said", "is", "confidence", "applied"], rows, left=True)


def _label_tables(found: Report) -> Iterator[str]:
    contradictions, doubts = (
        found["labels"]["contradictions"]["examples"],
        found["labels"]["doubts"]["examples"],
    )
    if contradictions:
        rows = [
            [
                ", ".join(map(str, c["lines"])),
                c["text"],
                ", ".join(f"{label} × {n}" for label, n in c["labels"].items()),
            ]
            for c in contradictions
        ]
        yield page.folded(
            "Contradictory labels", page.table(["lines", "ticket (redacted)", "labels"], rows, left=True)
        )
    if doubts:
        listed = [[d["line"], d["text"], d["label"], d["suggested"]] for d in doubts]
        yield page.folded(
            "Doubtful labels",
            page.table(["line", "ticket (redacted)", "label", "rather"], listed, left=True),
        )
