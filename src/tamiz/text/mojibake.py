"""Text that was decoded with the wrong charset, repaired line by line (ftfy)."""

from __future__ import annotations

import re

MOJIBAKE_REPAIRED = "mojibake_repaired"

_SUSPECT = re.compile("[ÂÃÄÅÐÑØÙâãäåæçèéïðĂăÎÏŃГРСвгр][^\x00-\x7f]|\u00c3[ ]")
"""A lead byte of UTF-8 read as Latin-1, Windows-125x or Mac, before another non-ASCII character."""


def repair(text: str) -> tuple[str, tuple[str, ...]]:
    """The text with its mis-decoded lines repaired, and a flag if any was; sound lines are never touched."""
    if text.isascii() or not _SUSPECT.search(text):
        return text, ()
    from ftfy import fix_encoding

    lines = [fix_encoding(line) if _SUSPECT.search(line) else line for line in text.split("\n")]
    repaired = "\n".join(lines)
    return repaired, (MOJIBAKE_REPAIRED,) if repaired != text else ()
