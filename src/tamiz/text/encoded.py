"""Blocks that no person reads (base64, hexadecimal dumps, certificates) out of the way of the text around them."""

from __future__ import annotations

import re

ENCODED_BLOCK = "encoded_block"
ENCODED = "<ENCODED>"
MIN_LINE = 48
MIN_TOKEN = 400

_LINE = re.compile(r"[A-Za-z0-9+/=_-]{48,2000}")
_TOKEN = re.compile(r"[A-Za-z0-9+/=_-]{400,}")


def drop_encoded(text: str) -> tuple[str, tuple[str, ...]]:
    """Put `<ENCODED>` for runs of at least two encoded lines and for tokens of at least 400 characters."""
    if max(map(len, text.split("\n"))) < MIN_LINE:
        return text, ()
    kept: list[str] = []
    run: list[str] = []
    for line in text.split("\n"):
        if _is_encoded(line.strip()):
            run.append(line)
        else:
            kept += [*_collapsed(run), line]
            run = []
    plain = _TOKEN.sub(ENCODED, "\n".join([*kept, *_collapsed(run)]))
    return plain, (ENCODED_BLOCK,) if plain != text else ()


def _collapsed(run: list[str]) -> list[str]:
    return [ENCODED] if len(run) > 1 else run


def _is_encoded(line: str) -> bool:
    return bool(
        len(line) >= MIN_LINE and _LINE.fullmatch(line) and sum(map(str.isalnum, line)) > len(line) // 2
    )
