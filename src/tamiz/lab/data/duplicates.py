"""Duplicates: the same text, nearly the same text, and the same template with other names and numbers.

Near duplicates: Jaccard similarity of character 5-grams, found by MinHash signatures in bands (Broder 1997; locality
sensitive hashing after Indyk and Motwani 1998) and then verified exactly. Numpy alone; 40,000 texts take seconds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SIMILAR = 0.8
SHINGLE = 5
BANDS, ROWS = 20, 4
"""A pair at similarity s becomes a candidate with probability 1 - (1 - s^4)^20: 0.99997 at 0.8, 0.74 at 0.5."""
MAX_CHARS = 3000
CHUNK_CHARS = 2_000_000
MIN_TEMPLATE_WORDS = 4

_WORD = re.compile(r"\w+")
_PLACEHOLDER = re.compile(r"<[A-Z_]{2,20}>|\[[A-Z_]{2,20}\]|\{[\w ]{1,40}\}|%\w{1,20}%")
_TOKEN = re.compile(r"[^\W_]+(?:['’._@/-][^\W_]+){0,30}")
_SENTENCE_END = re.compile(r"[.!?:;\n]\s*$|^\s*$")

Hashes = NDArray[np.uint64]


def normalise(text: str) -> str:
    """Words alone, lower case, without accents: what makes two texts the same to a reader."""
    plain = text if text.isascii() else unicodedata.normalize("NFKD", text)
    plain = "".join(ch for ch in plain if not unicodedata.combining(ch)) if plain is not text else plain
    return " ".join(_WORD.findall(plain.casefold().replace("_", " ")))


def skeleton(text: str) -> str:
    """The template behind a text: numbers, codes, placeholders and names inside sentences become one mark.

    Empty where no template is left: too few words, or more marks than half of the words.
    """
    masked = _PLACEHOLDER.sub(" 0 ", text)
    out: list[str] = []
    for match in _TOKEN.finditer(masked):
        token = match[0]
        inside = not _SENTENCE_END.search(masked[max(0, match.start() - 3) : match.start()])
        variable = any(ch.isdigit() for ch in token) or (inside and token[0].isupper() and token != "I")
        mark = "0" if variable else normalise(token)
        if not (variable and out and out[-1] == "0"):
            out.append(mark)
    marks = out.count("0")
    words = len(out) - marks
    return " ".join(out) if marks and words >= MIN_TEMPLATE_WORDS and marks <= 0.5 * words else ""


def exact_groups(texts: Sequence[str]) -> list[int]:
    """Per text the index of the first text that is the same after `normalise`."""
    first: dict[str, int] = {}
    return [first.setdefault(normalise(text), i) for i, text in enumerate(texts)]


def template_groups(texts: Sequence[str]) -> list[int]:
    """Per text the index of the first text with the same `skeleton`; itself where it has none."""
    first: dict[str, int] = {}
    return [first.setdefault(shape, i) if (shape := skeleton(text)) else i for i, text in enumerate(texts)]


def near_groups(texts: Sequence[str], similar: float = SIMILAR) -> list[int]:
    """Per text the index of the first text that it is tied to by near duplicates (single linkage).

    Two texts are near duplicates when the Jaccard similarity of their character 5-grams, after `normalise`, is at
    least `similar`. Only the first 3,000 characters count.
    """
    return list(_near_groups(tuple(texts), similar))


def near_duplicate_groups(
    texts: Sequence[str], similar: float = SIMILAR, templates: bool = True
) -> list[str]:
    """Per text the name of its group: near duplicates, and texts made from one template, share a name."""
    sets = Sets(len(texts))
    for index, first in enumerate(near_groups(texts, similar)):
        sets.join(index, first)
    if templates:
        for index, first in enumerate(template_groups(texts)):
            sets.join(index, first)
    return [f"g{root}" for root in sets.roots()]


class Sets:
    """Disjoint sets of indices; the smallest index stands for its set."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def root(self, index: int) -> int:
        """The smallest index of the set."""
        parent = self._parent
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def join(self, left: int, right: int) -> None:
        """Make one set of two."""
        a, b = self.root(left), self.root(right)
        self._parent[max(a, b)] = min(a, b)

    def roots(self) -> list[int]:
        """The root of every index."""
        return [self.root(i) for i in range(len(self._parent))]


