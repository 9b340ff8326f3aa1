"""Typed decoding: the model chooses, code writes.

An answer is walked cue by cue. Cues are forced; the value of a choice is one of its labels by construction, found by
walking the labels' tokens as a tree and asking the model only where the tree branches. So every label gets its exact
probability, a limit on length cannot break the answer, and no text of the ticket can add a value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tamiz.domain.errors import PromptTooLongError
from tamiz.domain.ports import Question
from tamiz.domain.taxonomy import ABSTAIN, NONE, Field, Taxonomy
from tamiz.domain.triage import Distribution
from tamiz.models.llm import prompt
from tamiz.models.llm.prompt import Message, Shown
from tamiz.models.llm.runtime import Scorer

SUMMARY_TOKENS = 40
EXPLORED = 0.01
"""A branch of the tree with less mass is not walked: its labels share what it has."""

PROMPT_TOKENS = 1400
"""Longer prompts lose their examples, then the end of the ticket's text: every model in question reads 2,048."""
ANSWER_TOKENS = 160
"""Room for the answer where a runtime reads less than that."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How a model is asked: the wording, its language, and how much of the taxonomy it is shown."""

    instruction: str
    language: str = "en"
    shown: Shown = Shown.NOTHING


@dataclass(frozen=True, slots=True)
class Decoded:
    """The model's own, uncalibrated word: a distribution over the classes of every asked field, the abstention left out
    of it, the probability of the abstention at the first asked field, and the summary."""

    distributions: Mapping[str, Distribution]
    abstained: float = 0.0
    summary: str = ""


