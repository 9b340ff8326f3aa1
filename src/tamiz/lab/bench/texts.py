"""Texts of a given length in tokens."""

from __future__ import annotations

import random
from typing import Any

from tamiz.lab.data.synthetic import synthetic_examples


def texts_of_length(tokenizer: Any, tokens: int, count: int, seed: int) -> list[str]:
    """`count` word sequences from synthetic tickets, each of exactly `tokens` tokens or one fewer."""
    words = [word for example in synthetic_examples(300, seed, "train") for word in example.text.split()]
    rng = random.Random(seed)
    found: list[str] = []
    while len(found) < count:
        text = ""
        while len(tokenizer.encode(longer := f"{text} {rng.choice(words)}".strip()).ids) <= tokens:
            text = longer
        if len(tokenizer.encode(text).ids) >= tokens - 1:
            found.append(text)
    return found
