"""Make the starter model: synthetic tickets in, a small int8 model and an honest report out.

    python -m tamiz.lab.helpdesk recipes/it-helpdesk

Scenarios and severity phrases of the test tickets stand in no training ticket. The model may recommend, never apply.
"""

from __future__ import annotations

import json
import shutil
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tamiz.bootstrap.wiring import starter_folder
from tamiz.domain.gate import Policy, decide, shown
from tamiz.domain.ports import Model
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.ticket import CanonicalText
from tamiz.domain.triage import Decision, FieldTriage, Prediction
from tamiz.lab import metrics
from tamiz.lab.data.example import Example, fingerprint
from tamiz.lab.data.synthetic import synthetic_examples
from tamiz.lab.encoder_config import EncoderConfig, parse
from tamiz.lab.evaluate import Plan, View, evaluate, predict_all, views
from tamiz.lab.recipe_command import command
from tamiz.lab.train_encoder import train_encoder
from tamiz.models.artifact import MANIFEST, read_manifest
from tamiz.models.open import open_model
from tamiz.pipeline.cascade import Cascade, consult

OUT = Path("runs/it-helpdesk/starter")
TOPIC = ("category", "subcategory", "assignment_group", "request_type")
"""What a ticket is about, without how bad it is."""

PRIORITY = "priority"


@dataclass(frozen=True, slots=True)
class Rows:
    """Examples of the three disjoint splits."""

    train: list[Example]
    held_out: list[Example]
    test: list[Example]


def rows_of(recipe: dict[str, Any]) -> Rows:
    """Generate the splits that the recipe asks for."""
    seed = recipe["seed"]
    return Rows(
        synthetic_examples(recipe["train"], seed, "train"),
        synthetic_examples(recipe["held_out"], seed, "valid"),
        synthetic_examples(recipe["test"], seed, "test"),
    )


def run(folder: Path) -> dict[str, Any]:
    """Train (unless the same model stands there already), judge, and take the model into the package."""
    recipe = tomllib.loads((folder / "recipe.toml").read_text("utf-8"))
    config = parse(recipe["encoder"], "recipe.toml").model_copy(update={"seed": recipe["seed"]})
    rows = rows_of(recipe)
    seconds = trained(config, rows)
    model = open_model(OUT)
    report = judge(model, rows)
    report["headline"] = headline(report["fields"])
    manifest = read_manifest(OUT)
    shutil.rmtree(starter_folder(), ignore_errors=True)
    shutil.copytree(OUT, starter_folder())
    size = sum(path.stat().st_size for path in OUT.rglob("*") if path.is_file())
    facts = {
        "seconds": round(seconds),
        "megabytes": round(size / 1e6, 1),
        "export": manifest.metrics["export"],
    }
    return {**report, "model": {**facts, "hash": manifest.content_hash, "training": dict(manifest.training)}}


def trained(config: EncoderConfig, rows: Rows) -> float:
    """Train into OUT; 0 seconds where a model of the same rows stands there."""
    if (OUT / MANIFEST).is_file() and read_manifest(OUT).data["train"]["fingerprint"] == fingerprint(
        rows.train
    ):
        return 0.0
    start = time.monotonic()
    train_encoder(config, rows.train, rows.held_out, default_taxonomy(), OUT, earned=False, public=True)
    return time.monotonic() - start


def judge(model: Model, rows: Rows) -> dict[str, Any]:
    """Figures per field and language beside baselines, severity, scope, and what the topic alone would give."""
    evaluation = evaluate(model, rows.test, Plan(train=rows.train, allow_leak=True))
    clear = [e for e in rows.test if not e.abstain]
    predictions = predict_all(model, clear)
    seen = views(model.taxonomy, predictions)
    truth = {name: np.array([_label(e, name) for e in clear], dtype=object) for name in seen}
    return {
        "rows": {part: len(getattr(rows, part)) for part in ("train", "held_out", "test")},
        "languages": dict(Counter(e.language for e in rows.test)),
        "fields": {name: _field(evaluation["fields"][name], seen[name], truth[name], clear) for name in seen},
        "severity": severity(model.taxonomy, predictions, model.policy, rows),
        "scope": evaluation["scope"],
        "gate": evaluation["gate"],
        "latency_ms": evaluation["latency_ms"],
        "evaluation": evaluation,
    }


