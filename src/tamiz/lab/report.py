"""An evaluation as JSON, plain text and one self-contained HTML page, with the confusion matrices as pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tamiz.lab import charts, page
from tamiz.lab.metrics import BUDGETS

Figures = Mapping[str, Any]

_WEAKEST = 5
TOP = 3
_NAMES = {"model": "this model", "linear": "TF-IDF + LinearSVC", "majority": "majority class"}


def write_report(evaluation: Figures, folder: Path) -> list[Path]:
    """Write report.json, report.txt, report.html and confusion-<field>.svg into a folder; the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "report.json": to_json(evaluation),
        "report.txt": as_text(evaluation),
        "report.html": as_html(evaluation),
    }
    for name, figures in evaluation["fields"].items():
        matrix = figures["confusion"]
        drawn = charts.confusion_svg(matrix["labels"], matrix["counts"])
        files[f"confusion-{name}.svg"] = charts.standalone(drawn)
    for name, content in files.items():
        (folder / name).write_text(content, "utf-8")
    return [folder / name for name in files]


def to_json(evaluation: Figures) -> str:
    """The evaluation as strict JSON: what is not a number becomes null."""
    return json.dumps(_finite(evaluation), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_text(evaluation: Figures) -> str:
    """The evaluation for a terminal: no colour, no markup."""
    model, data = evaluation["model"], evaluation["data"]
    lines = [
        f"{model['name']} ({model['kind']}, {model['hash'][:12]}) on {data['rows']:,} tickets, data {data['fingerprint']}"
    ]
    lines += [told for told in (data["note"], data["baseline"]) if told]
    lines += [f"LEAK  {told}" for told in leak_sentences(evaluation)]
    for name, figures in evaluation["fields"].items():
        lines += ["", *_field_text(name, figures, evaluation["gate"].get(name, {}))]
    lines += ["", *_tail_sentences(evaluation)]
    return "\n".join(lines) + "\n"


def as_html(evaluation: Figures) -> str:
    """The evaluation as one HTML document that needs no other file."""
    model, data = evaluation["model"], evaluation["data"]
    title = f"Evaluation of {model['name']}"
    body = [
        page.heading(title, 1),
        page.paragraph(
            f"{model['kind']} model {model['hash'][:12]} on {data['rows']:,} tickets (data {data['fingerprint']}).",
            "soft",
        ),
    ]
    body += [page.paragraph(told, "note") for told in (data["note"], data["baseline"]) if told]
    body += [page.paragraph(f"This split leaks. {told}", "alarm") for told in leak_sentences(evaluation)]
    body += [page.paragraph(told) for told in _tail_sentences(evaluation)]
    for name, figures in evaluation["fields"].items():
        body += field_html(name, figures, evaluation["gate"].get(name, {}))
    return page.page(title, body)


def leak_sentences(evaluation: Figures) -> list[str]:
    """One sentence per field whose judged rows were seen in training; empty for an honest split."""
    return [
        f"{name}: {'; '.join(found)}. The figures flatter the model."
        for name, found in evaluation["leaks"].items()
        if found
    ]


def field_html(name: str, figures: Figures, gate: Figures) -> list[str]:
    """The section of one field."""
    body = [
        page.heading(name),
        page.table(*quality_table(figures), ours=0),
        *[page.paragraph(told) for told in field_sentences(figures)],
        page.heading("Applied within an error budget", 3),
        page.table(*_budget_table(figures)),
    ]
    body += [page.paragraph(gate_sentence(gate))] if gate else []
    return [*body, *charts_html(figures)]


def charts_html(figures: Figures) -> list[str]:
    """The pictures of one field, its languages and its classes."""
    matrix = figures["confusion"]
    classes = [c for c in figures["per_class"] if c["support"]]
    body = [
        page.figure(
            charts.reliability_svg(figures["reliability"]), "Confidence against the share that is right."
        ),
        page.figure(
            charts.risk_coverage_svg(figures["risk_coverage"], BUDGETS),
            "Wrong values among the most confident share of tickets.",
        ),
        page.figure(
            charts.confusion_svg(matrix["labels"], matrix["counts"]),
            "Confusion matrix, largest classes first; strength is the share of a row.",
        ),
    ]
    if figures["by_language"]:
        body += [page.heading("By language", 3), page.table(*language_table(figures))]
    return [*body, page.folded(f"All {len(classes)} classes", page.table(*class_table(classes)))]


def field_sentences(figures: Figures) -> list[str]:
    """What is worth saying about one field beyond its tables."""
    test = figures["against_linear"]
    gained = test["macro_f1"]
    lines = [
        f"On the same rows, {test['only_a']} are right only here and {test['only_b']} only with the linear baseline "
        f"(McNemar p = {test['p']:.2g}); macro-F1 differs by {gained['value']:+.3f} "
        f"({gained['low']:+.3f} to {gained['high']:+.3f}).",
        f"Calibration error (ECE): {figures['ece']:.3f}.",
    ]
    if sum(c["support"] > 0 for c in figures["per_class"]) > TOP:
        lines[-1] += f" The truth is among the three likeliest in {figures['top3']:.1%}."
    ordered = figures.get("ordered")
    if ordered:
        lines.append(
            f"Within one level: {ordered['within_one']:.1%}. Of {ordered['rows']} tickets that are "
            f"{ordered['most_severe']}, {ordered['underrated']} were rated lower."
        )
    if figures["unknown_labels"]:
        told = ", ".join(f"{label} ({rows})" for label, rows in figures["unknown_labels"].items())
        lines.append(f"The model does not know these labels, and every such row counts as wrong: {told}.")
    return lines


def gate_sentence(gate: Figures) -> str:
    """What the model's own thresholds did with a field."""
    decided, right = gate["decisions"], gate["right"]
    total = max(1, sum(decided.values()))
    parts = []
    for decision, words in (("apply", "applied"), ("recommend", "recommended")):
        count = decided[decision]
        told = f"{words} {count / total:.1%}"
        parts.append(f"{told} ({count - right[decision]} of {count} wrong)" if count else told)
    return f"Its own gate: {', '.join(parts)}, asked a person for {decided['review'] / total:.1%}."


def _field_text(name: str, figures: Figures, gate: Figures) -> list[str]:
    head, rows = quality_table(figures)
    lines = [f"{name}: {figures['rows']:,} labelled tickets", *aligned(head, rows)]
    lines += [f"  {told}" for told in field_sentences(figures)]
    lines += aligned(*_budget_table(figures))
    if gate:
        lines.append(f"  {gate_sentence(gate)}")
    if figures["by_language"]:
        lines += aligned(*language_table(figures))
    weakest = sorted((c for c in figures["per_class"] if c["support"]), key=lambda c: c["f1"])[:_WEAKEST]
    told = ", ".join(f"{c['label']} {c['f1']:.2f} ({c['support']})" for c in weakest)
    return [*lines, f"  Weakest classes, F1 (rows): {told}"]


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in columns for a terminal, the first one to the left."""
    widths = [max(len(str(line[i])) for line in (head, *rows)) for i in range(len(head))]
    return [
        "  "
        + "  ".join(
            str(cell).ljust(width) if i == 0 else str(cell).rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (head, *rows)
    ]


Table = tuple[list[str], list[list[str]]]


def quality_table(figures: Figures) -> Table:
    shown = {"model": figures["model"], **dict(sorted(figures["baselines"].items()))}
    rows = [
        [_NAMES.get(key, key), interval(q["accuracy"]), interval(q["macro_f1"]), f"{q['weighted_f1']:.3f}"]
        for key, q in shown.items()
    ]
    return ["", "accuracy (95 %)", "macro-F1 (95 %)", "weighted F1"], rows


def interval(figure: Figures) -> str:
    """A figure with its interval in brackets."""
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def _budget_table(figures: Figures) -> Table:
    rows = []
    for budget, t in figures["budgets"].items():
        if t["at"] is None:
            rows.append([f"{float(budget):.0%}", "none is safe", "0.0%", "", ""])
        else:
            share = t["applied"] / max(1, t["rows"])
            rows.append(
                [
                    f"{float(budget):.0%}",
                    f"{t['at']:.3f}",
                    f"{share:.1%}",
                    str(t["wrong"]),
                    f"{t['bound']:.2%}",
                ]
            )
    return ["error budget", "from confidence", "applied", "wrong", "bound"], rows


def language_table(figures: Figures) -> Table:
    rows = [
        [language or "unknown", str(q["rows"]), f"{q['accuracy']:.3f}", f"{q['macro_f1']:.3f}"]
        for language, q in figures["by_language"].items()
    ]
    return ["language", "tickets", "accuracy", "macro-F1"], rows


def class_table(classes: Sequence[Figures]) -> Table:
    rows = [
        [c["label"], str(c["support"]), f"{c['precision']:.3f}", f"{c['recall']:.3f}", f"{c['f1']:.3f}"]
        for c in sorted(classes, key=lambda c: -c["support"])
    ]
    return ["class", "rows", "precision", "recall", "F1"], rows


def _tail_sentences(evaluation: Figures) -> list[str]:
    lines = []
    scope, latency = evaluation["scope"], evaluation["latency_ms"]
    if scope:
        reasons = ", ".join(f"{reason} {value:.3f}" for reason, value in scope["auroc_by_reason"].items())
        lines.append(
            f"Out of scope: {scope['rows']} tickets that must go to a person; AUROC {scope['auroc']:.3f} ({reasons}); "
            f"{scope['decisions']['apply']} of them would have been applied, "
            f"{scope['decisions']['recommend']} recommended."
        )
    if latency:
        lines.append(f"One ticket per call: p50 {latency['p50']:.2f} ms, p99 {latency['p99']:.2f} ms.")
    return lines


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float):
        return float(value) if value - value == 0 else None
    return value
