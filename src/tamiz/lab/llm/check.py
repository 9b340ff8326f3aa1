"""Does an exported model answer as the trained one does? Both are asked for the same labels, token by token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tamiz.domain.taxonomy import Taxonomy
from tamiz.lab.data.synthetic import example_of
from tamiz.lab.synth import generate
from tamiz.models.llm import prompt
from tamiz.models.llm.runtime import Scorer

TEXTS = 6


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far label probabilities may lie apart on average, and the share of questions with the same best label."""

    difference: float
    same_label: float


@dataclass(frozen=True, slots=True)
class Check:
    """What both models said. Differences are total variation distances (0 the same, 1 disjoint) of the probabilities
    of a field's labels by their first token."""

    questions: int
    same_label: float
    mean_difference: float
    worst_difference: float
    same_tokens: bool
    tolerance: Tolerance

    @property
    def mistake(self) -> str:
        """What is wrong, in words; empty where the export is sound."""
        if not self.same_tokens:
            return "it cuts texts into other tokens than the trained model does"
        if self.mean_difference > self.tolerance.difference:
            return (
                f"its label probabilities lie {self.mean_difference:.3f} from the trained model's, "
                f"at most {self.tolerance.difference} is expected"
            )
        if self.same_label < self.tolerance.same_label:
            return (
                f"it prefers the same label in {self.same_label:.0%} of the questions, "
                f"at least {self.tolerance.same_label:.0%} are expected"
            )
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for export.json."""
        return {**asdict(self), "passed": not self.mistake}


def check_export(
    trained: Scorer, exported: Scorer, taxonomy: Taxonomy, tolerance: Tolerance, texts: Sequence[str] = ()
) -> Check:
    """Ask both models for every field of some texts (without: synthetic tickets), the trained one's answers told.

    ProviderError where a runtime fails.
    """
    asked = list(texts) or [example_of(ticket).text for ticket in generate(TEXTS, 0, split="valid")]
    fenced = [" ".join(prompt.fenced(text).split()) for text in asked]
    differences, same = [], 0
    for path, options, expected in _questions(trained, taxonomy, asked):
        found = exported.choose(path, options)
        differences.append(0.5 * sum(abs(a - b) for a, b in zip(expected, found, strict=True)))
        same += _best(expected) == _best(found)
    return Check(
        questions=len(differences),
        same_label=round(same / len(differences), 4),
        mean_difference=round(sum(differences) / len(differences), 5),
        worst_difference=round(max(differences), 5),
        same_tokens=all(trained.tokens(text) == exported.tokens(text) for text in fenced),
        tolerance=tolerance,
    )


def _questions(
    scorer: Scorer, taxonomy: Taxonomy, texts: Sequence[str]
) -> Iterator[tuple[list[int], list[int], list[float]]]:
    """Prompts, the first tokens of a field's labels, and what the scorer says of them; the best one is told on."""
    wording = prompt.instructions()["en"][0]
    for text in texts:
        path = scorer.tokens(scorer.chat(prompt.messages(taxonomy, text, wording)))
        for place, f in enumerate(taxonomy.predicted):
            path = path + scorer.tokens(prompt.cue(f.name, place == 0))
            values = [scorer.tokens(prompt.value(label)) for label in f.classes]
            starts = {value[0]: value for value in reversed(values)}
            if len(starts) > 1:
                options = sorted(starts)
                told = scorer.choose(path, options)
                yield path, options, told
                path = path + starts[options[_best(told)]]
            else:
                path = path + values[0]


def _best(shares: Sequence[float]) -> int:
    return max(range(len(shares)), key=shares.__getitem__)
