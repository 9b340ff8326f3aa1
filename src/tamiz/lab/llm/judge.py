"""Judge a language model beside everything it must beat: untuned, encoder, linear, rules, majority, and the cascade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tamiz.domain.gate import Policy, decide
from tamiz.domain.ports import Model, Question, Writer
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.ticket import CanonicalText
from tamiz.domain.triage import Decision, FieldTriage, Prediction
from tamiz.lab import metrics
from tamiz.lab.data.example import Example
from tamiz.lab.evaluate import View, views
from tamiz.lab.llm.rules import Rules
from tamiz.lab.metrics import Strings
from tamiz.lab.train_baseline import linear_predictions
from tamiz.pipeline.cascade import Cascade, consult
from tamiz.pipeline.grounding import grounded

TUNED, UNTUNED, ENCODER, CASCADE, RULES = "fine-tuned", "untuned", "encoder", "cascade", "rules"
LINEAR, MAJORITY = "linear", "majority"


@dataclass(frozen=True, slots=True)
class Judged:
    """What the systems say of the same ordinary tickets: predictions per system, and the cascade's outcomes."""

    examples: Sequence[Example]
    predictions: Mapping[str, Sequence[Prediction]]
    outcomes: Sequence[Mapping[str, FieldTriage]]


def ask(
    examples: Sequence[Example],
    tuned: Model,
    untuned: Model,
    encoder: Model,
    cascade: Cascade,
    train: Sequence[Example],
) -> Judged:
    """Put the same tickets to every system. ProviderError where a runtime fails."""
    texts = [e.text for e in examples]
    own = encoder.predict(texts)
    consulted = [
        consult(
            cascade, CanonicalText(e.text, "", e.text, language="en"), p, encoder.taxonomy, encoder.policy
        )
        for e, p in zip(examples, own, strict=True)
    ]
    said = {
        TUNED: tuned.predict(texts),
        UNTUNED: untuned.predict(texts),
        ENCODER: own,
        CASCADE: [c.prediction for c in consulted],
        RULES: Rules(encoder.taxonomy, train).predict(texts),
    }
    return Judged(examples, said, [c.outcomes for c in consulted])


def compare(judged: Judged, taxonomy: Taxonomy, train: Sequence[Example]) -> dict[str, Any]:
    """Per field: accuracy of every system with its interval over scenarios, ECE, by language, and paired tests."""
    seen = {system: views(taxonomy, predictions) for system, predictions in judged.predictions.items()}
    fields = {}
    for f in taxonomy.choices:
        rows = [i for i, e in enumerate(judged.examples) if f.name in e.labels]
        if len(rows) >= 30:
            fields[f.name] = _field(f.name, judged, {s: v[f.name] for s, v in seen.items()}, rows, train)
    return fields


def _field(
    name: str, judged: Judged, seen: Mapping[str, View], rows: Sequence[int], train: Sequence[Example]
) -> dict[str, Any]:
    chosen = [judged.examples[i] for i in rows]
    truth = np.array([e.labels[name] for e in chosen], dtype=object)
    guesses = {system: view.values[rows] for system, view in seen.items()}
    if train:
        guesses[LINEAR] = np.array(linear_predictions(train, chosen, name)[0], dtype=object)
        usual = [e.labels[name] for e in train if name in e.labels]
        guesses[MAJORITY] = np.full(len(rows), max(set(usual), key=usual.count), dtype=object)
    groups = np.array([e.group or e.id for e in chosen])
    languages = np.array([e.language for e in chosen])
    better = max((TUNED, ENCODER), key=lambda system: metrics.accuracy(truth, guesses[system]))
    tuned = seen[TUNED]
    right = np.asarray(tuned.values[rows] == truth, dtype=bool)
    return {
        "rows": len(rows),
        "accuracy": {s: asdict(metrics.clustered(truth, g, groups)) for s, g in guesses.items()},
        "macro_f1": {s: metrics.macro_f1(truth, g) for s, g in guesses.items()},
        "by_language": {
            str(language): {
                s: metrics.accuracy(truth[languages == language], g[languages == language])
                for s, g in guesses.items()
            }
            for language in sorted(set(languages))
        },
        "tuned_against_untuned": metrics.mcnemar(truth == guesses[TUNED], truth == guesses[UNTUNED]),
        "better": better,
        "cascade_against_better": metrics.mcnemar(truth == guesses[CASCADE], truth == guesses[better]),
        "ece": {
            s: metrics.ece(seen[s].confidences[rows], truth == guesses[s]) for s in (TUNED, ENCODER, CASCADE)
        },
        "risk_coverage": metrics.risk_coverage(tuned.confidences[rows], right, points=20),
        "gate": _gate(name, [judged.outcomes[i] for i in rows], truth),
    }


def _gate(name: str, outcomes: Sequence[Mapping[str, FieldTriage]], truth: Strings) -> dict[str, float]:
    """What people see of the cascade: the share of tickets with a suggestion, and how many of those are right."""
    told = np.array([o[name].decision in (Decision.APPLY, Decision.RECOMMEND) for o in outcomes])
    values = np.array([o[name].value or "none" for o in outcomes], dtype=object)
    return {
        "suggested": float(told.mean()),
        "right": float(np.mean(values[told] == truth[told])) if told.any() else float("nan"),
    }


def encoder_gate(
    encoder: Model, examples: Sequence[Example], taxonomy: Taxonomy, policy: Policy
) -> dict[str, dict[str, float]]:
    """The same figures for the encoder alone, without floor and language model."""
    outcomes = [decide(taxonomy, p, policy) for p in encoder.predict([e.text for e in examples])]
    found = {}
    for f in taxonomy.choices:
        rows = [i for i, e in enumerate(examples) if f.name in e.labels]
        truth = np.array([examples[i].labels[f.name] for i in rows], dtype=object)
        if rows:
            found[f.name] = _gate(f.name, [outcomes[i] for i in rows], truth)
    return found


def scope(judged: Judged, tuned: Model, encoder: Model, strange: Sequence[Example]) -> dict[str, float]:
    """How well both tell the judged, ordinary tickets from those that belong to a person (AUROC)."""
    texts = [e.text for e in strange]
    found = {"rows": float(len(texts))}
    for name, model in ((TUNED, tuned), (ENCODER, encoder)):
        own, odd = (
            np.array([p.scope for p in told]) for told in (judged.predictions[name], model.predict(texts))
        )
        found[name] = metrics.auroc(own, odd)
    return found


def summaries(writer: Writer, examples: Sequence[Example]) -> dict[str, Any]:
    """Of written summaries: how many are grounded, their length in words, and the first of them to look at."""
    told = [(e.text, writer.write(Question(e.text, e.language)).summary) for e in examples]
    sound = [not grounded(summary, text) for text, summary in told]
    return {
        "rows": len(told),
        "grounded": float(np.mean(sound)),
        "words": float(np.mean([len(summary.split()) for _, summary in told])),
        "examples": [
            {"text": text, "summary": summary, "grounded": ok}
            for (text, summary), ok in zip(told[:12], sound[:12], strict=True)
        ],
    }
