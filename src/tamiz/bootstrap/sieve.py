"""The public Python surface: `tamiz.load("starter").triage("…")`."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import overload

from tamiz.bootstrap.settings import Settings, load_settings
from tamiz.bootstrap.wiring import canonicalizer, find_model, zero_shot
from tamiz.bootstrap.writers import find_cascade
from tamiz.domain.errors import TaxonomyMismatchError
from tamiz.domain.gate import Policy
from tamiz.domain.ports import Exemplars, Model, Neighbour
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.ticket import CanonicalText, RawMessage, Source, Ticket, uuid7
from tamiz.domain.triage import Triage
from tamiz.pipeline import triage
from tamiz.pipeline.cascade import Cascade

BATCH = 64

Message = str | RawMessage


@dataclass(frozen=True)
class Sieve:
    """A model ready to triage. Thread-safe: it holds no state that a ticket changes."""

    model: Model
    policy: Policy
    cascade: Cascade = field(default_factory=Cascade)
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    random_bits: Callable[[int], int] = field(default=random.SystemRandom().getrandbits)

    @property
    def taxonomy(self) -> Taxonomy:
        """The taxonomy that every result satisfies."""
        return self.model.taxonomy

    @overload
    def triage(self, messages: Message) -> Triage: ...
    @overload
    def triage(self, messages: Sequence[RawMessage] | list[str]) -> list[Triage]: ...
    def triage(self, messages: Message | Sequence[Message]) -> Triage | list[Triage]:
        """Triage one message (text or RawMessage) or a sequence of them; never raises on any text."""
        if isinstance(messages, str | RawMessage):
            return next(self.stream([messages]))
        return list(self.stream(messages))

    def stream(self, messages: Iterable[Message], source: Source | None = None) -> Iterator[Triage]:
        """Triages in order, a batch at a time, so that a large file needs little memory."""
        waiting = iter(messages)
        while batch := list(islice(waiting, BATCH)):
            tickets = [self._ticket(message, source) for message in batch]
            yield from triage(tickets, self.model, self.policy, canonicalizer, self.cascade)

    def canonicalize(self, message: RawMessage) -> CanonicalText:
        """The redacted view of a message that the model reads."""
        return canonicalizer(message)

    def nearest(self, message: RawMessage, k: int) -> list[Neighbour]:
        """The k training tickets most similar to a message; empty for models that remember none."""
        if not isinstance(self.model, Exemplars):
            return []
        return self.model.nearest(self.canonicalize(message).text, k)

    def _ticket(self, message: Message, source: Source | None) -> Ticket:
        moment = self.now()
        raw = RawMessage("", message) if isinstance(message, str) else message
        return Ticket(uuid7(moment, self.random_bits(74)), raw, moment, source=source or Source())


def load(model: str | Path = "", settings: Settings | None = None, taxonomy: Taxonomy | None = None) -> Sieve:
    """Open a model by name (`starter`, or one from `tamiz models list`) or by folder.

    Without a name the active model is used: `TAMIZ_MODEL`, `tamiz.toml`, the last activated one, else `starter`.
    With a `taxonomy` whose classes that model does not know, labels are compared by their descriptions instead, and
    nothing is ever applied. Raises ModelNotFoundError, BrokenArtifactError, TaxonomyMismatchError or ConfigError.

    >>> import tamiz
    >>> ticket = tamiz.load("starter").triage("The VPN drops every ten minutes since this morning")
    >>> ticket.fields["category"].top[0][0]
    'Network'
    """
    settings = settings or load_settings(os.environ, Path.cwd())
    opened = find_model(str(model), settings)
    if taxonomy is not None and opened.taxonomy.classes_hash != taxonomy.classes_hash:
        if model:
            raise TaxonomyMismatchError(
                path=model, taxonomy=taxonomy.name, mistake="fields, labels or relations differ"
            )
        opened = zero_shot(taxonomy)
    return Sieve(opened, opened.policy.with_modes(settings.policy), find_cascade(settings, opened))
