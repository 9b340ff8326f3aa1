"""The report of a recipe: each figure beside its baselines, over seeds, with what falls short left in."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from tamiz.domain.ports import Model
from tamiz.lab import metrics
from tamiz.lab.data.example import Example, fingerprint
from tamiz.lab.data.splits import unseen
from tamiz.lab.evaluate import Plan, View, evaluate, predict_all, views
from tamiz.lab.recalibrate import recalibrations
from tamiz.models.artifact import Manifest

BUDGET = 0.02
KEPT = (0.8, 0.85, 0.9, 0.95)


def judged(model: Model, rows: Any, plan: Plan, manifest: Manifest, seconds: float) -> dict[str, Any]:
    """One seed: the evaluation, whether the error budget holds over recalibrations, and rows that no
    training row repeats or nearly repeats."""
    clear = [e for e in rows.test if not e.abstain]
    evaluation = evaluate(model, rows.test, plan)
    shown = views(model.taxonomy, predict_all(model, clear))
    unseen_ids = {e.id for e in unseen(clear, plan.train)}
    fresh = np.array([e.id in unseen_ids for e in clear])
    extra = {name: _extra(name, clear, shown[name], fresh) for name in evaluation["fields"]}
    training = {key: manifest.training.get(key) for key in ("base", "mode", "epochs", "trained_parameters")}
    return {
        "seed": manifest.seed,
        "seconds": round(seconds, 1),
        "training": training,
        "export": manifest.metrics.get("export", {}),
        "evaluation": evaluation,
        "scope_points": scope_points(model, rows),
        "extra": extra,
    }


def scope_points(model: Model, rows: Any) -> list[dict[str, float]]:
    """What happens to the test's strange texts when the scope threshold keeps a set share of the held-out ordinary
    ones: the share of ordinary and of strange test texts that would be applied (confidence threshold included)."""
    at = model.policy.of(model.taxonomy.primary).apply_at
    if at is None or not any(e.abstain for e in rows.test):
        return []
    known = np.array([p.scope for p in predict_all(model, [e for e in rows.held_out if not e.abstain])])
    parts = [[e for e in rows.test if bool(e.abstain) is strange] for strange in (False, True)]
    primary = model.taxonomy.primary
    answers = [
        [(p.scope, p.distributions[primary].best[1]) for p in predict_all(model, part)] for part in parts
    ]
    points = []
    for kept in KEPT:
        low = float(np.quantile(known, 1 - kept))
        ordinary, strange = (float(np.mean([s >= low and c >= at for s, c in part])) for part in answers)
        points.append({"kept": kept, "ordinary_applied": ordinary, "strange_applied": strange})
    return points


def _extra(name: str, clear: Sequence[Example], view: View, fresh: Any) -> dict[str, Any]:
    rows = np.array([i for i, e in enumerate(clear) if name in e.labels], dtype=int)
    truth = np.array([clear[i].labels[name] for i in rows], dtype=object)
    correct = np.asarray(view.values[rows] == truth, dtype=bool)
    new = fresh[rows]
    return {
        "recalibrations": recalibrations(view.confidences[rows], correct, BUDGET),
        "without_repeated_texts": {
            "rows": int(new.sum()),
            "accuracy": metrics.accuracy(truth[new], view.values[rows][new]),
        },
    }


def assembled(
    name: str, note: str, rows: Any, results: list[dict[str, Any]], few: list[dict[str, Any]]
) -> dict[str, Any]:
    """Everything about a recipe's run as plain data; `headline` is what benchmarks.md shows."""
    facts = {
        part: {"rows": len(getattr(rows, part)), "fingerprint": fingerprint(getattr(rows, part))}
        for part in ("train", "held_out", "test")
    }
    fields = list(results[0]["evaluation"]["fields"])
    return {
        "recipe": name,
        "note": note,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "rows": facts,
        "headline": [line for field in fields for line in _headline(field, results)] + _few_lines(few),
        "few_shot": few,
        "seeds": results,
    }


