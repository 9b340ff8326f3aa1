"""The baseline of hand-made rules: labels whose own words stand in the ticket, severity by its words, else the majority.

The words are those of the taxonomy (keys, display names, synonyms, descriptions), so the rules need no ticket to learn
from but the class frequencies.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tamiz.domain.taxonomy import NONE, Field, Taxonomy
from tamiz.domain.triage import Distribution, Prediction
from tamiz.lab.data.example import Example
from tamiz.pipeline.severity import floor

_WORD = re.compile(r"[^\W\d_]{3,30}")
_SURE = 0.9


class Rules:
    """Keyword rules over one taxonomy; `train` gives the labels that are said where no word is found."""

    def __init__(self, taxonomy: Taxonomy, train: Sequence[Example]) -> None:
        self.taxonomy = taxonomy
        self._usual = {f.name: _usual(f, train) for f in taxonomy.predicted}
        self._words = {f.name: _words(f) for f in taxonomy.predicted}

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text; the chosen label gets most of the mass."""
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Prediction:
        said = Counter(_WORD.findall(text.lower()))
        floors = floor(text, self.taxonomy)
        found = {}
        for f in self.taxonomy.predicted:
            label = floors[f.name].label if f.name in floors else self._label(f, said)
            rest = (1.0 - _SURE) / (len(f.classes) - 1)
            found[f.name] = Distribution(f.classes, tuple(_SURE if c == label else rest for c in f.classes))
        return Prediction(found)

    def _label(self, f: Field, said: Counter[str]) -> str:
        if f.ordered:
            return self._usual[f.name]
        scores = {
            key: sum(said[word] / spread for word, spread in words.items())
            for key, words in self._words[f.name].items()
        }
        best = max(scores, key=scores.__getitem__)
        if scores[best] > 0.0:
            return best
        return NONE if f.nullable else self._usual[f.name]


def _usual(f: Field, train: Sequence[Example]) -> str:
    counts = Counter(e.labels[f.name] for e in train if f.name in e.labels)
    return counts.most_common(1)[0][0] if counts else f.classes[0]


def _words(f: Field) -> dict[str, dict[str, int]]:
    """Label → its words, each with the number of labels that use it."""
    own = {
        label.key: set(
            _WORD.findall(
                " ".join(
                    [label.key, *label.display.values(), *label.description.values(), *label.synonyms]
                ).lower()
            )
        )
        for label in f.labels
    }
    spread = Counter(word for words in own.values() for word in words)
    return {key: {word: spread[word] for word in words} for key, words in own.items()}
