"""A model that answers from a script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tamiz.domain.gate import Policy
from tamiz.domain.ports import ModelInfo
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Distribution, Prediction

Answer = Mapping[str, tuple[str, float]]
"""Field → (label, its probability); the rest of the mass is spread evenly. Fields left out are uniform."""


@dataclass
class ScriptedModel:
    """Predicts what `script` says for a text; `calls` keeps every batch it was asked."""

    taxonomy: Taxonomy
    script: Callable[[str], Answer]
    policy: Policy = field(default_factory=Policy)
    scope: Callable[[str], float] = field(default=lambda text: 1.0)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    embedding: Callable[[str], Sequence[float]] = field(default=lambda text: ())

    @property
    def info(self) -> ModelInfo:
        """A made-up identity with the taxonomy's real class hash."""
        return ModelInfo("scripted", "scripted", "0" * 16, self.taxonomy.classes_hash, "scripted")

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One scripted prediction per text."""
        self.calls.append(tuple(texts))
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Prediction:
        answer = self.script(text)
        distributions = {}
        for f in self.taxonomy.predicted:
            classes = f.classes
            label, sure = answer.get(f.name, (classes[0], 1.0 / len(classes)))
            rest = (1.0 - sure) / (len(classes) - 1)
            distributions[f.name] = Distribution(
                classes, tuple(sure if c == label else rest for c in classes)
            )
        return Prediction(distributions, self.scope(text), self.embedding(text))
