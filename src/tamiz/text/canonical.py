"""Raw message → canonical text, in one pass: read, repair, fold, split, redact, cap."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from tamiz.domain.ticket import CanonicalText, Language, RawMessage
from tamiz.text.encoded import drop_encoded
from tamiz.text.findings import Redactor, placeholders
from tamiz.text.fold import fold, safe
from tamiz.text.html import looks_like_html, visible_text
from tamiz.text.language import detect_language
from tamiz.text.mime import looks_like_mime, read_mime
from tamiz.text.mojibake import repair
from tamiz.text.pii import redact
from tamiz.text.quotes import defers, split_quotes
from tamiz.text.signature import split_signature

TEXT_VERSION = "1"
"""Changes whenever the same message may give another `text`; models pin it."""

TRUNCATED = "truncated"
FORWARDED = "forwarded"

MAX_CHARS = 8000
MAX_SUBJECT = 300
MAX_QUOTED = 8000
MAX_SIGNATURE = 1000
MAX_MARKUP = 300_000
MAX_MAIL = 2_000_000
HEAD, TAIL = 60_000, 20_000
"""Characters of a body that are read at all: its beginning and its end."""
SLACK = 300
"""Redacted text this near to a cut is dropped: what is left of a secret that the cut went through would stand there."""
CUT = "\n[...]\n"
MAX_FORWARDS = 5

_SPACES = re.compile(r"[^\S\n]+")
_LINE_ENDS = re.compile(r" ?\n ?")
_BLANK_LINES = re.compile(r"\n{3,}")
_LINE_BREAKS = re.compile(r"\n{2,}")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,31});")
_REPLY_MARKS = re.compile(
    r"(?:(?:re|rv|fwd?|wg|aw|tr|enc|res|antw|sv|vs) ?(?:\[\d{1,3}\])?: ?|\[(?:external|ext|externo)\] ?){1,20}",
    re.IGNORECASE,
)
_BROKEN_PLACEHOLDER = re.compile(r"<[A-Z_]{0,20}$|^[A-Z_]{0,20}>")


@dataclass(frozen=True, slots=True)
class _Reading:
    """A message as plain text with its quoted history, before folding."""

    subject: str
    body: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Parts:
    """A folded body in its parts."""

    newest: str
    quoted: tuple[str, ...]
    signature: str
    flags: tuple[str, ...]


def canonicalize(message: RawMessage, *, redactor: Redactor | None = None) -> CanonicalText:
    """The view of a message that models, caches, logs and providers may see. Never raises on any text.

    `text` is the subject (without reply marks) and the body on lines of their own, at most 8,000 characters: of a
    longer body its beginning and its end. `redactor` replaces the built-in rules, `redact`. The raw message stays
    as it is.
    """
    reading = _read(message)
    subject, subject_flags = _plain(reading.subject)
    body, body_flags = _plain(reading.body)
    subject = " ".join(subject.split())
    parts = _split(body)
    language = detect_language(f"{subject}\n{parts.newest}")
    hide = _Hider(redactor or redact, language)
    subject = " ".join(hide(subject, MAX_SUBJECT).split())
    body = hide(parts.newest, MAX_CHARS - len(subject) - 1 if subject else MAX_CHARS)
    cut = (TRUNCATED,) if hide.cut else ()
    text = as_read(subject, body)
    flags = (*reading.flags, *subject_flags, *body_flags, *parts.flags, *cut)
    return CanonicalText(
        text=text,
        subject=subject,
        body=body,
        quoted=_quoted(parts.quoted, hide),
        signature=hide(parts.signature, MAX_SIGNATURE),
        language=language,
        spans=tuple(placeholders(text)),
        flags=tuple(dict.fromkeys(flags)),
    )


def _read(message: RawMessage) -> _Reading:
    """The message as plain text; a body that came as plain text is read as the HTML or the mail that it is."""
    subject = safe(message.subject[: 10 * MAX_SUBJECT])
    body = message.body
    media_type = message.media_type.split(";")[0].strip().lower()
    if media_type == "message/rfc822" or (media_type != "text/html" and looks_like_mime(body)):
        mail = read_mime(safe(body[:MAX_MAIL]))
        subject, text, flags = subject if subject.strip() else mail.subject, mail.text, mail.flags
        shortened = len(body) > MAX_MAIL
    elif media_type == "text/html" or looks_like_html(body):
        text, flags = visible_text(safe(body[:MAX_MARKUP]), preserve_lines=media_type != "text/html")
        shortened = len(body) > MAX_MARKUP
    else:
        text, flags, shortened = _both_ends(body), (), len(body) > HEAD + TAIL
        text = html.unescape(text) if _ENTITY.search(text) else text
    if len(text) > HEAD + TAIL:
        text, shortened = _both_ends(text), True
    return _Reading(subject, text, (*flags, TRUNCATED) if shortened else flags)


def _both_ends(text: str) -> str:
    """The beginning and the end of a long text, cut at a line end where one is near."""
    if len(text) <= HEAD + TAIL:
        return text
    head, tail = (
        text.rfind("\n", HEAD - 2000, HEAD),
        text.find("\n", len(text) - TAIL, len(text) - TAIL + 2000),
    )
    return f"{text[: head if head > 0 else HEAD]}{CUT}{text[tail if tail > 0 else -TAIL :]}"


def _plain(text: str) -> tuple[str, tuple[str, ...]]:
    """Repaired and folded; both may lengthen a text, so it is held to what a body may have."""
    text, repaired = repair(safe(text))
    text, folded = fold(text)
    return text[: HEAD + TAIL + len(CUT)], (*repaired, *folded)


def _split(body: str) -> _Parts:
    """The parts of a body. A newest text that only defers to the history is joined by what it forwards."""
    body, flags = drop_encoded(body)
    thread = split_quotes(body)
    quoted = thread.quoted
    newest, signature = split_signature(thread.newest)
    for _ in range(MAX_FORWARDS):
        if not quoted or not defers(newest):
            break
        forwarded, _ = split_signature(quoted[0])
        newest, quoted = f"{newest}\n\n{forwarded}".strip(), quoted[1:]
        flags = (*flags, FORWARDED)
    return _Parts(newest, quoted, signature, flags)


class _Hider:
    """Tidies, redacts and caps; remembers whether anything had to be cut."""

    def __init__(self, redactor: Redactor, language: Language) -> None:
        self._redactor = redactor
        self._language = language
        self.cut = False

    def __call__(self, text: str, limit: int) -> str:
        text = _tidy(text)
        if not text:
            return ""
        if len(text) <= limit + 2 * SLACK:
            redacted = self._redact(text)
            return redacted if len(redacted) <= limit else self._ends(redacted, redacted, limit)
        tail = limit // 4
        head = limit - tail
        first = self._redact(text[: head + SLACK])
        last = self._redact(text[-tail - SLACK :])
        return self._ends(first[: max(0, len(first) - SLACK)], last[SLACK:], limit)

    def _redact(self, text: str) -> str:
        return _tidy(self._redactor(text, self._language)[0])

    def _ends(self, first: str, last: str, limit: int) -> str:
        """The beginning of one text and the end of another, cut between words, within the limit."""
        self.cut = True
        tail = limit // 4
        head = limit - tail - len(CUT)
        beginning = (
            first[:head].rsplit(None, 1)[0]
            if len(first) > head and " " in first[head - 100 : head]
            else first[:head]
        )
        end = last[-tail:]
        end = end.split(None, 1)[-1] if len(last) > tail and " " in end[:100] else end
        return _tidy(_BROKEN_PLACEHOLDER.sub("", beginning) + CUT + _BROKEN_PLACEHOLDER.sub("", end))


def _quoted(messages: tuple[str, ...], hide: _Hider) -> tuple[str, ...]:
    """The quoted messages, redacted, as many as MAX_QUOTED characters hold."""
    kept: list[str] = []
    room = MAX_QUOTED
    for message in messages:
        if room <= SLACK:
            break
        kept.append(hide(message, room))
        room -= len(kept[-1])
    return tuple(filter(None, kept))


def _tidy(text: str) -> str:
    """Single spaces, no space at line ends, at most one blank line."""
    return _BLANK_LINES.sub("\n\n", _LINE_ENDS.sub("\n", _SPACES.sub(" ", text))).strip()


def as_read(subject: str, body: str) -> str:
    """Subject and body as the model sees them: no reply marks, no blank lines, no body said twice."""
    title = _REPLY_MARKS.sub("", subject, count=1) if _REPLY_MARKS.match(subject) else subject
    body = _LINE_BREAKS.sub("\n", body)
    return body if body == title else f"{title.strip()}\n{body}".strip()
