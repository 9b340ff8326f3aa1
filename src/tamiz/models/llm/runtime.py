"""What a runtime must offer. A `Scorer` shows the model's tokens, so that decoding is typed: code writes what is fixed
and the model only chooses. A `Completer` writes JSON under a schema on somebody else's machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tamiz.models.llm.prompt import Message


class Scorer(Protocol):
    """A causal language model by its tokens. Greedy: equal calls give equal answers. It may keep what it has computed of the
    last prompt and begin the next one there."""

    @property
    def name(self) -> str: ...

    def chat(self, messages: Sequence[Message]) -> str:
        """The messages as the model's template writes them, up to where its answer begins."""
        ...

    def tokens(self, text: str, *, special: bool = True) -> list[int]:
        """The tokens of a text, none added; `special` reads control tokens in it, else they are plain letters."""
        ...

    def forget(self, beginning: Sequence[int]) -> None:
        """Keep of the last prompt what these tokens share with it and no more, so that no text makes the next one quicker."""
        ...

    def choose(self, prompt: Sequence[int], options: Sequence[int]) -> list[float]:
        """The probabilities of single tokens as the next one after a prompt, among each other: they sum to 1."""
        ...

    def write(self, prompt: Sequence[int], limit: int) -> str:
        """What the model writes next, to the end of the line, of its answer, or of `limit` tokens."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """A completion and what it cost. `choices` are its tokens as the provider tells them, each with its leading
    alternatives (token text → log-probability); empty where the provider tells none."""

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    choices: tuple[tuple[str, Mapping[str, float]], ...] = ()


class Completer(Protocol):
    """A chat model that answers in JSON under a schema."""

    @property
    def name(self) -> str: ...

    def complete(self, messages: Sequence[Message], schema: Mapping[str, Any], limit: int) -> Reply:
        """One answer of at most `limit` tokens. ProviderError where there is none."""
        ...
