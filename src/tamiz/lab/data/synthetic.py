"""Synthetic tickets as labelled examples."""

from __future__ import annotations

from tamiz.domain.taxonomy import NONE
from tamiz.domain.ticket import RawMessage
from tamiz.lab.data.example import Example
from tamiz.lab.synth import Split, SynthTicket, generate
from tamiz.text import canonicalize


def synthetic_examples(count: int, seed: int, split: Split) -> list[Example]:
    """`count` distinct tickets of one split; scenarios and severity phrases of different splits never meet."""
    return [example_of(ticket) for ticket in generate(count, seed, split=split)]


def example_of(ticket: SynthTicket) -> Example:
    """A synthetic ticket as training sees it; a field that does not apply is labelled `none`."""
    canonical = canonicalize(RawMessage(ticket.subject, ticket.body))
    labels = {} if ticket.abstain else {name: value or NONE for name, value in ticket.labels.items()}
    return Example(
        id=ticket.id,
        text=canonical.text,
        labels=labels,
        abstain=ticket.abstain,
        group=ticket.scenario,
        language=ticket.language,
    )