def _headline(name: str, results: list[dict[str, Any]]) -> list[dict[str, str]]:
    fields = [r["evaluation"]["fields"][name] for r in results]
    extra = [r["extra"][name] for r in results]
    first = fields[0]
    seeds = f"mean of {len(results)} seeds" if len(results) > 1 else "one seed"

    def line(figure: str, values: list[float], beside: str) -> dict[str, str]:
        spread = f" ({', '.join(f'{100 * v:.2f}' for v in values)})" if len(values) > 1 else ""
        return {
            "figure": f"{name}: {figure}",
            "value": f"{100 * mean(values):.2f} %{spread}",
            "beside": beside,
        }

    def both(figure: str) -> str:
        linear, majority = (first["baselines"][key][figure] for key in ("linear", "majority"))
        values = [b["value"] if isinstance(b, dict) else b for b in (linear, majority)]
        return f"TF-IDF + LinearSVC {100 * values[0]:.2f} %, majority {100 * values[1]:.2f} %"

    p_values = ", ".join(f"{f['against_linear']['p']:.1g}" for f in fields)
    interval = first["model"]["accuracy"]
    budget = [e["recalibrations"] for e in extra]
    held = ", ".join(f"{b['held']:.0f}" for b in budget)
    return [
        line(
            f"accuracy, {seeds}, {first['rows']:,} rows",
            [f["model"]["accuracy"]["value"] for f in fields],
            both("accuracy"),
        ),
        {
            "figure": f"{name}: 95 % interval of the first seed; paired test against the linear model",
            "value": f"{100 * interval['low']:.2f}-{100 * interval['high']:.2f} %",
            "beside": f"McNemar p = {p_values}",
        },
        line("macro-F1", [f["model"]["macro_f1"]["value"] for f in fields], both("macro_f1")),
        line(
            "accuracy on texts that no training row repeats or nearly repeats",
            [e["without_repeated_texts"]["accuracy"] for e in extra],
            f"{extra[0]['without_repeated_texts']['rows']:,} rows",
        ),
        line("expected calibration error", [f["ece"] for f in fields], "15 equal-width bins"),
        line(
            "coverage at a 2 % error budget",
            [b["coverage"] for b in budget],
            f"budget held in {held} of 100 recalibrations",
        ),
    ]


def _few_lines(few: list[dict[str, Any]]) -> list[dict[str, str]]:
    lines = []
    for shots in sorted({f["shots"] for f in few}):
        own = [f for f in few if f["shots"] == shots]
        values = ", ".join(f"{100 * f['accuracy']:.2f}" for f in own)
        lines.append(
            {
                "figure": f"{shots} examples per class, draws by seed {', '.join(str(f['seed']) for f in own)}",
                "value": f"{100 * mean(f['accuracy'] for f in own):.2f} % ({values})",
                "beside": f"TF-IDF + LinearSVC {100 * mean(f['linear'] for f in own):.2f} %",
            }
        )
    return lines


def write(report: dict[str, Any], folder: Path) -> list[Path]:
    """report.json and report.md."""
    made = {
        "report.json": json.dumps(report, indent=1, ensure_ascii=False) + "\n",
        "report.md": as_markdown(report),
    }
    for name, content in made.items():
        (folder / name).write_text(content, "utf-8")
    return [folder / name for name in made]


def as_markdown(report: dict[str, Any]) -> str:
    """The report for people."""
    rows = report["rows"]
    parts = ", ".join(f"{part} {facts['rows']:,} ({facts['fingerprint']})" for part, facts in rows.items())
    lines = [f"# {report['recipe']}", "", f"{report['date']} · {report['machine']} · rows: {parts}", ""]
    lines += [report["note"], ""] if report["note"] else []
    lines += ["| figure | value | beside it |", "|---|---|---|"]
    lines += [f"| {line['figure']} | {line['value']} | {line['beside']} |" for line in report["headline"]]
    lines += [
        "",
        "## Training",
        "",
        "| seed | base | mode | seconds | ONNX | accuracy fp32 → int8 |",
        "|---|---|---|---|---|---|",
    ]
    for r in report["seeds"]:
        lines.append(
            f"| {r['seed']} | {r['training']['base']} | {r['training']['mode']} | {_seconds(r)} | {_precision(r['export'])} |"
        )
    for name, figures in report["seeds"][0]["evaluation"]["fields"].items():
        lines += [
            "",
            f"## {name}: the classes that go worst (first seed)",
            "",
            "| class | precision | recall | F1 | rows |",
            "|---|---|---|---|---|",
        ]
        worst = sorted((c for c in figures["per_class"] if c["support"]), key=lambda c: c["f1"])[:8]
        lines += [
            f"| {c['label']} | {c['precision']:.2f} | {c['recall']:.2f} | {c['f1']:.2f} | {c['support']} |"
            for c in worst
        ]
    scope = report["seeds"][0]["evaluation"].get("scope")
    if scope:
        lines += [
            "",
            "## Out of scope",
            "",
            f"{scope['rows']:,} rows, AUROC {scope['auroc']:.4f}; decisions {scope['decisions']}.",
        ]
    points = report["seeds"][0]["scope_points"]
    if points:
        head = "| scope threshold keeps, of held-out ordinary texts | ordinary applied | strange applied |"
        lines += ["", head, "|---|---|---|"]
    for p in points:
        shares = (p["kept"], p["ordinary_applied"], p["strange_applied"])
        lines.append("| " + " | ".join(f"{100 * share:.1f} %" for share in shares) + " |")
    return "\n".join(lines) + "\n"


def _seconds(result: dict[str, Any]) -> str:
    return f"{result['seconds']:.0f}" if result["seconds"] else "trained before"


def _precision(export: dict[str, Any]) -> str:
    accuracy = export.get("accuracy", {})
    pairs = [
        f"{name} {100 * accuracy['fp32'][name]:.1f} → {100 * accuracy['int8'][name]:.1f}"
        for name in accuracy.get("int8", {})
    ]
    return f"{export.get('precision', '')} | {'; '.join(pairs)}"
