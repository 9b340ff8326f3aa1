"""Does a text speak of a person? For erasure, so all that can be read is looked through, and nothing is left out by rank.

An address counts wherever it stands whole, also percent-encoded; a name in its order or with the last name first; both
however they are accented, capitalised, spaced or hidden behind invisible characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from html import unescape
from urllib.parse import unquote

from tamiz.domain.errors import ConfigError
from tamiz.domain.ticket import RawMessage
from tamiz.text.fold import fold, safe
from tamiz.text.html import visible_text
from tamiz.text.mime import MailTexts, looks_like_mime, mail_texts

FEWEST_LETTERS = 3
"""A shorter name or id would be found in tickets of other people."""

_BETWEEN = r"[\s,._-]{1,3}"


@dataclass(frozen=True)
class Person:
    """Who is looked for: an address or a requester's id, and names. ConfigError for what is too short to mean anybody."""

    address: str = ""
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for each in (*self.names, *([self.address] if self.address or not self.names else [])):
            if sum(map(str.isalnum, each)) < FEWEST_LETTERS:
                raise ConfigError(key="person", mistake=f"'{each}' is too short to mean one person")

    def asks(self, requester: str) -> bool:
        """Is this the requester of a ticket, written as an address or as `Name <address>`?"""
        return bool(self.address) and self._address.search(flat(requester)) is not None

    def in_any(self, texts: Iterable[str]) -> bool:
        """Does one of the texts name the address or a name?"""
        return any(pattern.search(plain) for plain in map(flat, texts) for pattern in self._patterns)

    @cached_property
    def _address(self) -> re.Pattern[str]:
        return re.compile(rf"(?<![\w.+-]){re.escape(flat(self.address))}(?![\w-]|\.\w|@)")

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], ...]:
        return (*((self._address,) if self.address else ()), *map(_name, self.names))


@dataclass(frozen=True, slots=True)
class Readable:
    """All texts of a message but its requester, and whether parts of it could not be read (attachments that are no text, a mail nested
    too deep)."""

    texts: tuple[str, ...]
    complete: bool


def readable(message: RawMessage) -> Readable:
    """A message as it came, and what is behind its encodings: headers, parts and attachments of a mail, HTML."""
    mail = MailTexts()
    if message.media_type.startswith("message/") or looks_like_mime(message.body):
        mail = mail_texts(safe(message.body))
    plain = (message.subject, message.body, *mail.texts)
    marked = (visible_text(safe(text))[0] for text in (message.body, *mail.texts) if "<" in text)
    return Readable((*plain, *marked), mail.complete)


def flat(text: str) -> str:
    """Small letters without accents, invisible characters, entities and percent-encoding."""
    text = unescape(text) if "&" in text else text
    text = unquote(text) if "%" in text else text
    plain = fold(safe(text))[0].casefold()
    if plain.isascii():
        return plain
    parts = unicodedata.normalize("NFKD", plain)
    return "".join(character for character in parts if not unicodedata.combining(character))


def _name(name: str) -> re.Pattern[str]:
    words = [re.escape(word) for word in re.split(r"[\s,]+", flat(name).strip()) if word]
    orders = {_BETWEEN.join(words), _BETWEEN.join([words[-1], *words[:-1]])}
    return re.compile(rf"(?<!\w)(?:{'|'.join(sorted(orders))})(?!\w)")