def severity(
    taxonomy: Taxonomy, predictions: Sequence[Prediction], policy: Policy, rows: Rows
) -> dict[str, Any]:
    """How far off the most likely priorities are, beside a table from topic to its most frequent priority; and what
    the policy, which reads urgency and impact with caution, suggests, with the floor of the ticket's own words and
    without. `predictions` are of the ordinary test rows."""
    clear = [e for e in rows.test if not e.abstain]
    truth = np.array([_label(e, PRIORITY) for e in clear], dtype=object)
    counts: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    known = [e for e in rows.train if not e.abstain]
    overall = Counter(_label(e, PRIORITY) for e in known)
    for e in known:
        counts[_topic(e)][_label(e, PRIORITY)] += 1
    by_topic = [(counts.get(_topic(e)) or overall).most_common(1)[0][0] for e in clear]
    texts = [CanonicalText(e.text, "", e.text) for e in clear]
    seen = [
        consult(Cascade(), text, p, taxonomy, policy).outcomes[PRIORITY]
        for text, p in zip(texts, predictions, strict=True)
    ]
    alone = [decide(taxonomy, p, policy)[PRIORITY] for p in predictions]
    return {
        "severe_at": policy.of("urgency").severe_at,
        "most_likely": _off_by(taxonomy, [_most_likely(taxonomy, p) for p in predictions], truth),
        "topic_alone": _off_by(taxonomy, by_topic, truth),
        "after_the_gate": _after_the_gate(taxonomy, seen, truth),
        "without_the_floor": _after_the_gate(taxonomy, alone, truth),
    }


def _most_likely(taxonomy: Taxonomy, prediction: Prediction) -> str:
    return shown(taxonomy, taxonomy.field(PRIORITY), prediction, Policy())[0]


def _off_by(taxonomy: Taxonomy, guesses: Sequence[str], truth: Any) -> dict[str, float]:
    """Accuracy, and how far guesses are off in levels; `truth` [N]."""
    level = {key: i for i, key in enumerate(taxonomy.field(PRIORITY).keys)}
    guess, true = (np.array([level[v] for v in values]) for values in (guesses, truth))
    critical = true == 0
    return {
        "accuracy": float(np.mean(guess == true)),
        "macro_f1": metrics.macro_f1(truth, np.array(guesses, dtype=object)),
        "within_one_level": float(np.mean(np.abs(guess - true) <= 1)),
        "over_rated": float(np.mean(guess < true)),
        "critical_rows": int(critical.sum()),
        "critical_under_rated": float(np.mean(guess[critical] > 0)),
        "critical_two_or_more_too_low": float(np.mean(guess[critical] > 1)),
    }


def _after_the_gate(taxonomy: Taxonomy, outcomes: Sequence[FieldTriage], truth: Any) -> dict[str, float]:
    """What people see: priorities that the gate suggests, the rest asks a person."""
    told = np.array([o.decision is not Decision.REVIEW for o in outcomes])
    critical = truth == taxonomy.field(PRIORITY).keys[0]
    values = [str(o.value) for o, suggested in zip(outcomes, told, strict=True) if suggested]
    figures = _off_by(taxonomy, values, truth[told])
    return {
        "suggested": float(told.mean()),
        "accuracy": figures["accuracy"],
        "within_one_level": figures["within_one_level"],
        "critical_suggested_too_low": figures["critical_under_rated"] * float(told[critical].mean()),
    }


def headline(fields: dict[str, Any]) -> list[dict[str, str]]:
    """The lines that benchmarks.md shows, one per field."""
    return [
        {
            "figure": f"{name}: accuracy on scenario-disjoint synthetic tickets",
            "value": f"{100 * f['accuracy']['value']:.1f} %",
            "beside": f"TF-IDF + LinearSVC {100 * f['linear']:.1f} %, majority {100 * f['majority']:.1f} %",
        }
        for name, f in fields.items()
    ]


def _topic(example: Example) -> tuple[str, ...]:
    return tuple(example.labels.get(name, "") for name in TOPIC)


def _label(example: Example, name: str) -> str:
    return example.labels[name]


def _field(figures: dict[str, Any], view: View, truth: Any, clear: Sequence[Example]) -> dict[str, Any]:
    languages = np.array([e.language for e in clear])
    by_language = {}
    for language in sorted(set(languages)):
        inside = languages == language
        by_language[language] = {
            "rows": int(inside.sum()),
            "accuracy": metrics.accuracy(truth[inside], view.values[inside]),
            "macro_f1": metrics.macro_f1(truth[inside], view.values[inside]),
        }
    return {
        "accuracy": asdict(metrics.clustered(truth, view.values, np.array([e.group for e in clear]))),
        "macro_f1": figures["model"]["macro_f1"]["value"],
        "ece": figures["ece"],
        "linear": figures["baselines"]["linear"]["accuracy"]["value"],
        "linear_macro_f1": figures["baselines"]["linear"]["macro_f1"]["value"],
        "majority": figures["baselines"]["majority"]["accuracy"]["value"],
        "p_against_linear": figures["against_linear"]["p"],
        "by_language": by_language,
    }


