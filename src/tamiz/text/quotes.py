"""Split a mail into what its sender wrote now and the history below, between or above it."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_MESSAGES = 50

_PREFIX = re.compile(r"(?: ?>){1,60} ?")
_SEPARATOR = re.compile(
    r"[-_*=#>\s]{2,60}(?:original (?:message|appointment)|forwarded (?:message|by\b.{0,120})"
    r"|mensaje (?:original|reenviado)|reenviado por\b.{0,120}|cita original"
    r"|ursprüngliche nachricht|(?:weitergeleitete|original) ?nachricht|message (?:d'origine|original|transféré)"
    r"|messaggio (?:originale|inoltrato)|mensagem (?:original|encaminhada)"
    r"|(?:oorspronkelijk|doorgestuurd) bericht|please type your reply above this line|reply above this line"
    r"|(?:por favor,? )?(?:escriba|responda|responder) .{0,40}(?:encima|arriba) .{0,20}l[ií]nea)"
    r"[-_*=#:.\s]{0,60}"
    r"|(?:begin forwarded message|inicio del mensaje reenviado|début du message (?:réexpédié|transféré)"
    r"|inizio messaggio inoltrato|anfang der weitergeleiteten nachricht) ?:",
    re.IGNORECASE,
)
_WROTE = (
    r"(?:wrote|writes|escribi[oó]|ha escrito|a écrit|schrieb|escreveu|ha scritto|schreef|va escriure|skrev)"
)
_ATTRIBUTION_START = re.compile(r"(?:on|el|le|am|em|il|op|a|den|on date) \S", re.IGNORECASE)
_ATTRIBUTION = re.compile(rf".{{0,400}}\b{_WROTE}\b.{{0,120}}:", re.IGNORECASE | re.DOTALL)
_MOMENT = re.compile(r"\d{1,2}[:.h]\d{2}|\b(?:19|20)\d{2}\b|@")
_WEAK_ATTRIBUTION = re.compile(rf".{{0,300}}(?:\b{_WROTE} ?|>|\d):", re.IGNORECASE)
_HEADER = re.compile(
    r"\*?(?P<name>from|de|von|da|van|från|sent|date|to|cc|bcc|subject|importance|reply-to|enviado(?: el)?|fecha"
    r"|para|asunto|cco|importancia|gesendet|datum|an|betreff|envoyé|à|objet|inviato|data|oggetto|a"
    r"|enviada(?: em)?|assunto|verzonden|aan|onderwerp|skickat|till|ämne)\*? ?:\*?[ \t]{0,10}(?P<value>.*)",
    re.IGNORECASE,
)
_FROM = frozenset(("from", "de", "von", "da", "van", "från"))
_SUBJECT = frozenset(("subject", "asunto", "betreff", "objet", "oggetto", "assunto", "onderwerp", "ämne"))
MAX_HEADERS = 10
MIN_HEADERS = 3

_GREETING = re.compile(
    r"\b(?:hi|hello|hey|dear|good (?:morning|afternoon|day)|hola|buen[oa]s(?: d[ií]as| tardes)?|estimad[oa]s?|all|team"
    r"|support|helpdesk|help desk|it|equipo|soporte|compañer[oa]s|todos|thanks|thank you|gracias|please|por favor"
    r"|saludos|regards|fyi|f\.y\.i|fwd?|rv|re)\b",
    re.IGNORECASE,
)
_DEFERRING = re.compile(
    r"\b(?:below|see (?:attached|the (?:mail|thread|trail))|forward(?:ed|ing)?|for your (?:action|info\w{0,8})"
    r"|please (?:advise|assist|help|handle|check|look|see|action|resolve|review)|any (?:updates?|news)"
    r"|can (?:you|someone|anyone) (?:please )?(?:help|look|check|assist|take)|abajo|debajo"
    r"|ver (?:correo|hilo|adjunto|mensaje)|reenv[ií]\w{1,3}|(?:te|os|le|les) paso"
    r"|para (?:tu|su|vuestra) (?:info\w{0,8}|gesti[oó]n|conocimiento)"
    r"|(?:por favor,?|favor de) (?:ver|revis\w{1,4}|ayud\w{1,5}|gestion\w{1,4}|atend\w{1,4}|mir\w{1,3})"
    r"|alguna novedad|novedades|(?:me )?(?:puedes|puede|pueden|pod[eé]is) (?:ayudar\w{0,4}|mirar\w{0,3}|revisar\w{0,3}))\b",
    re.IGNORECASE,
)
MAX_DEFERRING_WORDS = 12


@dataclass(frozen=True, slots=True)
class Thread:
    """The newest text, and the quoted messages in the order in which they stand (newest first as a rule)."""

    newest: str
    quoted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Marker:
    """A stretch of lines that introduces history: how many lines, and the subject that it states."""

    lines: int
    subject: str = ""


def split_quotes(text: str) -> Thread:
    """Split folded text with plain line ends; replies above, below and between quoted lines all count as new."""
    lines = [_depth_and_content(line) for line in text.split("\n")]
    splitter = _Splitter(lines)
    splitter.run()
    quoted = ("\n".join(message).strip() for message in splitter.quoted[:MAX_MESSAGES])
    return Thread("\n".join(splitter.own).strip(), tuple(filter(None, quoted)))


def defers(text: str) -> bool:
    """Whether the newest text only points at the history ("see below", "FYI", a bare greeting)."""
    words = text.split()
    if len(words) > MAX_DEFERRING_WORDS:
        return False
    rest = _GREETING.sub(" ", text)
    return not any(map(str.isalnum, rest)) or bool(_DEFERRING.search(text))


class _Splitter:
    """One pass over the lines, each a pair of quote depth and content."""

    def __init__(self, lines: list[tuple[int, str]]) -> None:
        self.lines = lines
        self.own: list[str] = []
        self.quoted: list[list[str]] = []
        self._depth = 0
        self._to_end = False
        # One lone `>` line is a menu path or a prompt rather than history.
        self._marked = sum(1 for depth, content in lines if depth and content) > 1

    def run(self) -> None:
        position = 0
        while position < len(self.lines):
            marker = self._marker_at(position)
            if marker:
                self._open(position, marker)
                position += marker.lines
            else:
                self._take(*self.lines[position])
                position += 1

    def _open(self, position: int, marker: _Marker) -> None:
        self._depth = self.lines[position][0]
        self.quoted.append([marker.subject] if marker.subject else [])
        self._marked = True
        follows = self._next_depth(position + marker.lines)
        self._to_end = self._to_end or (self._depth == 0 and follows == 0)

    def _take(self, depth: int, content: str) -> None:
        if depth and not self._marked:
            self.own.append(f"{'>' * depth} {content}")
        elif not depth and not self._to_end:
            self.own.append(content)
            self._depth = 0 if content else self._depth
        else:
            if not self.quoted or (
                content and depth != self._depth and (any(self.quoted[-1]) or not self._depth)
            ):
                self.quoted.append([])
            self._depth = depth if content else self._depth
            self.quoted[-1].append(content)

    def _next_depth(self, position: int) -> int:
        for depth, content in self.lines[position : position + 5]:
            if content:
                return depth
        return 0

    def _marker_at(self, position: int) -> _Marker | None:
        depth, line = self.lines[position]
        if len(line) < 3:
            return None
        if len(line) < 250 and _SEPARATOR.fullmatch(line):
            return self._with_headers(position)
        if ":" in line or line[:3].lower() in ("on ", "el ", "le ", "am ", "em ", "il ", "op "):
            count, subject = self._headers(position)
            if count:
                return _Marker(count, subject)
            return self._attribution(position, depth, line)
        return None

    def _with_headers(self, position: int) -> _Marker:
        """A separator line, and the header block below it where there is one."""
        start = position + 1
        while start < len(self.lines) and start < position + 3 and not self.lines[start][1]:
            start += 1
        count, subject = self._headers(start)
        return _Marker(start - position + count, subject) if count else _Marker(1)

    def _headers(self, position: int) -> tuple[int, str]:
        """The length of a block such as From / Sent / To / Subject, 0 if there is none; and its subject."""
        names: list[str] = []
        subject, address = "", False
        for _, line in self.lines[position : position + MAX_HEADERS]:
            match = _HEADER.match(line)
            if not match:
                break
            name, value = match["name"].lower(), match["value"].strip()
            names.append(name)
            subject = value if name in _SUBJECT else subject
            address = address or "@" in value
        genuine = len(names) >= MIN_HEADERS and not _FROM.isdisjoint(names)
        return (len(names), subject) if genuine and (address or not _SUBJECT.isdisjoint(names)) else (0, "")

    def _attribution(self, position: int, depth: int, line: str) -> _Marker | None:
        """ "On … wrote:", on up to three lines; without a date only if quoted lines follow."""
        if _ATTRIBUTION_START.match(line):
            window = [content for _, content in self.lines[position : position + 3]]
            for count in range(1, len(window) + 1):
                joined = " ".join(window[:count])
                if joined.endswith(":") and _ATTRIBUTION.fullmatch(joined) and _MOMENT.search(joined):
                    return _Marker(count)
        if (
            line.endswith(":")
            and _WEAK_ATTRIBUTION.fullmatch(line)
            and self._next_depth(position + 1) > depth
        ):
            return _Marker(1)
        return None


def _depth_and_content(line: str) -> tuple[int, str]:
    prefix = _PREFIX.match(line)
    if not prefix:
        return 0, line.strip()
    return prefix.group().count(">"), line[prefix.end() :].strip()
