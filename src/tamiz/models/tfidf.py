"""TF-IDF of words (1-2 grams) and of characters within words, written once for training and for serving.

A text becomes sparse features: sublinear term frequency × smoothed inverse document frequency, each block (words,
characters) scaled to unit length. Cost is bounded: only the first MAX_WORDS words and MAX_CHARACTERS count.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

MAX_WORDS = 1_000
MAX_CHARACTERS = 3_000
REMEMBERED = 10_000
"""Words whose parts are remembered."""

_TOKEN = re.compile(r"<[A-Z_]{2,20}>|\w{1,64}")

_SUBLINEAR = np.array([1 + math.log(count) for count in range(1, 2 * MAX_CHARACTERS)], np.float32)
"""What a term counts that occurs once, twice, … in a text, which holds fewer of any."""

Ints = NDArray[np.int64]
Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TfidfOptions:
    """Which n-grams count (0 as the upper bound switches a block off), and how large the vocabulary may get."""

    words: tuple[int, int] = (1, 2)
    characters: tuple[int, int] = (2, 5)
    min_df: int = 2
    max_features: int = 200_000


class Tfidf:
    """A fitted vectoriser. `vocabulary` lists the word features, then the character features; `idf` goes with it."""

    def __init__(
        self, options: TfidfOptions, vocabulary: Sequence[str], word_features: int, idf: Values
    ) -> None:
        self.options = options
        self.vocabulary = tuple(vocabulary)
        self.word_features = word_features
        self.idf = idf
        self._words = {term: i for i, term in enumerate(self.vocabulary[:word_features])}
        self._characters = {term: i + word_features for i, term in enumerate(self.vocabulary[word_features:])}
        # Words of tickets come again and again; looking up their parts is most of the work.
        self._within = lru_cache(maxsize=REMEMBERED)(self._parts)

    @classmethod
    def fit(cls, texts: Iterable[str], options: TfidfOptions) -> Tfidf:
        """Count document frequencies and keep the most frequent terms of each block from `min_df` documents on."""
        words: Counter[str] = Counter()
        characters: Counter[str] = Counter()
        documents = 0
        for text in texts:
            documents += 1
            tokens = _tokens(text)
            words.update(set(_word_terms(tokens, options.words)))
            characters.update(set(_character_terms(tokens, options.characters)))
        kept_words = _kept(words, options)
        kept_characters = _kept(characters, options)
        frequency = [words[term] for term in kept_words] + [characters[term] for term in kept_characters]
        idf = np.log((1 + documents) / (1 + np.asarray(frequency, dtype=np.float64))) + 1
        return cls(options, kept_words + kept_characters, len(kept_words), idf.astype(np.float32))

    def transform(self, text: str) -> tuple[Ints, Values]:
        """The features of one text: ascending indices and their values; both empty for a text without known terms."""
        tokens = _tokens(text)
        terms = _word_terms(tokens, self.options.words)
        words = _weights([i for term in terms if (i := self._words.get(term)) is not None], self.idf)
        characters = _weights([i for token in tokens for i in self._within(token)], self.idf)
        return np.concatenate([words[0], characters[0]]), np.concatenate([words[1], characters[1]])

    def _parts(self, token: str) -> tuple[int, ...]:
        """The features of the characters within a word."""
        terms = _character_terms([token], self.options.characters)
        return tuple(i for term in terms if (i := self._characters.get(term)) is not None)

    def known_share(self, text: str) -> float:
        """The share of a text's words that the vocabulary knows; 0 for a text without words."""
        tokens = _tokens(text)
        return sum(token in self._words for token in tokens) / len(tokens) if tokens else 0.0


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    room = MAX_CHARACTERS
    for match in _TOKEN.finditer(text):
        token = match[0].lower()
        room -= len(token)
        if len(found) >= MAX_WORDS or room < 0:
            break
        found.append(token)
    return found


def _word_terms(tokens: Sequence[str], span: tuple[int, int]) -> Iterator[str]:
    low, high = span
    for n in range(low, high + 1):
        if n == 1:
            yield from tokens
        else:
            yield from (" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def _character_terms(tokens: Sequence[str], span: tuple[int, int]) -> Iterator[str]:
    low, high = span
    if high == 0:
        return
    for token in tokens:
        padded = f" {token} "
        for n in range(low, high + 1):
            if len(padded) < n:
                break
            yield from (padded[i : i + n] for i in range(len(padded) - n + 1))


def _kept(counts: Counter[str], options: TfidfOptions) -> list[str]:
    frequent = [(term, count) for term, count in counts.items() if count >= options.min_df]
    frequent.sort(key=lambda pair: (-pair[1], pair[0]))
    return sorted(term for term, _ in frequent[: options.max_features])


def _weights(found: Sequence[int], idf: Values) -> tuple[Ints, Values]:
    places, counts = np.unique(np.array(found, np.int64), return_counts=True)
    values = _SUBLINEAR[counts - 1] * idf[places]
    norm = float(np.linalg.norm(values))
    return places, values / np.float32(norm) if norm else values
