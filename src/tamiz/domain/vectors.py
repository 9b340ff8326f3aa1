"""Embeddings as bytes: half-precision numbers, two bytes each, little-endian. Half precision moves the cosine of two unit
vectors by less than 0.001 and takes half the room of single precision."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

KEEP_TOLD = 100_000
"""Tickets of which a person said a word that are remembered of a tenant and model, the newest."""
_TOLD = "told "


def packed(embedding: Sequence[float]) -> bytes:
    """The bytes of a unit vector; none for the empty one. OverflowError for numbers above 65,504."""
    return struct.pack(f"<{len(embedding)}e", *embedding)


def digest(text: str) -> str:
    """32 hexadecimal digits for a canonical text, the same for texts that differ in white space alone: no model tells them
    apart."""
    return hashlib.sha256(" ".join(text.split()).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def open_digest(text: str) -> str:
    """The digest of a text whose answer still waits for a language model: nobody is served it."""
    return f"~{digest(text)}"


def told_space(model_hash: str) -> str:
    """The space of those tickets, among the ones that a model embedded, of which a person said a word."""
    return f"{_TOLD}{model_hash}"


def kept(space: str, keep: int) -> int:
    """How many vectors a space keeps where those of all tickets keep so many."""
    return KEEP_TOLD if space.startswith(_TOLD) else keep


def unpacked(data: bytes) -> tuple[float, ...]:
    """The numbers that `packed` was given, as half precision keeps them."""
    return struct.unpack(f"<{len(data) // 2}e", data)
