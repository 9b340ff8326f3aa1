"""How an attack hides: rewritings of its text, each a function of the text, a random source and neutral sentences."""

from __future__ import annotations

import base64
import codecs
from collections.abc import Callable, Mapping, Sequence
from random import Random
from urllib.parse import quote

Disguise = Callable[[str, Random, Sequence[str]], str]

TIMES = 12
STUFFING = 40
FLOOD = 24
"""Copies of a command, of a label, and neutral sentences on each side of a drowned command."""

_LOOKALIKES = str.maketrans("aceopxyiABCEHKMOPTX", "асеорхуіАВСЕНКМОРТХ")
_LEET = str.maketrans("aeiostAEIOST", "431057431057")
_LETTERS = str.maketrans({"a": "🅰", "b": "🅱", "o": "🅾", "p": "🅿", "x": "❌", "i": "ℹ"})


def _encoded(text: str, rng: Random, _neutral: Sequence[str]) -> str:
    data = text.encode()
    ways: tuple[Callable[[], str], ...] = (
        lambda: base64.b64encode(data).decode(),
        lambda: codecs.encode(text, "rot13"),
        data.hex,
        lambda: quote(text, safe=""),
    )
    return rng.choice(ways)()


def _bidi(text: str, _rng: Random, _neutral: Sequence[str]) -> str:
    return f"\u202e{text[::-1]}\u202c"


def _flooded(text: str, rng: Random, neutral: Sequence[str]) -> str:
    drawn = [rng.choice(neutral) for _ in range(2 * FLOOD)]
    return " ".join([*drawn[:FLOOD], text, *drawn[FLOOD:]])


DISGUISES: Mapping[str, Disguise] = {
    "": lambda text, rng, neutral: text,
    "encoded": _encoded,
    "homoglyphs": lambda text, rng, neutral: text.translate(_LOOKALIKES),
    "zero_width": lambda text, rng, neutral: "\u200b".join(text),
    "bidi": _bidi,
    "comment": lambda text, rng, neutral: f"<!-- {text} -->",
    "white": lambda text, rng, neutral: f'<span style="color:#ffffff;font-size:1px">{text}</span>',
    "repeated": lambda text, rng, neutral: " ".join([text] * TIMES),
    "stuffed": lambda text, rng, neutral: " ".join([text] * STUFFING),
    "emoji": lambda text, rng, neutral: text.translate(_LETTERS),
    "leet": lambda text, rng, neutral: text.translate(_LEET),
    "flooded": _flooded,
}
"""Name → disguise; the empty name changes nothing."""
