"""What people's corrections of near tickets say of one field, and how it is merged with the model's own word."""

from __future__ import annotations

from dataclasses import dataclass

from tamiz.domain.triage import Distribution


@dataclass(frozen=True, slots=True)
class Vote:
    """Values told near a text, as a distribution over the field's classes (`none` among them), and how much it counts
    against the model's own distribution: `weight` in [0, 1]."""

    weight: float
    distribution: Distribution


def merged(own: Distribution, vote: Vote) -> Distribution:
    """The mixture (1 - weight) · own + weight · vote, over the labels of both.

    A linear pool, unlike `Pool`: a label of which the model knows nothing can win, which no product of probabilities
    allows.
    """
    said = vote.distribution
    labels = (*own.labels, *(label for label in said.labels if label not in own.labels))
    mixed = tuple((1.0 - vote.weight) * own.of(label) + vote.weight * said.of(label) for label in labels)
    return Distribution(labels, mixed)
