"""A language model with a stopwatch: the Writer port around another Writer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tamiz.domain.errors import ProviderError
from tamiz.domain.ports import Clock, Question, Written
from tamiz.domain.wrapped import WrappedWriter

Heard = Callable[[str, float, str], None]
"""Hears the provider's name, the seconds of one question, and the type of the error (empty for none)."""


@dataclass(frozen=True)
class WatchedWriter(WrappedWriter):
    """Answers as `writer` does, and tells how long it took and how it failed."""

    clock: Clock
    heard: Heard

    def write(self, question: Question) -> Written:
        """The writer's answer. ProviderError as it raises it."""
        started, failure = self.clock.monotonic(), ""
        try:
            return self.writer.write(question)
        except ProviderError as error:
            failure = type(error).__name__
            raise
        finally:
            self.heard(self.writer.info.name, self.clock.monotonic() - started, failure)
