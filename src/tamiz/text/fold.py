"""Unicode made plain for the model's view: what cannot be seen goes, what looks the same becomes the same."""

from __future__ import annotations

import re
import unicodedata

from tamiz.text.lookalikes import fold_lookalikes

HIDDEN_CHARACTERS = "hidden_characters"
LOOKALIKE_LETTERS = "lookalike_letters"

_SURROGATE = re.compile("[\ud800-\udfff]")
_INVISIBLE_SET = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufdd0-\ufdef\ufffe\uffff"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_INVISIBLE = re.compile(f"[{_INVISIBLE_SET}]+")
_SMUGGLED = re.compile(
    "(?<=[^\\W\\d_])[\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]+(?=[^\\W\\d_])"
    "|[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e0fff]"
)
_COMBINING = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
_BEYOND_LATIN = re.compile("[^\x00-\u02ff\u2010-\u2027\u20ac]")
_ANSI_ESCAPE = re.compile("\x1b\\[[0-9;?]{0,30}[A-Za-z]")
_NEWLINE = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_PLAINER = str.maketrans(
    {
        "º": "°",  # NFKC would turn "nº" into "no"
        "´": "'",  # NFKC would turn it into a space and a combining mark
        **dict.fromkeys("‘’‚‛ʼ′", "'"),
        **dict.fromkeys("“”„‟«»″", '"'),
        **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
    }
)
MAX_MARKS = 4
"""Combining marks kept after one letter before normalisation, whose cost grows with the square of a run."""


def safe(text: str) -> str:
    """Join surrogate pairs and replace lone surrogates by U+FFFD, so that the text can be encoded."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def fold(text: str) -> tuple[str, tuple[str, ...]]:
    """The plain form of a text without lone surrogates, and the flags for tricks found in it.

    NFKC; invisible characters (zero-width, bidi controls, tags, variation selectors), terminal escapes, control
    characters and stacked marks removed; quotation marks, dashes and line ends made plain; look-alike letters
    turned Latin where they pose as Latin.
    """
    flags: list[str] = []
    if not text.isascii():
        if _SMUGGLED.search(text):
            flags.append(HIDDEN_CHARACTERS)
        text = _compose(text)
        plain = fold_lookalikes(text)
        if plain != text:
            flags.append(LOOKALIKE_LETTERS)
        text = plain
    text = _NEWLINE.sub("\n", _ANSI_ESCAPE.sub("", text))
    return _CONTROL.sub("", text), tuple(flags)


def _compose(text: str) -> str:
    text = _NEWLINE.sub("\n", text).translate(_PLAINER)
    if _BEYOND_LATIN.search(text):
        text = _limit_marks(_INVISIBLE.sub("", text))
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    if _BEYOND_LATIN.search(text):
        text = _COMBINING.sub("", _INVISIBLE.sub("", text))
        text = unicodedata.normalize("NFKC", text).translate(_PLAINER)
    return text


def _limit_marks(text: str) -> str:
    kept: list[str] = []
    run = 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)
