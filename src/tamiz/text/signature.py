"""Cut the closing, the signature block, device lines and legal notices off the end of a message."""

from __future__ import annotations

import re

MAX_LINES = 20
MAX_LINE = 120
"""A signature has few, short lines; longer ones after a closing are text."""

_DELIMITER = re.compile(r"--")
_RULE = re.compile(r"(?:---|_{2,40}|-{5,60}|\*{5,60})")
_CLOSING = re.compile(
    r"(?:(?:with )?(?:best|kind|kindest|warm|many)?[ ,]{0,2}(?:regards|wishes)|best|cheers|thanks(?: again| a lot| so much"
    r"| in advance| and (?:best |kind )?regards)?|thank you(?: very much| so much| in advance)?|many thanks|thx|tia|rgds"
    r"|(?:yours )?(?:sincerely|truly|faithfully)|respectfully"
    r"|(?:un |cordiales |atentos |muchos )?(?:cordial )?saludos?(?: cordial(?:es)?| a todos)?|reciba un (?:cordial )?saludo"
    r"|atentamente|atte|cordialmente|un abrazo|(?:muchas |mil )?gracias(?: de antemano| por adelantado"
    r"| y (?:un )?saludos?(?: cordial(?:es)?)?| por (?:su|tu|vuestra) ayuda)?)",
    re.IGNORECASE,
)
_NAME_AFTER = re.compile(r"[ ,.!:;-]{0,4}(?:[A-ZÁÉÍÓÚÑ][\w'.-]{0,30}(?: [\w'.-]{1,30}){0,3})?[.,!]{0,3}")
_SAYS = re.compile(
    r"\b(?:i|is|are|was|were|not|no|can't|cannot|doesn't|don't|won't|have|has|need|needs|my|me|also|please|still"
    r"|when|but|est[áa]n?|son|tengo|tenemos|necesit\w{1,5}|pued[oe]n?|funciona\w{0,3}|mi|mis|también|además|favor|pero"
    r"|cuando|se|error|broken|fails?|failed|urgent\w{0,2}|<PASSWORD>|password|contraseña)\b",
    re.IGNORECASE,
)
"""Words of someone who reports something; a name, a title or an address has none."""
_CONTACT = re.compile(r"[\d@|./]")
_DEVICE = re.compile(
    r"(?:sent (?:from|via|using) (?:my|outlook|yahoo|mail|gmail|proton|samsung|the)\b.{0,80}"
    r"|get outlook for .{0,60}|enviado desde (?:mi|outlook|yahoo|el|gmail|correo|un)\b.{0,80}"
    r"|obt(?:ener|én|enga) outlook para .{0,60}|descargar outlook .{0,60})",
    re.IGNORECASE,
)
_BANNER = re.compile(
    r"[\[*\s!]{0,6}(?:external(?: e-?mail)?[\]:*!]|(?:caution|warning|attention):? .{0,40}(?:external|outside)"
    r"|this (?:e-?mail|message) (?:originated|came) from outside"
    r"|(?:precauci[oó]n|atenci[oó]n|aviso|cuidado):? .{0,40}(?:extern|fuera de)|correo externo[\]:*!])",
    re.IGNORECASE,
)
_LEGAL = re.compile(
    r"[\s*_\"-]{0,6}(?:(?:confidentiality|legal|privacy|privileged|disclaimer)(?: notice| note)?\s{0,3}[:.-]|disclaimer\b"
    r"|(?:the information (?:contained )?in )?this (?:e-?mail|message|communication|transmission)"
    r"[ ,(].{0,120}(?:confidential|privileged|intended|legally)"
    r"|if you (?:are not|have received) (?:the intended|this (?:e-?mail|message))"
    r"|(?:please )?(?:consider|think about) the environment|(?:p )?before printing"
    r"|aviso (?:legal|de confidencialidad)|confidencialidad\s{0,3}[:.-]|cl[aá]usula de confidencialidad"
    r"|(?:este|el presente) (?:mensaje|correo)[ ,(].{0,120}(?:confidencial|privilegiad|destinatari|dirigid)"
    r"|si (?:usted )?no es (?:el|usted el) destinatario|si ha recibido este (?:mensaje|correo)"
    r"|antes de imprimir|informaci[oó]n b[aá]sica sobre protecci[oó]n de datos"
    r"|(?:de conformidad con|en cumplimiento de).{0,80}(?:rgpd|lopd|protecci[oó]n de datos|2016/679)"
    r"|la informaci[oó]n contenida en este (?:mensaje|correo))",
    re.IGNORECASE,
)


def split_signature(text: str) -> tuple[str, str]:
    """The message without its ending, and the ending; text that is nothing but an ending stays the message."""
    lines = text.split("\n")
    lines, cut = _drop_furniture(lines)
    start = _ending(lines)
    body = "\n".join(lines[:start]).strip()
    signature = "\n".join([*lines[start:], *cut]).strip()
    if any(map(str.isalnum, body)):
        return body, signature
    return text.strip(), ""


def _drop_furniture(lines: list[str]) -> tuple[list[str], list[str]]:
    """Take out lines that no sender typed: device lines and external-mail banners, and legal notices at the end."""
    kept: list[str] = []
    cut: list[str] = []
    for line in lines:
        furniture = len(line) < 600 and (_DEVICE.fullmatch(line) or _BANNER.match(line))
        (cut if furniture else kept).append(line)
    start = _legal_start(kept)
    return kept[:start], [*kept[start:], *cut]


def _legal_start(lines: list[str]) -> int:
    """The first line of the legal notices that end the message; a notice above more text is left alone."""
    start = end = len(lines)
    while end > 0:
        while end > 0 and not lines[end - 1].strip():
            end -= 1
        first = end
        while first > 0 and lines[first - 1].strip():
            first -= 1
        notice = next((i for i in range(first, end) if _LEGAL.match(lines[i][:400])), None)
        if notice is None:
            break
        start = notice
        if notice > first:
            break
        end = first
    return start


def _ending(lines: list[str]) -> int:
    """Where the closing or the signature delimiter stands; the number of lines if there is neither."""
    found = len(lines)
    seen, says = 0, False
    for index in range(len(lines) - 1, -1, -1):
        line = lines[index].strip()
        if not line:
            continue
        if _DELIMITER.fullmatch(line):
            return index
        if not says and (_RULE.fullmatch(line) or _is_closing(line)):
            found = index
        seen += 1
        says = says or _is_statement(line)
        if seen > MAX_LINES or len(line) > MAX_LINE or _is_postscript(line):
            break
    return found


def _is_statement(line: str) -> bool:
    """Whether a line below a closing says something: a question, a verb, or words without a capital or a number."""
    if _is_closing(line) or _RULE.fullmatch(line):
        return False
    return (
        line.endswith("?")
        or (line == line.lower() and not _CONTACT.search(line))
        or bool(_SAYS.search(line[:MAX_LINE]))
    )


def _is_closing(line: str) -> bool:
    match = _CLOSING.match(line) if len(line) <= 80 else None
    return bool(match and _NAME_AFTER.fullmatch(line, match.end()))


def _is_postscript(line: str) -> bool:
    return line[:5].lower().replace(".", "").startswith(("ps ", "ps:", "pd ", "pd:"))