# Checks of several fields ask about the same texts again and again.
@lru_cache(maxsize=4)
def _near_groups(texts: tuple[str, ...], similar: float) -> tuple[int, ...]:
    sets = Sets(len(texts))
    normal = [normalise(text[: 2 * MAX_CHARS])[:MAX_CHARS] for text in texts]
    first: dict[str, int] = {}
    for index, text in enumerate(normal):
        sets.join(index, first.setdefault(text, index))
    index_of = list(first.values())
    distinct = list(first)
    shingles = [np.empty(0, np.uint64)] * len(distinct)  # filled only for candidates
    for left, right in _candidates(_signatures(distinct), similar):
        a, b = index_of[left], index_of[right]
        if sets.root(a) == sets.root(b):
            continue
        for place in (left, right):
            if not len(shingles[place]):
                shingles[place] = np.unique(_hashes(distinct[place]))
        if _jaccard(shingles[left], shingles[right]) >= similar:
            sets.join(a, b)
    return tuple(sets.roots())


def _jaccard(left: Hashes, right: Hashes) -> float:
    shared = len(np.intersect1d(left, right, assume_unique=True))
    return shared / (len(left) + len(right) - shared)


def _hashes(text: str) -> Hashes:
    """One 64-bit hash per character 5-gram of a text with a space at both ends; shorter texts give one hash."""
    padded = f" {text} ".ljust(SHINGLE, "\0")
    codes = np.frombuffer(padded.encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    return _windows(codes)


def _windows(codes: Hashes) -> Hashes:
    size = len(codes) - SHINGLE + 1
    mixed = np.zeros(size, dtype=np.uint64)
    for offset in range(SHINGLE):
        mixed = (mixed ^ codes[offset : offset + size]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _signatures(texts: Sequence[str]) -> Hashes:
    """MinHash signatures [N, BANDS × ROWS], in chunks so that memory stays bounded."""
    rng = np.random.default_rng(5)
    factors = rng.integers(1, 2**63, BANDS * ROWS, dtype=np.uint64) | np.uint64(1)
    salts = rng.integers(0, 2**63, BANDS * ROWS, dtype=np.uint64)
    out = np.empty((len(texts), BANDS * ROWS), dtype=np.uint64)
    for start, stop in _chunks(texts):
        parts = [_hashes(text) for text in texts[start:stop]]
        starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
        joined = np.concatenate(parts)
        for k in range(BANDS * ROWS):
            hashed = (joined ^ salts[k]) * factors[k]
            hashed ^= hashed >> np.uint64(32)  # the low bits of a product are weak
            out[start:stop, k] = np.minimum.reduceat(hashed * factors[k], starts)
    return out


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    start = size = 0
    for index, text in enumerate(texts):
        size += len(text)
        if size > CHUNK_CHARS:
            yield start, index + 1
            start, size = index + 1, 0
    if start < len(texts):
        yield start, len(texts)


def _candidates(signatures: Hashes, similar: float) -> list[tuple[int, int]]:
    """Pairs that share a band and whose signatures agree nearly as much as `similar` asks.

    In a band each text is compared with the first and with the previous text of its bucket, so large buckets stay
    linear; the other bands find what this misses.
    """
    found: set[tuple[int, int]] = set()
    for band in range(BANDS if len(signatures) else 0):
        part = signatures[:, band * ROWS : (band + 1) * ROWS]
        keys = part[:, 0].copy()
        for column in range(1, ROWS):
            keys = (keys * np.uint64(0x100000001B3)) ^ part[:, column]
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        new = np.r_[True, ordered[1:] != ordered[:-1]]
        heads = order[np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))]
        previous = np.r_[order[:1], order[:-1]]
        for other in (heads, previous):
            pairs = np.stack([other[~new], order[~new]], axis=1)
            agree = np.zeros(len(pairs))
            for at in range(0, len(pairs), 100_000):
                chunk = pairs[at : at + 100_000]
                agree[at : at + 100_000] = (signatures[chunk[:, 0]] == signatures[chunk[:, 1]]).mean(axis=1)
            # Three standard deviations of the estimate below the wanted similarity.
            margin = 3 * np.sqrt(similar * (1 - similar) / (BANDS * ROWS))
            found.update(map(tuple, np.sort(pairs[agree >= similar - margin], axis=1).tolist()))
    return sorted(found)
