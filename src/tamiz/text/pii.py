"""Personal data and secrets to typed placeholders: bilingual rules, held against checksums where there are any."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from stdnum import iban, luhn
from stdnum.es import dni, nie
from stdnum.us import ssn

from tamiz.domain.ticket import Language, Span
from tamiz.text.findings import Finding, replace_findings
from tamiz.text.phones import find_phones
from tamiz.text.secrets import find_secrets

_MAY_MATTER = re.compile(
    r"[@\d]|[(\[]at[)\]]|arroba|pass|pwd|\bpw\b|contrase|clave|\bpin\b|PRIVATE KEY|token|secret|key|sig|auth|bearer",
    re.IGNORECASE,
)
_SEVEN_DIGITS = re.compile(r"\d(?:[ .()/+-]{0,3}\d){6}")
_AT = r"(?:@| ?[\[(] ?(?:at|arroba) ?[\])] ?)"
_DOT = r"(?:\.| ?[\[(] ?(?:dot|punto) ?[\])] ?)"
_EMAIL = re.compile(
    rf"(?<![\w.%+-])[\w%+.-][\w.%+'-]{{0,255}}+{_AT}[\w-]{{1,63}}(?:{_DOT}[\w-]{{1,63}}){{0,7}}{_DOT}[^\W\d_]{{2,24}}(?!\w)",
    re.IGNORECASE,
)
_IBAN = re.compile(r"(?<![^\W_])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,32}")
_NAMED_IBAN = re.compile(
    r"\bIBAN[^\n\w]{0,5}(?:(?:is|es) )?([A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{2,4}){3,8}(?:[ -]?[A-Z0-9]{1,3})?)\b"
)
_CARD = re.compile(r"(?<![\w/.])\d(?:[ -]?\d){12,24}(?!\w)")
_CVV = re.compile(r"\b(?:cvv2?|cvc2?)\b[^\d\n]{0,8}(\d{3,4})\b", re.IGNORECASE)
_ISSUER = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|4[4-9]\d|5\d\d)\d{12}"
    r"|35(?:2[89]|[3-8]\d)\d{12}|(?:50|5[6-9]|6[0-9])\d{10,17}"
)
_DNI = re.compile(
    r"(?<![\w.-])(?:\d{1,2}\.\d{3}\.\d{3}|\d{2} \d{3} \d{3}|\d{8})(?:[A-Za-z]|-[A-Za-z]| [A-Z])(?!\w)"
    r"|(?<![\w.-])[XYZxyz][ -]?\d{7}[ -]?[A-Za-z](?!\w)"
)
_NAMED_ID = re.compile(
    r"\b(?:d\.?n\.?i|n\.?i\.?f|n\.?i\.?e)\b\.?[\s:#°n.]{0,6}(?:(?:is|es) )?([XYZ]?[ -]?(?:\d{7,8}|\d{1,2}\.\d{3}\.\d{3})(?:[ -]?[A-Z])?)(?!\w)",
    re.IGNORECASE,
)
_SSN = re.compile(r"(?<![\w-])\d{3}([- ])\d{2}\1\d{4}(?![\w-])")
_NAMED_SSN = re.compile(
    r"\b(?:ssn|social security(?: number| no\.?)?)[^\d\n]{0,8}(\d{3}[- ]?\d{2}[- ]?\d{4})\b"
    r"|\b(?:seguridad social|n\.?u?s\.?s\.?|afiliaci[oó]n)[^\d\n]{0,8}(\d{2}[ /-]?\d{8}[ /-]?\d{2})\b",
    re.IGNORECASE,
)
_IPV4 = re.compile(r"(?<![\w.-])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w-])(?!\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_VERSION = re.compile(
    r"(?:==|[A-Za-z]/|\bv|\bver\.?|\bversi[oó]n(?:es)?|\bversions?|\bbuild|\brelease|\bfirmware|\bdriver|\bpatch|\bupdated? to|\bupgraded? to"
    r"|\bactualizad[oa] a)[ :=.]{0,3}(?:is |es )?$",
    re.IGNORECASE,
)
_HARMLESS_IP = re.compile(r"(?:0\.|127\.|255\.)")


def redact(text: str, language: Language | None = None) -> tuple[str, tuple[Span, ...]]:
    """The text with typed placeholders, and where they stand in it. The rules are bilingual: `language` is unused.

    Never raises on any text. Run it on folded text: an address with a zero-width character inside is none.
    """
    if not _MAY_MATTER.search(text):
        return text, replace_findings(text, ())[1] if "<" in text else ()
    return replace_findings(text, _findings(text))


def _findings(text: str) -> Iterator[Finding]:
    """Most certain kinds first: of overlapping findings the first wins."""
    yield from find_secrets(text)
    if "@" in text or "(at)" in text or "[at]" in text or "arroba" in text:
        yield from (Finding("EMAIL", *match.span()) for match in _EMAIL.finditer(text))
    if ":" in text:
        yield from _find_ipv6(text)
    yield from (Finding("CARD", *match.span(1)) for match in _CVV.finditer(text))
    if _SEVEN_DIGITS.search(text):
        yield from _find_ibans(text)
        yield from _find_cards(text)
        yield from _find_identities(text)
        yield from _find_ipv4(text)
        yield from find_phones(text)
    elif text.count(".") > 2:
        yield from _find_ipv4(text)


def _find_ibans(text: str) -> Iterator[Finding]:
    for match in _IBAN.finditer(text):
        ends = [i + 1 for i in range(match.start() + 14, match.end()) if text[i].isalnum()]
        for end in reversed(ends):
            follows = text[end : end + 1]
            if not follows.isalnum() and iban.is_valid(text[match.start() : end]):
                yield Finding("IBAN", match.start(), end)
                break
    yield from (Finding("IBAN", *match.span(1)) for match in _NAMED_IBAN.finditer(text))


def _find_cards(text: str) -> Iterator[Finding]:
    """Runs of digits, any whole groups of which make a number of a card issuer that satisfies Luhn's rule."""
    for match in _CARD.finditer(text):
        groups = [(group.start(), group.end()) for group in _DIGITS.finditer(text, *match.span())]
        for first in range(len(groups)):
            end = _card_end(text, groups[first:])
            if end:
                yield Finding("CARD", groups[first][0], end)
                break