@dataclass
class Decoder:
    """Decodes questions over one taxonomy. Tokens of cues and labels are computed once."""

    scorer: Scorer
    taxonomy: Taxonomy
    asking: Asking
    _tokens: dict[str, list[int]] = field(default_factory=dict)
    _room: int = PROMPT_TOKENS
    _before: list[int] = field(default_factory=list)

    def decode(self, question: Question) -> Decoded:
        """The model's answer. ProviderError where the runtime fails; any text is fine, the empty one included. A runtime
        that reads less than was thought is asked again, with as much as it reads."""
        while True:
            try:
                return self._decoded(question)
            except PromptTooLongError as error:
                told = error.facts["room"]
                room = told - ANSWER_TOKENS if isinstance(told, int) else 0
                if not 0 < room < self._room:
                    raise
                self._room = room

    def _decoded(self, question: Question) -> Decoded:
        path = self._start(question)
        # Somebody else's ticket of the same words would be read in no time, and that would tell that it was there.
        self.scorer.forget(self._beginning())
        settled, abstained, first = dict(question.known), 0.0, True
        distributions: dict[str, Distribution] = {}
        for f in self.taxonomy.predicted:
            if f.name not in settled and f.name not in question.fields:
                continue
            path = path + self._fixed(prompt.cue(f.name, first))
            if f.name not in settled:
                found, person = self._choice(path, f)
                abstained = abstained if distributions else person
                distributions[f.name] = found
                settled[f.name] = _best(f, found, settled)
            path = path + self._fixed(prompt.value(settled[f.name]))
            first = False
        return Decoded(distributions, abstained, self._summary(path, question, first))

    def _start(self, question: Question) -> list[int]:
        """The prompt's tokens. Where they are too many, examples go first, the farthest before the others, and only
        then is the ticket's own text cut."""
        text, examples = question.text, question.examples
        while True:
            tokens = self._prompt(self.turns(replace(question, text=text, examples=examples)))
            if len(tokens) <= self._room or not (text or examples):
                return tokens
            if examples:
                examples = examples[:-1]
            else:
                text = text[: min(len(text) - 1, int(len(text) * 0.9 * self._room / len(tokens)))]

    def _beginning(self) -> list[int]:
        """The tokens before any ticket's text, which are the same for all."""
        if not self._before:
            asked = Question("?")
            chat = self.scorer.chat(self.turns(asked))
            self._before = self._fixed(chat.partition(prompt.fenced(asked.text))[0])
        return self._before

    def length(self, question: Question) -> int:
        """The tokens of a question's prompt."""
        return len(self._start(question))

    def turns(self, question: Question) -> list[Message]:
        """The chat up to the answer: what is the same for every ticket comes first, so that a runtime computes it
        once."""
        asking = self.asking
        told = prompt.told(self.taxonomy, asking.instruction, asking.language, asking.shown)
        return [
            {"role": "system", "content": told},
            *prompt.solved(self.taxonomy, question.examples, {*question.fields, *question.known}),
            {"role": "user", "content": prompt.fenced(question.text)},
        ]

    def _prompt(self, turns: Sequence[Message]) -> list[int]:
        """The chat as tokens. Texts of tickets, examples too, are tokenised apart: no control token is read in them."""
        rest, tokens = self.scorer.chat(turns), list[int]()
        for text in (turn["content"] for turn in turns if turn["role"] == "user"):
            before, found, rest = rest.partition(text)
            tokens += self._fixed(before)
            tokens += self.scorer.tokens(found, special=False) if found else ()
        return [*tokens, *self._fixed(rest)]

    def _fixed(self, text: str) -> list[int]:
        """Tokens of what does not come from the ticket; the few distinct texts are remembered."""
        if text not in self._tokens:
            if len(self._tokens) > 4096:  # retrieved examples make prompts endless in kind
                self._tokens.clear()
            self._tokens[text] = self.scorer.tokens(text)
        return self._tokens[text]

    def _choice(self, path: Sequence[int], f: Field) -> tuple[Distribution, float]:
        """The field's distribution over its classes given the answer so far, and the mass of the abstention."""
        classes = (*f.classes, ABSTAIN)
        end = self._fixed("\n")
        written = [(*self._fixed(prompt.value(label)), *end) for label in classes]
        masses = [0.0] * len(classes)
        self._walk(list(path), written, range(len(classes)), 0, 1.0, masses)
        kept = masses[:-1]
        total = math.fsum(kept)
        even = 1.0 / len(kept)
        return Distribution(f.classes, tuple(m / total if total > 0.0 else even for m in kept)), masses[-1]

    def _walk(
        self,
        path: list[int],
        written: Sequence[tuple[int, ...]],
        alive: Sequence[int],
        depth: int,
        mass: float,
        masses: list[float],
    ) -> None:
        """Spread `mass` over the labels `alive`, which agree in their first `depth` tokens."""
        while len(alive) > 1:
            branches: dict[int, list[int]] = {}
            for i in alive:
                branches.setdefault(written[i][depth], []).append(i)
            if len(branches) > 1:
                break
            path, depth = [*path, next(iter(branches))], depth + 1
        if len(alive) == 1 or mass < EXPLORED:
            for i in alive:
                masses[i] = mass / len(alive)
            return
        shares = self.scorer.choose(path, list(branches))
        for (token, below), share in zip(branches.items(), shares, strict=True):
            self._walk([*path, token], written, below, depth + 1, mass * share, masses)

    def _summary(self, path: list[int], question: Question, first: bool) -> str:
        f = self.taxonomy.text_field
        if f is None or not question.summary:
            return ""
        told = self.scorer.write([*path, *self._fixed(prompt.cue(f.name, first))], SUMMARY_TOKENS)
        return " ".join(told.split())[: f.max_length]


def _best(f: Field, found: Distribution, settled: Mapping[str, str]) -> str:
    """The most likely class, below the parent's value where that is settled."""
    parent = settled.get(f.parent) if f.parent else None
    allowed = set(f.allowed(parent)) if parent else set(found.labels)
    ranked = found.top(len(found.labels))
    return next((label for label, _ in ranked if label in allowed or label == NONE), ranked[0][0])
