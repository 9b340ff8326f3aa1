"""One at a time for equal work: who asks for what is being worked out already waits for that and gets the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Any

from tamiz.domain.errors import BadPredictionError
from tamiz.domain.gate import Policy
from tamiz.domain.ports import Model, ModelInfo, Question, Written
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Prediction
from tamiz.domain.wrapped import WrappedWriter


class Flights:
    """What is being worked out at this moment, by key. Thread-safe. Nothing is kept once it is done, so that no time taken
    tells what somebody else asked; keys begin with the tenant."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: dict[Hashable, Future[Any]] = {}

    def many(self, keys: Sequence[Hashable], work: Callable[[list[int]], Sequence[Any]]) -> list[Any]:
        """An answer per key. `work` gets the places of the keys that nobody works on, and raises for all of them. Whoever
        waits for work that fails does it himself."""
        with self._lock:
            own: dict[Hashable, int] = {}
            for place, key in enumerate(keys):
                if key not in self._now:
                    own[key] = place
                    self._now[key] = Future()
            flights = [self._now[key] for key in keys]
        self._fly(own, work)
        return [self._awaited(keys[place], place, flight, work) for place, flight in enumerate(flights)]

    def _awaited(
        self, key: Hashable, place: int, flight: Future[Any], work: Callable[[list[int]], Sequence[Any]]
    ) -> Any:
        try:
            return flight.result()
        except CancelledError:
            return self.one(key, lambda: work([place])[0])

    def one(self, key: Hashable, work: Callable[[], Any]) -> Any:
        """The answer for one key."""
        return self.many([key], lambda places: [work()])[0]

    def _fly(self, own: dict[Hashable, int], work: Callable[[list[int]], Sequence[Any]]) -> None:
        if not own:
            return
        found: Sequence[Any] = ()
        try:
            found = work(list(own.values()))
        finally:
            landed = self._landed(own)
            for flight in landed[len(found) :]:
                flight.cancel()
        for flight, answer in zip(landed, found, strict=True):
            flight.set_result(answer)

    def _landed(self, own: dict[Hashable, int]) -> list[Future[Any]]:
        with self._lock:
            return [self._now.pop(key) for key in own]


@dataclass(frozen=True)
class SharedModel:
    """The Model port: texts that a tenant asks for at the same time are predicted once."""

    model: Model
    tenant: str
    flights: Flights

    @property
    def info(self) -> ModelInfo:
        """The model's own."""
        return self.model.info

    @property
    def taxonomy(self) -> Taxonomy:
        """The model's own."""
        return self.model.taxonomy

    @property
    def policy(self) -> Policy:
        """The model's own."""
        return self.model.policy

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text, in order."""
        keys = [(self.tenant, self.info.content_hash, text) for text in texts]
        return self.flights.many(keys, lambda places: self._each([texts[i] for i in places]))

    def _each(self, texts: Sequence[str]) -> list[Prediction]:
        found = self.model.predict(texts)
        if len(found) != len(texts):
            raise BadPredictionError(
                name=self.info.name, mistake=f"{len(found)} answers to {len(texts)} texts"
            )
        return found


@dataclass(frozen=True)
class SharedWriter(WrappedWriter):
    """The Writer port: a question that was answered in this batch, or is being answered, is not asked again."""

    tenant: str
    flights: Flights
    answered: dict[Hashable, Written] = field(default_factory=dict)

    def write(self, question: Question) -> Written:
        """The answer to one question. ProviderError."""
        known = tuple(sorted(question.known.items()))
        shown = tuple((each.id, *sorted(each.labels.items())) for each in question.examples)
        key = (question.text, question.language, question.fields, known, question.summary, shown)
        if key not in self.answered:
            whole = (self.tenant, self.info.content_hash, *key)
            self.answered[key] = self.flights.one(whole, lambda: self.writer.write(question))
        return self.answered[key]
