"""What a text asks, without who asks it and how politely: two people who want the same greet and sign in their own ways.

For comparing texts alone (`tamiz.text.contrast`); models read the whole canonical text. Lines go only where they have the form
of a greeting, a closing, a signature below the last sentence, or a form's entry on the writer, so names and numbers
inside sentences stay.
"""

from __future__ import annotations

import re

_GREET = (
    r"(?:hi|hiya|hello|hey|greetings|good (?:morning|afternoon|evening|day)|morning|afternoon|ho{1,5}la{1,5}|(?:muy )?buenas"
    r"(?: tardes| noches| a todos)?|buenos d[ií]as|buen d[ií]a)"
)
_WHOM = r"(?:there|all|both|again|everyone|everybody|folks|guys|team|it|help ?desk|service desk|support|colleagues|a todos|equipo|soporte|compañeros|companeros|me again|soy yo otra vez|c[oó]mo est[aá]n?)"
_GREETING = re.compile(
    rf"[¡\s]{{0,3}}(?:{_GREET}(?:,? {_WHOM}){{0,3}}|{_GREET},? [^\W\d_]{{2,20}}"
    r"|(?:dear|estimad[oa]s?|apreciad[oa]s?|querid[oa]s?)(?: [^\W\d_]{2,20}\.?){0,4}"
    r"|to whom it may concern|a quien corresponda|team|it|support|service desk|soporte|equipo|qu[eé] tal)",
    re.IGNORECASE,
)
_OPENING = re.compile(rf"[¡\s]{{0,3}}{_GREET}\b(?: {_WHOM}\b){{0,2}}[\s,.!:–-]{{1,4}}", re.IGNORECASE)
_CLOSING = re.compile(
    r"[¡\s]{0,3}(?:(?:many |kind |a lot of )?thanks|thank you|thx|ta\b|tia\b|cheers|(?:with )?(?:best|kind|kindest|warm)\b|regards|rgds"
    r"|yours\b|sincerely|respectfully|have a (?:good|nice|great)|looking forward|un (?:cordial )?saludo|(?:cordiales |muchos )?saludos?\b|saludines"
    r"|slds|(?:muchas |mil |muchísimas )?gra?cias|grx|grax|gcias|atentamente|atte|cordialmente|reciban? un|les? saluda|que teng[aá]i?[ns]?"
    r"|que pase|quedo atent|agradeciendo|sin otro particular|un abrazo)[^?\n]{0,60}",
    re.IGNORECASE,
)
_COURTESY = re.compile(
    r"(?:[\s,.!¡-]{1,4}(?:(?:many )?thanks(?: (?:a lot|a million|in advance))?|thank you|thx|ty|ta|cheers|(?:muchas |mil )?gracias|grx|grax|gcias))"
    r"[\s!.]{0,4}$",
    re.IGNORECASE,
)
_SIGNED = re.compile(
    r"(?:[A-ZÁÉÍÓÚÑ][\w'’.-]{0,20} ){1,3}?[A-ZÁÉÍÓÚÑ][\w'’.-]{1,25}(?:\s?[|,·-]\s?.{1,50})?"
    r"|(?:[Tt]|[Tt]el|[Tt]lf|[Tt]el[eé]fono|[Pp]hone|[Mm]obile|[Ee]xt|[Mm])\b[.:]?\s?[+\d<][\w\s().+>-]{1,30}"
)
_FURNITURE = re.compile(
    r"(?:sent from|enviado desde|please (?:think of|consider) the environment|this (?:e-?mail|message) may contain"
    r"|este (?:mensaje|correo) puede contener|antes de imprimir)\b.{0,200}",
    re.IGNORECASE,
)
_WRITER = re.compile(
    r"(?:requester|requested by|reported by|opened by|caller|contact|phone|call ?back|attachments?|solicitante|solicitado por|reportado por"
    r"|abierto por|contacto|tel[eé]fono|adjuntos?)\s?:.{0,80}",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"(?:subject|title|summary|short description|description|details?|comments?|asunto|t[ií]tulo|resumen|descripci[oó]n breve|descripci[oó]n"
    r"|detalles?|comentarios?)\s?:\s?",
    re.IGNORECASE,
)
_SMILE = re.compile(r"\s{0,2}(?:[\U0001F300-\U0001FAFF\u2600-\u27BF]|[:;]-?[)(D]){1,4}\s{0,2}$")
_WORDS = re.compile(r"\w+")
_SENTENCE_END = frozenset(".!?…")
MAX_SIGNED, MAX_LAST = 5, 8
"""Words of a line of a signature, and how many lines a signature has."""


def gist(text: str) -> str:
    """A canonical text without greeting, closing, signature and who filled a form in; never empty where the text is not."""
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line and not _WRITER.fullmatch(line)]
    lines = [line for number, line in enumerate(lines) if not (number < 3 and _is_greeting(line))]
    lines = [_plain(line) for line in _unsigned(lines)]
    kept = "\n".join(line for line in lines if line)
    return kept if any(map(str.isalnum, kept)) else text


def _is_greeting(line: str) -> bool:
    """A line of nothing but a greeting."""
    return bool(_GREETING.fullmatch(line.strip(",:!.?¿ ")))


def _unsigned(lines: list[str]) -> list[str]:
    """Without what stands below the last sentence: a closing with all short lines after it, names, telephones, notices."""
    end = len(lines)
    for place in range(len(lines) - 1, max(0, len(lines) - MAX_LAST), -1):
        line = lines[place]
        closing = _CLOSING.fullmatch(line) or _FURNITURE.fullmatch(line)
        signed = _SIGNED.fullmatch(line) and place + 1 == end and _ends(lines[place - 1])
        if closing or signed:
            end = place
        elif not _is_short(line):
            break
    return lines[:end]


def _is_short(line: str) -> bool:
    """Could it be a name, a title or a place under a closing, and no sentence?"""
    words = len(_WORDS.findall(line))
    return words <= MAX_SIGNED and line[-1] not in _SENTENCE_END and (line[0].isupper() or line[0].isdigit())


def _ends(line: str) -> bool:
    """Does a sentence end here, or is the line itself a greeting or closing?"""
    return line[-1] in _SENTENCE_END or bool(_CLOSING.fullmatch(line)) or bool(_SIGNED.fullmatch(line))


def _plain(line: str) -> str:
    """A line without its opening and closing courtesy and without the label of a form's entry."""
    line = _LABEL.sub("", line, count=1) if _LABEL.match(line) else line
    line = _SMILE.sub("", line)
    opened = _OPENING.match(line)
    if opened and any(map(str.isalnum, line[opened.end() :])):
        line = line[opened.end() :]
    shorter = _COURTESY.sub("", line)
    return shorter if any(map(str.isalnum, shorter)) else line
