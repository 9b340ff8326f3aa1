"""Why a label: the words whose absence takes most of its probability away (occlusion), for any model."""

from __future__ import annotations

import re

from tamiz.domain.ports import Model
from tamiz.domain.ticket import RawMessage
from tamiz.pipeline.answers import answers
from tamiz.pipeline.triage import Canonicalizer

_WORD = re.compile(r"<[A-Z_]{2,20}>|\w[\w'’.-]{0,40}")
MAX_WORDS = 80


def evidence_words(
    model: Model, message: RawMessage, canonicalize: Canonicalizer, field: str, k: int = 5
) -> list[tuple[str, float]]:
    """Up to k words of the first 80 and the probability that the field's best label loses without each, largest
    first; only words that count (> 0.005). BadPredictionError."""
    text = canonicalize(message).text
    spans = [match.span() for match in _WORD.finditer(text)][:MAX_WORDS]
    variants = [f"{text[:start]} {text[end:]}" for start, end in spans]
    whole, *without = answers(model, [text, *variants])
    label, sure = whole.distributions[field].best
    losses: dict[str, float] = {}
    for (start, end), prediction in zip(spans, without, strict=True):
        word = text[start:end]
        losses[word] = max(losses.get(word, 0.0), sure - prediction.distributions[field].of(label))
    ranked = sorted(losses.items(), key=lambda pair: -pair[1])
    return [(word, round(loss, 4)) for word, loss in ranked[:k] if loss > 0.005]