HONESTY = """The starter model has seen synthetic tickets only: hand-written scenarios, composed by a program. The
test tickets come from other scenarios and other severity phrases of the same bank, so the figures say how well it
generalises within that world. Real tickets are messier and every desk has habits of its own: expect less, and let
`tamiz backtest` tell how much. That is why this model recommends and never applies.

Tickets of one scenario are no independent witnesses, so the intervals below resample scenarios. Severity phrases of the
test stand in no training ticket, nor do their translations."""


def as_markdown(report: dict[str, Any]) -> str:
    """The report for people."""
    rows, model = report["rows"], report["model"]
    lines = ["# it-helpdesk: the starter model", "", HONESTY, ""]
    lines.append(
        f"Rows: {rows['train']:,} for training, {rows['held_out']:,} for calibration, {rows['test']:,} for the test. "
        f"{model['megabytes']} MB, hash {model['hash'][:12]}."
    )
    lines += [
        "",
        "| field | accuracy (95 %) | macro-F1 | TF-IDF + LinearSVC | majority | ECE | en | es | mixed |",
    ]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for name, f in report["fields"].items():
        a, by = f["accuracy"], f["by_language"]
        spoken = " | ".join(
            f"{100 * by[x]['accuracy']:.1f}" if x in by else "" for x in ("en", "es", "mixed")
        )
        lines.append(
            f"| {name} | {100 * a['value']:.1f} ({100 * a['low']:.1f}-{100 * a['high']:.1f}) | {f['macro_f1']:.3f} | "
            f"{100 * f['linear']:.1f} | {100 * f['majority']:.1f} | {f['ece']:.3f} | {spoken} |"
        )
    s, scope = report["severity"], report["scope"]
    lines += ["", "## Severity", "", *_severity_lines(s)]
    lines += ["", "## Tickets that belong to a person", ""]
    lines += [
        f"{scope['rows']} vague, double and out-of-scope texts: AUROC {scope['auroc']:.3f}; decisions on the category {scope['decisions']}."
    ]
    lines += [f"- {reason}: AUROC {value:.3f}" for reason, value in scope["auroc_by_reason"].items()]
    lines += ["", f"int8 against fp32 on the calibration rows: {json.dumps(model['export']['accuracy'])}"]
    return "\n".join(lines) + "\n"


def _severity_lines(s: dict[str, Any]) -> list[str]:
    kinds = (
        ("most_likely", "the most likely urgency and impact"),
        ("topic_alone", "a table from topic to its usual priority"),
    )
    lines = [
        "| priority | accuracy | macro-F1 | within one level | over-rated | critical rated lower | by two or more |",
        "|---|---|---|---|---|---|---|",
    ]
    for key, told in kinds:
        f = s[key]
        shares = ("within_one_level", "over_rated", "critical_under_rated", "critical_two_or_more_too_low")
        cells = " | ".join(f"{100 * f[name]:.1f}" for name in shares)
        lines.append(f"| {told} | {100 * f['accuracy']:.1f} | {f['macro_f1']:.3f} | {cells} |")
    g, bare = s["after_the_gate"], s["without_the_floor"]
    return [
        *lines,
        "",
        f"As it ships, the model reads urgency and impact with caution (at {s['severe_at']}, see docs/howto.md) and leaves "
        f"{100 * (1 - g['suggested']):.1f} % of the priorities to people. Of the suggested ones {100 * g['accuracy']:.1f} % are "
        f"right and {100 * g['within_one_level']:.1f} % within one level; {100 * g['critical_suggested_too_low']:.1f} % of the "
        f"{s['most_likely']['critical_rows']} critical tickets are suggested too low. Without the floor of the tickets' own "
        f"words these were {100 * (1 - bare['suggested']):.1f}, {100 * bare['accuracy']:.1f}, "
        f"{100 * bare['within_one_level']:.1f} and {100 * bare['critical_suggested_too_low']:.1f} %.",
    ]


if __name__ == "__main__":
    command(__doc__, run, as_markdown)
