"""From a ticket export to an honest report and a model: what Tamiz would have done with the newest tickets.

    backtest(Path("tickets.csv"), BacktestOptions(Path("report")), say=print)

Three slices: the oldest tickets train, the newest of the rest weigh the parts and set thresholds, the newest of all
are judged. Without usable times the slices are random, near duplicates and texts of one template kept together.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tamiz.bootstrap.wiring import starter_folder
from tamiz.domain.errors import ConfigError, DataError
from tamiz.domain.gate import Policy, decide, shown
from tamiz.domain.taxonomy import FieldKind, Taxonomy, infer
from tamiz.domain.triage import Prediction
from tamiz.lab.backtest_findings import (
    Applied,
    Proof,
    label_findings,
    mistakes,
    reassignments,
    small_classes,
)
from tamiz.lab.backtest_slices import Cut, cut, newest
from tamiz.lab.calibrate import fit_policy
from tamiz.lab.data.example import Example, fingerprint
from tamiz.lab.data.examples import Loaded, to_examples
from tamiz.lab.data.labels import field_names
from tamiz.lab.data.mapping import ColumnMapping, detect
from tamiz.lab.data.readers import read_table
from tamiz.lab.data.table import Table, write_rejected
from tamiz.lab.evaluate import Plan, field_figures, predict_all, rows_of, views
from tamiz.lab.frozen_encoder import AUTO, NOTHING, find_encoder
from tamiz.lab.fused import Fused, Say, Slices, train_fused
from tamiz.lab.metrics import BUDGETS
from tamiz.models.artifact import read_manifest
from tamiz.models.open import open_model

FEWEST = 50
"""Labelled rows that a field needs."""
MOST_FIELDS, MOST_CLASSES = 8, 300
MODEL, REJECTED = "model", "rejected.csv"
ROUTING_ROLE = "assignment_group"


Policies = Mapping[float, Policy]


@dataclass(frozen=True, slots=True)
class BacktestOptions:
    """`out` is the folder to fill. `columns` maps a column to a role (see `detect`), `labels` names the label columns
    (empty: found by themselves), `budget` is the wrong share among applied values that the model is given, `base`
    the encoder (see `find_encoder`), `quick` leaves it out, `taxonomy` states fields and labels (None: inferred)."""

    out: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Sequence[str] = ()
    budget: float = 0.02
    base: str = AUTO
    quick: bool = False
    taxonomy: Taxonomy | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Imported:
    """An export as read: the table, the roles of its columns, the examples, and the fields that can be learned."""

    table: Table
    mapping: ColumnMapping
    loaded: Loaded
    examples: Sequence[Example]
    taxonomy: Taxonomy
    notes: Sequence[str]


def backtest(path: Path, options: BacktestOptions, say: Say) -> dict[str, Any]:
    """Run the whole backtest: the report as plain data, and in `options.out` the model and the rows kept aside.

    Raises DataError for a file without labels, or with too few; ConfigError where `out` holds a model already.
    """
    started = time.monotonic()
    if (options.out / MODEL).exists():
        raise ConfigError(key="--out", mistake=f"{options.out} already holds a model; name another folder")
    say(f"reading {path.name}")
    data = read(path, options)
    options.out.mkdir(parents=True, exist_ok=True)
    if data.loaded.rejected:
        write_rejected(data.loaded.rejected, options.out / REJECTED)
    say("looking for duplicates and cutting the slices")
    parts = cut(data.examples, data.taxonomy.primary, options.seed)
    encoder = None if options.quick else _encoder(options, parts.slices.train, data.examples)
    fused = train_fused(parts.slices, data.taxonomy, encoder, say, options.seed)
    say("judging the newest tickets beside both baselines")
    calibrate = parts.slices.calibrate
    policies = {
        b: fit_policy(data.taxonomy, fused.crossed, calibrate, b, earned=True)
        for b in sorted({*BUDGETS, options.budget})
    }
    folder = fused.write(options.out / MODEL, path.stem, policies[options.budget], parts.slices)
    fields = _judge(data, parts, fused, policies, folder, options)
    return {
        "file": path.name,
        "data": _data_facts(data, parts),
        "fields": fields,
        "model": {**_model_facts(folder), "budget": options.budget},
        "seconds": time.monotonic() - started,
    }


def read(path: Path, options: BacktestOptions) -> Imported:
    """Import the export and choose the fields that have enough labels."""
    table = read_table(path)
    mapping = detect(table, {**options.columns, **dict.fromkeys(options.labels, "label")})
    loaded = to_examples(table, mapping, options.taxonomy)
    examples, notes = newest(loaded.examples, options.seed)
    values = {
        f.name: [e.labels[f.name] for e in examples if f.name in e.labels] for f in loaded.taxonomy.choices
    }
    kept = {name: learnable(found) for name, found in values.items() if len(found) >= FEWEST}
    kept = dict([(name, found) for name, found in kept.items() if len(set(found)) > 1][:MOST_FIELDS])
    if not kept:
        most = max(map(len, values.values()), default=0)
        raise DataError(
            path=path,
            mistake=f"{most} labelled rows are too few to learn from; at least {FEWEST} are needed, "
            "with two labels on two rows each",
        )
    left = ", ".join(f"{name} ({len(found)} rows)" for name, found in values.items() if name not in kept)
    if left:
        notes.append(
            f"fields left out (too few labels, or beyond the first {MOST_FIELDS}; see --labels): {left}"
        )
    return Imported(
        table,
        mapping,
        loaded,
        examples,
        reduced(options.taxonomy, kept) if options.taxonomy else infer(path.stem, kept),
        [*(n for n in loaded.notes if "kept aside" not in n), *notes],
    )


def reduced(taxonomy: Taxonomy, names: Collection[str]) -> Taxonomy:
    """The taxonomy with these choices only. One whose parent or inputs are missing is learned for itself."""
    kept = [f for f in taxonomy.fields if f.kind is FieldKind.TEXT or f.name in names]
    fields = [
        replace(
            f,
            parent=f.parent if f.parent in names else "",
            matrix=f.matrix if f.matrix and {f.matrix.rows, f.matrix.columns} <= {*names} else None,
        )
        for f in kept
    ]
    primary = taxonomy.primary if taxonomy.primary in names else next(iter(names))
    return replace(taxonomy, fields=tuple(fields), primary=primary)


def learnable(labels: Sequence[str]) -> list[str]:
    """The labels without those that stand on a single row or are not among the most frequent ones.

    Rows that carry the others are judged all the same, and always count as wrong.
    """
    counts = Counter(labels).most_common(MOST_CLASSES)
    known = {label for label, rows in counts if rows > 1}
    return [label for label in labels if label in known]


def _encoder(options: BacktestOptions, train: Sequence[Example], examples: Sequence[Example]) -> Any:
    foreign = sum(e.language not in ("en", "") for e in examples) / len(examples)
    texts = [e.text for e in train]
    return find_encoder(options.base, starter_folder(), texts, foreign) if options.base != NOTHING else None


def _judge(
    data: Imported, parts: Cut, fused: Fused, policies: Policies, folder: Path, options: BacktestOptions
) -> dict[str, Any]:
    """Every field that has judged rows."""
    model = open_model(folder)
    judged = _Answered(parts.judged, predict_all(model, parts.judged))
    repeats = _Answered(parts.repeats, predict_all(model, parts.repeats))
    seen = views(data.taxonomy, judged.predictions)
    plan = Plan(parts.slices.all, allow_leak=True, seed=options.seed)
    routing = _routing(data)
    found: dict[str, Any] = {}
    for name in (f.name for f in data.taxonomy.choices):
        rows = judged.labelled(name)
        if len(rows) < 2:
            continue
        examples = [parts.judged[i] for i in rows]
        figures = field_figures(name, examples, rows_of(seen[name], rows), plan)
        del figures["budgets"]  # thresholds come from the calibration slice here, never from the judged rows
        applied = {b: judged.applied(data.taxonomy, name, policy, b) for b, policy in policies.items()}
        again = repeats.applied(data.taxonomy, name, policies[options.budget], options.budget)
        proof = _proof(data.taxonomy, name, policies[options.budget], parts.slices, fused.crossed)
        past = parts.slices.all
        found[name] = {
            **figures,
            "labelled": sum(name in e.labels for e in data.examples),
            "applied": [a.to_dict(proof, parts.calibrated) for a in applied.values()],
            "repeats": {"rows": len(again.truth), "applied": len(again.rows), "wrong": len(again.wrong)},
            "mistakes": mistakes(examples, applied[options.budget]),
            "small": small_classes(past, examples, name),
            "routing": reassignments(applied[options.budget], past, name) if name in routing else {},
            "labels": label_findings(data.examples, name, options.quick, options.seed),
        }
    return found


@dataclass(frozen=True, slots=True)
class _Answered:
    """Rows and what the model says of them."""

    examples: Sequence[Example]
    predictions: Sequence[Prediction]

    def labelled(self, name: str) -> list[int]:
        """The rows that have a label of a field."""
        return [i for i, e in enumerate(self.examples) if name in e.labels]

    def applied(self, taxonomy: Taxonomy, name: str, policy: Policy, budget: float) -> Applied:
        """What the gate does with the labelled rows."""
        rows = self.labelled(name)
        outcomes = [decide(taxonomy, self.predictions[i], policy)[name] for i in rows]
        return Applied(budget, policy.of(name), outcomes, [self.examples[i].labels[name] for i in rows])


def _proof(
    taxonomy: Taxonomy, name: str, policy: Policy, slices: Slices, crossed: Sequence[Prediction]
) -> Proof:
    """What thresholds rest on: the calibration rows of a field that are in scope."""
    answers = [
        (*shown(taxonomy, taxonomy.field(name), p, policy), e.labels[name])
        for e, p in zip(slices.calibrate, crossed, strict=True)
        if name in e.labels and not e.abstain and p.scope >= policy.scope_apply
    ]
    return Proof([c for _, c, _ in answers], [value == true for value, _, true in answers])


def _routing(data: Imported) -> set[str]:
    """The fields that say which group gets a ticket."""
    names = field_names(data.mapping.labels)
    return {names[c] for c, role in data.mapping.roles.items() if role == ROUTING_ROLE and c in names}


def _model_facts(folder: Path) -> dict[str, Any]:
    manifest = read_manifest(folder)
    return {
        "folder": str(folder),
        "name": manifest.name,
        "kind": manifest.kind,
        "hash": manifest.content_hash,
        "encoder": manifest.training["encoder"],
        "refitted": manifest.training["refitted"],
        "megabytes": sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6,
    }


def _data_facts(data: Imported, parts: Cut) -> dict[str, Any]:
    loaded = data.loaded
    return {
        "rows": len(data.table.rows) + len(data.table.rejected),
        "used": len(data.examples),
        "rejected": len(loaded.rejected),
        "reasons": dict(Counter(r.reason for r in loaded.rejected).most_common(8)),
        "rejected_file": REJECTED if loaded.rejected else "",
        "columns": data.mapping.render(),
        "encoding": data.table.encoding,
        "delimiter": data.table.delimiter,
        "notes": list(data.notes),
        "languages": dict(Counter(e.language for e in data.examples).most_common()),
        "fingerprint": fingerprint(data.examples),
        "how": parts.how,
        "train": len(parts.slices.train),
        "calibrate": len(parts.slices.calibrate),
        "judged": len(parts.judged),
        "repeats": len(parts.repeats),
        "primary": data.taxonomy.primary,
    }
