"""Reproduce a recipe: train with its seeds, judge on its test rows, write its report.

    python -m tamiz.lab.recipe recipes/banking-support

A recipe folder holds recipe.toml (data source, splits, encoder settings) and gets report.json and report.md. Models go
to runs/<recipe>/seed-N; a model that was trained on the same rows with the same settings is not trained again.
"""

from __future__ import annotations

import argparse
import random
import time
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tamiz.domain.errors import ConfigError
from tamiz.domain.taxonomy import Taxonomy, infer
from tamiz.lab import recipe_report
from tamiz.lab.data.example import Example, fingerprint
from tamiz.lab.data.public import load_public
from tamiz.lab.data.scenarios import scenario_rows
from tamiz.lab.data.splits import few_shot, group_disjoint, tied
from tamiz.lab.encoder_config import EncoderConfig, parse
from tamiz.lab.evaluate import Plan, evaluate
from tamiz.lab.train_encoder import train_encoder
from tamiz.models.artifact import MANIFEST, read_manifest
from tamiz.models.open import open_model

RUNS = Path("runs")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What recipe.toml says. `source` is a public data set, or a file of scenarios in the recipe's folder. `held_out`
    and `test` are shares; 0 where the source has such a split of its own."""

    folder: Path
    source: str
    primary: str
    encoder: EncoderConfig
    seeds: tuple[int, ...] = (0,)
    held_out: float = 0.1
    test: float = 0.0
    note: str = ""
    few_shot: tuple[int, ...] = ()
    few_shot_seeds: tuple[int, ...] = ()
    few_shot_encoder: EncoderConfig | None = None
    map: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name


@dataclass(frozen=True, slots=True)
class Rows:
    """The three parts that a recipe works with."""

    train: Sequence[Example]
    held_out: Sequence[Example]
    test: Sequence[Example]


def read_recipe(folder: Path) -> Recipe:
    """Read recipe.toml. ConfigError names what is wrong."""
    path = folder / "recipe.toml"
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(key=str(path), mistake=f"cannot be read ({error})") from error
    for key in ("encoder", "few_shot_encoder"):
        if key in data:
            data[key] = parse(data[key], f"{path} [{key}]")
    if "map" in data:
        data["map"] = tomllib.loads((folder / data["map"]).read_text("utf-8"))["intents"]
    lists = {key: tuple(value) for key, value in data.items() if isinstance(value, list)}
    try:
        return Recipe(folder=folder, **{**data, **lists})
    except TypeError as error:
        raise ConfigError(key=str(path), mistake=str(error)) from error


def rows_of(recipe: Recipe) -> Rows:
    """Load and split. Near duplicates stay on one side where the recipe draws its own test rows."""
    splits = {name: [_mapped(e, recipe) for e in rows] for name, rows in _source(recipe).items()}
    if recipe.test:
        everything = tied([e for rows in splits.values() for e in rows])
        splits = group_disjoint(
            everything, {"train": 1 - recipe.test, "test": recipe.test}, field=recipe.primary
        )
    train, held_out = splits["train"], splits.get("valid", [])
    if recipe.held_out:
        train, held_out = drawn_apart(train, recipe.primary, recipe.held_out)
    return Rows(train, held_out, splits["test"])


def _source(recipe: Recipe) -> Mapping[str, Sequence[Example]]:
    if recipe.source.endswith(".toml"):
        return scenario_rows(recipe.folder / recipe.source, recipe.primary)
    return load_public(recipe.source)


def drawn_apart(
    rows: Sequence[Example], name: str, share: float, seed: int = 0
) -> tuple[list[Example], list[Example]]:
    """The rows without, and only, `share` of every class (at least one row), drawn by `random.Random(seed)`."""
    rng = random.Random(seed)
    classes: dict[str, list[Example]] = defaultdict(list)
    for example in rows:
        classes[example.labels.get(name, "")].append(example)
    held = [e for own in classes.values() for e in rng.sample(own, max(1, round(len(own) * share)))]
    apart = {e.id for e in held}
    return [e for e in rows if e.id not in apart], held


def taxonomy_of(recipe: Recipe, rows: Rows) -> Taxonomy:
    """The classes that the training and held-out rows carry."""
    known = [*rows.train, *rows.held_out]
    names = list(dict.fromkeys(name for e in known for name in e.labels))
    columns = {name: [e.labels[name] for e in known if name in e.labels] for name in names}
    return infer(recipe.name, columns, recipe.primary)


def run(recipe: Recipe) -> dict[str, Any]:
    """Train and judge every seed; the report as plain data."""
    rows = rows_of(recipe)
    taxonomy = taxonomy_of(recipe, rows)
    results = []
    for seed in recipe.seeds:
        path, seconds = trained(recipe, seed, rows, taxonomy)
        plan = Plan(train=[*rows.train, *rows.held_out], allow_leak=True, note=recipe.note)
        results.append(recipe_report.judged(open_model(path), rows, plan, read_manifest(path), seconds))
    few = [
        few_shot_result(recipe, shots, seed, rows, taxonomy)
        for shots in recipe.few_shot
        for seed in recipe.few_shot_seeds
    ]
    return recipe_report.assembled(recipe.name, recipe.note, rows, results, few)


def trained(recipe: Recipe, seed: int, rows: Rows, taxonomy: Taxonomy) -> tuple[Path, float]:
    """The model of one seed and the seconds that its training took (0 when it was there already)."""
    config = recipe.encoder.model_copy(update={"seed": seed})
    out = RUNS / recipe.name / f"seed-{seed}"
    if (out / MANIFEST).is_file():
        manifest = read_manifest(out)
        stated = config.model_dump(include=config.model_fields_set)
        same = all(manifest.training.get(key) == value for key, value in stated.items())
        if same and manifest.data["train"]["fingerprint"] == fingerprint(rows.train):
            return out, float(manifest.training.get("seconds", 0.0))
        raise ConfigError(key=str(out), mistake="holds a model of other rows or settings; move it away")
    start = time.monotonic()
    train_encoder(config, rows.train, rows.held_out, taxonomy, out, earned=True)
    return out, time.monotonic() - start


def few_shot_result(recipe: Recipe, shots: int, seed: int, rows: Rows, taxonomy: Taxonomy) -> dict[str, Any]:
    """Train on `shots` rows per class of a documented draw (seed) and judge on the whole test set."""
    drawn = few_shot(rows.train, recipe.primary, shots, seed)
    config = (recipe.few_shot_encoder or recipe.encoder).model_copy(update={"seed": seed})
    out = RUNS / recipe.name / f"{shots}-shot-{seed}"
    if not (out / MANIFEST).is_file():
        train_encoder(config, drawn, drawn, taxonomy, out, earned=False)
    figures = evaluate(open_model(out), rows.test, Plan(train=drawn, allow_leak=True))["fields"][
        recipe.primary
    ]
    return {
        "shots": shots,
        "seed": seed,
        "accuracy": figures["model"]["accuracy"]["value"],
        "linear": figures["baselines"]["linear"]["accuracy"]["value"],
    }


def _mapped(example: Example, recipe: Recipe) -> Example:
    """Add what the recipe's map says of the primary label (a category, a priority)."""
    if not recipe.map or recipe.primary not in example.labels:
        return example
    extra = {key: value for key, value in recipe.map[example.labels[recipe.primary]].items() if key != "why"}
    return replace(example, labels={**example.labels, **extra})


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a folder below recipes/")
    folder = parser.parse_args().folder
    for path in recipe_report.write(run(read_recipe(folder)), folder):
        print(path)


if __name__ == "__main__":
    main()
