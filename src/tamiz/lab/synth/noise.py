"""What hands and habits do to a text: typos, short forms, missing accents, loanwords, an agent's third person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from random import Random

_ROWS = ("qwertyuiop", "asdfghjklñ", "zxcvbnm")
_WORD = re.compile(r"\w+")
_ACCENTS = str.maketrans("áéíóúüÁÉÍÓÚÜ", "aeiouuAEIOUU", "¿¡")
_ENYE = str.maketrans("ñÑ", "nN")


def _neighbours() -> dict[str, str]:
    near: dict[str, str] = {}
    for y, row in enumerate(_ROWS):
        for x, key in enumerate(row):
            around = [(y, x - 1), (y, x + 1), (y - 1, x), (y - 1, x + 1), (y + 1, x - 1), (y + 1, x)]
            near[key] = "".join(
                _ROWS[j][i] for j, i in around if 0 <= j < len(_ROWS) and 0 <= i < len(_ROWS[j])
            )
    return near


NEIGHBOURS: Mapping[str, str] = _neighbours()
"""Key → the keys around it on a Spanish QWERTY keyboard."""


def typos(rng: Random, text: str, rate: float) -> str:
    """Mistype about `rate` of the letters: a neighbouring key, two letters swapped, one left out or doubled."""
    expected = len(text) * rate
    count = int(expected) + (rng.random() < expected % 1)
    if not count:
        return text
    letters = list(text)
    for _ in range(count):
        i = rng.randrange(len(letters))
        key = letters[i]
        near = NEIGHBOURS.get(key.lower())
        if near is None:
            continue
        kind = rng.random()
        if kind < 0.45:
            letters[i] = rng.choice(near)
        elif kind < 0.65 and i + 1 < len(letters) and letters[i + 1].isalpha():
            letters[i], letters[i + 1] = letters[i + 1], key
        elif kind < 0.85:
            letters[i] = ""
        else:
            letters[i] = key * 2
    return "".join(letters)


def without_accents(text: str, keep_enye: bool = True) -> str:
    """Spanish as typed in haste: no accents, no opening marks; ñ stays unless told otherwise."""
    plain = text.translate(_ACCENTS)
    return plain if keep_enye else plain.translate(_ENYE)


def swap_words(rng: Random, text: str, table: Mapping[str, str], share: float) -> str:
    """Replace each word found in `table` with probability `share`; a capital first letter stays a capital."""

    def swap(match: re.Match[str]) -> str:
        word = match[0]
        other = table.get(word.lower())
        if other is None or rng.random() >= share:
            return word
        return other[:1].upper() + other[1:] if word[:1].isupper() else other

    return _WORD.sub(swap, text)


def third_person(rng: Random, text: str, language: str, table: Mapping[str, str]) -> str:
    """The text as an agent notes it down for a caller: first-person forms of `table` become he or she."""
    subject, possessive, oblique = rng.choice(_PRONOUNS[language])

    def swap(match: re.Match[str]) -> str:
        word = match[0]
        other = table[word.lower()].replace("*s", possessive).replace("*m", oblique).replace("*", subject)
        starts = match.start() == 0 or text[: match.start()].rstrip().endswith((".", "!", "?", "\n"))
        return other[:1].upper() + other[1:] if starts and word[:1].isupper() else other

    return _pattern(tuple(table)).sub(swap, text)


_PRONOUNS = {
    "en": (("he", "his", "him"), ("she", "her", "her"), ("the user", "the user's", "the user")),
    "es": (("él", "su", "él"), ("ella", "su", "ella")),
}


@lru_cache(maxsize=8)
def _pattern(keys: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(keys, key=len, reverse=True)
    return re.compile(r"\b(?:" + "|".join(map(re.escape, longest_first)) + r")\b", re.IGNORECASE)
