"""Labelled rows from a small hand-written file of scenarios, for recipes without a data set of their own.

    [[scenario]]
    id = "billing-double-charge"
    queue = "billing"
    en = ["You took the money twice.", ...]
    es = ["Me han cobrado dos veces.", ...]

Each text is written down several times, as different hands would. Scenarios of different splits never meet.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from random import Random
from typing import Any

from tamiz.domain.errors import DataError
from tamiz.lab.data.example import Example
from tamiz.lab.synth import noise
from tamiz.lab.synth.splits import SPLITS, deal_stratified

HANDS = 6
"""How often each text is written down; the first time as it stands."""

_GREETINGS = {
    "en": ("", "", "Hi, ", "Hello, ", "Good morning. "),
    "es": ("", "", "Hola, ", "Buenas, ", "Buenos días. "),
}
_THANKS = {"en": ("", "", " Thanks", " Regards"), "es": ("", "", " Gracias", " Un saludo")}


def scenario_rows(path: Path, field: str, seed: int = 0) -> dict[str, list[Example]]:
    """Split → rows, distinct texts only. `field` is the key that holds the label. DataError for a broken file."""
    try:
        scenarios: list[dict[str, Any]] = tomllib.loads(path.read_text("utf-8"))["scenario"]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise DataError(path=path, mistake=f"is no file of scenarios ({error})") from error
    for raw in scenarios:
        if raw.keys() != {"id", field, *_GREETINGS} or not all(raw[language] for language in _GREETINGS):
            raise DataError(
                path=path, mistake=f"scenario '{raw.get('id', '?')}' needs id, {field}, en and es"
            )
    rng = Random(seed)
    splits = deal_stratified({raw["id"]: [raw[field]] for raw in scenarios})
    rows: dict[str, list[Example]] = {name: [] for name in SPLITS}
    for raw in scenarios:
        told = [(la, text) for la in _GREETINGS for text in raw[la]]
        written = {
            _written(rng, text, la) if hand else text: la for la, text in told for hand in range(HANDS)
        }
        own = rows[splits[raw["id"]]]
        own += [
            Example(f"{raw['id']}-{i}", text, {field: raw[field]}, group=raw["id"], language=language)
            for i, (text, language) in enumerate(written.items())
        ]
    return rows


def _written(rng: Random, text: str, language: str) -> str:
    """The text as somebody else would have typed it."""
    text = rng.choice(_GREETINGS[language]) + text + rng.choice(_THANKS[language])
    if rng.random() < 0.4:
        text = text.lower()
    if language == "es" and rng.random() < 0.4:
        text = noise.without_accents(text, keep_enye=rng.random() < 0.8)
    return noise.typos(rng, text, rng.choice((0.0, 0.005, 0.02)))
