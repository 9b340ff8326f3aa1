"""A one-line summary from the ticket's own words: its subject where that says something, else its best sentence."""

from __future__ import annotations

import re

from tamiz.domain.ticket import CanonicalText
from tamiz.pipeline.grounding import unmarked

_PREFIX = re.compile(
    r"^(?:(?:re|rv|fw|fwd|wg|aw|tr|enc)\s{0,3}(?:\[\d{1,3}\])?:\s{0,9}){1,20}", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s{1,9}|\n")
_WORD = re.compile(r"[^\W\d_]{2,40}")
_MARKS = " \t\n-–—*•>|:;,"

_EMPTY_SUBJECTS = frozenset(
    """
    help urgent urgente ayuda ticket tique issue problem problema hi hello hola question consulta
    request solicitud incident incidencia support soporte please por favor it no subject sin asunto
    important importante fyi test assistance needed duda error asap
    """.split()
)
_COURTESY = re.compile(
    r"^(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|hola|buen[oa]s|estimad[oa]s?|querid[oa]s?|thanks|thank you"
    r"|gracias|saludos|regards|cheers|please help|un saludo|muy buenas)\b",
    re.IGNORECASE,
)
_TROUBLE = re.compile(
    r"\b(?:not|can't|cannot|won't|doesn't|fails?|failed|error|broken|lost|missing|need|request|install|reset|slow|crash\w{0,4}"
    r"|no|fall[aóo]\w{0,3}|necesit\w{1,5}|solicit\w{1,5}|rot[oa]|perd\w{1,5}|lent[oa]|bloque\w{1,5}|instal\w{1,5}|quier\w{1,3})\b",
    re.IGNORECASE,
)


def summarize(text: CanonicalText, max_length: int) -> tuple[str, str]:
    """The summary and its source, `subject` or `extractive`; at most `max_length` characters, never raises.

    Fences and chat tokens that the ticket quotes are left out.
    """
    subject = _PREFIX.sub("", unmarked(text.subject)).strip(_MARKS)
    telling = [word for word in _WORD.findall(subject.lower()) if word not in _EMPTY_SUBJECTS]
    if len(telling) >= 2:
        return shorten(subject, max_length), "subject"
    sentences = [part.strip(_MARKS) for part in _SENTENCE_END.split(unmarked(text.body[:4000]))][:60]
    best = max(enumerate(sentences), key=lambda pair: _score(*pair), default=(0, ""))[1]
    return shorten(best or subject, max_length), "extractive"


def shorten(text: str, max_length: int) -> str:
    """One line of at most `max_length` characters, cut between words."""
    line = " ".join(text.split())
    if len(line) <= max_length:
        return line
    cut = line[: max_length - 1]
    head = cut.rsplit(" ", 1)[0] if " " in cut else cut
    return f"{head.rstrip(_MARKS)}…"


def _score(position: int, sentence: str) -> float:
    """Early sentences that name a trouble and are neither stubs nor walls of text lead."""
    words = len(_WORD.findall(sentence[:600]))
    if not words:
        return -10.0
    score = min(words, 12) / 12 - 0.08 * position - (0.4 if words > 40 else 0.0)
    score += 0.6 if _TROUBLE.search(sentence[:600]) else 0.0
    return score - (0.8 if _COURTESY.match(sentence) and words < 8 else 0.0)
