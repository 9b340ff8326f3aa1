"""What triages a tenant's tickets: a model, its policy, and what stands behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

from tamiz.domain.gate import Policy
from tamiz.domain.ports import Model
from tamiz.domain.rules import Rule
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.ticket import CanonicalText, Ticket
from tamiz.domain.triage import Triage
from tamiz.pipeline import triage
from tamiz.pipeline.cascade import Cascade, SummaryMode
from tamiz.pipeline.recall import Forgetful, Recollection
from tamiz.pipeline.triage import Canonicalizer, Stage


@dataclass(frozen=True)
class Judge:
    """Everything that decides, as one value: a ticket never sees half of an old and half of a new one."""

    model: Model
    policy: Policy
    canonicalize: Canonicalizer
    cascade: Cascade = field(default_factory=Cascade)
    rules: tuple[Rule, ...] = ()

    @property
    def taxonomy(self) -> Taxonomy:
        """The taxonomy that every result satisfies."""
        return self.model.taxonomy

    @property
    def fast(self) -> Judge:
        """The same without the language model: nothing that waits for anybody."""
        mode = SummaryMode.EXTRACTIVE if self.cascade.summary is SummaryMode.LLM else self.cascade.summary
        return replace(self, cascade=replace(self.cascade, writer=None, summary=mode))

    @property
    def enriches(self) -> bool:
        """Is there a language model to ask?"""
        return self.cascade.writer is not None

    def view(self, ticket: Ticket) -> CanonicalText:
        """The redacted text of a ticket."""
        return self.canonicalize(ticket.message)

    def triage(
        self,
        tickets: Sequence[Ticket],
        stood: Mapping[str, Mapping[str, str]] | None = None,
        stage: Stage = nullcontext,
        memory: Recollection = Forgetful(),  # noqa: B008 - without state
    ) -> list[Triage]:
        """One triage per ticket, in order; `stood`, `stage` and `memory` as `pipeline.triage` has them."""
        return triage(
            tickets,
            self.model,
            self.policy,
            self.canonicalize,
            self.cascade,
            self.rules,
            stood,
            stage,
            memory,
        )


Judges = Callable[[str], Judge]
"""Tenant → who triages its tickets at this moment."""