_DIGITS = re.compile(r"\d{1,25}")


def _card_end(text: str, groups: list[tuple[int, int]]) -> int:
    """Where the longest card number ends that starts with the first group; groups have 4 digits or more, the last 3."""
    digits, found = "", 0
    for start, end in groups:
        digits += text[start:end]
        if len(digits) > 19 or end - start < 3:
            break
        if len(digits) > 12 and _ISSUER.fullmatch(digits) and luhn.is_valid(digits):
            found = end
        if end - start < 4:
            break
    return found


def _find_identities(text: str) -> Iterator[Finding]:
    for match in _DNI.finditer(text):
        number = match.group().replace(".", "")
        if dni.is_valid(number) or nie.is_valid(number):
            yield Finding("NIF", *match.span())
    yield from (Finding("NIF", *match.span(1)) for match in _NAMED_ID.finditer(text))
    for match in _NAMED_SSN.finditer(text):
        yield Finding("SSN", *match.span(match.lastindex or 0))
    for match in _SSN.finditer(text):
        if ssn.is_valid(match.group().replace(" ", "-")):
            yield Finding("SSN", *match.span())


def _find_ipv4(text: str) -> Iterator[Finding]:
    """Addresses that may tell a machine; loopback, masks and version numbers tell none."""
    for match in _IPV4.finditer(text):
        octets = [int(octet) for octet in match.group().split(".")]
        versioned = _VERSION.search(text[max(0, match.start() - 24) : match.start()])
        if max(octets) < 256 and not versioned and not _HARMLESS_IP.match(match.group()):
            yield Finding("IP", *match.span())


def _find_ipv6(text: str) -> Iterator[Finding]:
    for match in _IPV6.finditer(text):
        try:
            address = ipaddress.IPv6Address(match.group())
        except ValueError:
            continue
        if any(map(str.isdigit, match.group())) and not address.is_loopback and not address.is_unspecified:
            yield Finding("IP", *match.span())
