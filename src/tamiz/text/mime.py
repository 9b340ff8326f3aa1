"""A whole mail (message/rfc822) to its subject and readable text. Attachments are named, never opened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.message import Message

from tamiz.text.fold import safe
from tamiz.text.html import visible_text

ATTACHMENTS = "attachments"
MAIL_TOO_DEEP = "mail_too_deep"
MAX_PARTS = 100
MAX_DEPTH = 10
MAX_WORK = 2_500_000
"""Lines times containers that are parsed; the parser holds every line against every open container."""
STUB_LENGTH = 60
"""A plain alternative shorter than this beside a longer HTML one only says that the mail is in HTML."""

_FIRST_HEADER = re.compile(r"(?:From |[A-Za-z][A-Za-z0-9-]{1,40}:[ \t])")
_MIME_HEADER = re.compile(r"^(?:MIME-Version|Content-Type):[ \t]", re.IGNORECASE | re.MULTILINE)

_CONTAINER = re.compile(r"multipart/|message/", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mail:
    """What a mail says: decoded subject, text (quoted history included), names of attachments, flags."""

    subject: str
    text: str
    attachments: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


def looks_like_mime(text: str) -> bool:
    """Whether a body that came as plain text is a whole mail with its headers."""
    return bool(_FIRST_HEADER.match(text) and _MIME_HEADER.search(text, 0, 8000))


def read_mime(source: str) -> Mail:
    """Read a mail given as text without lone surrogates. Never raises: what cannot be decoded is replaced.

    Of a mail nested too deep to be parsed in time nothing is read, and it is flagged.
    """
    # The lenient policy (compat32): the default one parses address headers and fails on malformed ones.
    if len(_CONTAINER.findall(source)) * source.count("\n") > MAX_WORK:
        return Mail("", "", flags=(MAIL_TOO_DEEP,))
    try:
        message = message_from_bytes(source.encode("utf-8", "replace"))
    except RecursionError:
        return Mail("", "", flags=(MAIL_TOO_DEEP,))
    reader = _Reader()
    text = "\n".join(filter(None, reader.texts(message, 0)))
    flags = [*reader.flags, *([ATTACHMENTS] if reader.attachments else [])]
    return Mail(_header(message, "Subject"), text, tuple(reader.attachments), tuple(dict.fromkeys(flags)))


@dataclass(frozen=True, slots=True)
class MailTexts:
    """Every header and every text of a mail, and whether that was all of it: False where an attachment is no text or the
    mail is nested too deep."""

    texts: tuple[str, ...] = ()
    complete: bool = True


def mail_texts(source: str) -> MailTexts:
    """All that can be read of a mail given as text without lone surrogates, attachments that are texts included."""
    if len(_CONTAINER.findall(source)) * source.count("\n") > MAX_WORK:
        return MailTexts(complete=False)
    try:
        parts = list(message_from_bytes(source.encode("utf-8", "replace")).walk())
    except RecursionError:
        return MailTexts(complete=False)
    headers = [_header(part, name) for part in parts for name in dict.fromkeys(part.keys())]
    several = [str(value) for part in parts for _, value in part.raw_items()]
    leaves = [part for part in parts if not part.is_multipart()]
    bodies = [safe(_decoded(part)) for part in leaves if part.get_content_maintype() == "text"]
    return MailTexts((*headers, *several, *bodies, *map(_filename, leaves)), len(bodies) == len(leaves))


class _Reader:
    """Walks the parts once, within MAX_PARTS and MAX_DEPTH."""

    def __init__(self) -> None:
        self.attachments: list[str] = []
        self.flags: list[str] = []
        self._parts = 0

    def texts(self, part: Message, depth: int) -> Iterator[str]:
        self._parts += 1
        if self._parts > MAX_PARTS or depth > MAX_DEPTH:
            return
        kind = part.get_content_type()
        if kind == "message/rfc822":
            yield from self._forwarded(part, depth)
        elif kind == "multipart/alternative":
            yield self._best_alternative(part, depth)
        elif part.is_multipart():
            for child in _children(part):
                yield from self.texts(child, depth + 1)
        elif _is_attachment(part):
            self.attachments.append(_filename(part) or kind)
        elif kind.startswith("text/"):
            yield self._readable(part, kind)
        else:
            self.attachments.append(_filename(part) or kind)

    def _forwarded(self, part: Message, depth: int) -> Iterator[str]:
        for child in _children(part):
            yield "---------- Forwarded message ----------"
            yield _header(child, "Subject")
            yield from self.texts(child, depth + 1)

    def _best_alternative(self, part: Message, depth: int) -> str:
        plain, rich = "", ""
        for child in _children(part):
            text = "\n".join(self.texts(child, depth + 1))
            if child.get_content_type() == "text/plain":
                plain = plain or text
            else:
                rich = text or rich
        stub = len(plain.strip()) < STUB_LENGTH and len(rich) > 2 * len(plain)
        return rich if stub and rich.strip() else plain or rich

    def _readable(self, part: Message, kind: str) -> str:
        text = safe(_decoded(part))
        if kind not in ("text/html", "text/enriched"):
            return text
        text, flags = visible_text(text)
        self.flags.extend(flags)
        return text


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _decoded(part: Message) -> str:
    """The part as text: its own charset, else UTF-8, else Windows-1252 (which nothing fails)."""
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    # The source was text already: a part sent as 8 bit has been decoded, and is UTF-8 now whatever it says.
    encoded = str(part.get("Content-Transfer-Encoding", "")).strip().lower() in ("base64", "quoted-printable")
    named = str(part.get_content_charset() or "utf-8")
    for charset in (named, "utf-8") if encoded else ("utf-8", named):
        try:
            return data.decode(charset)
        except (LookupError, UnicodeError, ValueError):
            continue
    return data.decode("cp1252", "replace")


def _header(part: Message, name: str) -> str:
    """A header with its encoded words decoded, on one line."""
    try:
        raw = str(part.get(name, ""))
        pieces = [
            piece if isinstance(piece, str) else _decode_word(piece, charset)
            for piece, charset in decode_header(raw)
        ]
    except (MessageError, ValueError, LookupError):
        return ""
    return safe(" ".join("".join(pieces).split()))


def _decode_word(piece: bytes, charset: str | None) -> str:
    for candidate in (charset or "utf-8", "utf-8"):
        try:
            return piece.decode(candidate)
        except (LookupError, UnicodeError, ValueError):
            continue
    return piece.decode("cp1252", "replace")


def _is_attachment(part: Message) -> bool:
    return str(part.get("Content-Disposition", "")).strip().lower().startswith("attachment")


def _filename(part: Message) -> str:
    try:
        return safe(" ".join(str(part.get_filename() or "").split()))[:120]
    except (MessageError, ValueError, LookupError):
        return ""
