"""Language models that answer from a script: a Writer, and a Scorer under the typed decoder."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from tamiz.domain.ports import ModelInfo, Question, Written
from tamiz.domain.taxonomy import Taxonomy


@dataclass
class ScriptedWriter:
    """Writes what `script` says for a question (or raises what it raises); `asked` keeps every question."""

    taxonomy: Taxonomy
    script: Callable[[Question], Written]
    asked: list[Question] = field(default_factory=list)
    told: str = ""

    @property
    def info(self) -> ModelInfo:
        """A made-up identity with the taxonomy's real class hash."""
        return ModelInfo("scripted-writer", "scripted", "0" * 16, self.taxonomy.classes_hash, "scripted")

    def write(self, question: Question) -> Written:
        """The scripted answer."""
        self.asked.append(question)
        return self.script(question)


@dataclass
class RandomScorer:
    """A Scorer whose tokens are characters and whose wishes follow from a seed and the prompt: an adversary that would
    rather write anything but a label. `loud` is how unevenly it spreads its probabilities."""

    seed: int = 0
    loud: float = 8.0
    name: str = "random"
    chosen: int = 0
    forgotten: list[list[int]] = field(default_factory=list)

    def chat(self, messages: Sequence[dict[str, str]]) -> str:
        """Roles and contents, line by line."""
        return "".join(f"<{message['role']}>{message['content']}\n" for message in messages) + "<assistant>"

    def tokens(self, text: str, *, special: bool = True) -> list[int]:
        """One token per character."""
        return [ord(character) for character in text]

    def forget(self, beginning: Sequence[int]) -> None:
        """It keeps nothing; what it was asked to keep at most is noted."""
        self.forgotten.append(list(beginning))

    def choose(self, prompt: Sequence[int], options: Sequence[int]) -> list[float]:
        """Random shares; now and then everything on one option, or nothing but rounding errors on the others."""
        self.chosen += 1
        rng = self._rng(prompt)
        masses = [rng.random() ** self.loud if rng.random() > 0.1 else 0.0 for _ in options]
        total = sum(masses)
        return [mass / total for mass in masses] if total > 0.0 else [1.0 / len(options)] * len(options)

    def write(self, prompt: Sequence[int], limit: int) -> str:
        """Random characters, quotes, braces and line breaks among them, up to the limit."""
        rng = self._rng(prompt)
        return "".join(rng.choice('ab"{}\n:,\\\x00é😀 ') for _ in range(limit))

    def _rng(self, prompt: Sequence[int]) -> Random:
        tail = ",".join(map(str, prompt[-24:]))
        return Random(zlib.crc32(f"{self.seed}|{len(prompt)}|{tail}".encode()))
