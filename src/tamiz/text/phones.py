"""Phone numbers: a written shape or a word that announces one, held against the numbering plans (phonenumbers)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from tamiz.text.findings import Finding

_CANDIDATE = re.compile(r"(?<![\w.,/:#=$€@-])[+(]?\d[\d ().-]{5,20}\d(?![\w@%€$])(?![.,:/-]\d)")
_INTERNATIONAL = re.compile(r"\(?(?:\+|00[1-9])")
_SPANISH = re.compile(
    r"[6789]\d{2}([ .-])\d{3}\1\d{3}|[6789]\d{2}([ .-])\d{2}\2\d{2}\2\d{2}|9\d([ .-])\d{3}\3\d{2}\3\d{2}|[67]\d{8}"
)
_AMERICAN = re.compile(r"(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])\d{3}[ .-]\d{4}")
_MEXICAN = re.compile(r"(?:55|33|81)[ -]\d{4}[ -]\d{4}")
_SHAPES = ((_SPANISH, "ES"), (_AMERICAN, "US"), (_MEXICAN, "MX"))
_REGIONS = ("ES", "US", "MX", "GB", "CO", "AR", "CL", "PE")
_ANNOUNCED = re.compile(
    r"(?:\btel[eé]?f?o?n?o?s?|\btlfn?o?|\bphone|\bmobile|\bm[oó]vil|\bcelular|\bcell|\bcall(?: me)?|\bll[aá]m\w{1,6}|\bcontact\w{0,3}"
    r"|\bwhats?app|\bfax|\breach me|\bring me|\btext me|\bext)\b[^\d\n]{0,20}$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"(?:\b(?:order|ticket|case|caso|pedido|factura|invoice|ref|referenc\w{1,3}|incident\w{0,3}|inc|req|asset|activo|serial|serie"
    r"|s/?n|id|imei|sku|part|model\w?|version|versi[oó]n|build|kb|error|c[oó]digo|code|account|cuenta|contrato|contract|tracking"
    r"|pid|epoch|timestamp|albar[aá]n|expediente|solicitud|request|po|job|article|art[ií]culo)\b[^\d\n]{0,14}|[#°] ?)$",
    re.IGNORECASE,
)
_DATE = re.compile(r"\(?(?:(?:19|20)\d{2}[.-]\d{1,2}[.-]\d{1,2}|\d{1,2}[.-]\d{1,2}[.-](?:19|20)?\d{2})(?!\d)")


def find_phones(text: str) -> Iterator[Finding]:
    """Phone numbers; order numbers, dates, versions and bare digit runs without context are left alone."""
    position = 0
    while match := _CANDIDATE.search(text, position):
        start, number = match.start(), match.group()
        length = _phone_length(number, text[max(0, start - 40) : start])
        if length:
            yield Finding("PHONE", start, start + length)
        position = start + (length or len(number) - len(number.lstrip("+(0123456789")))


def _phone_length(candidate: str, before: str) -> int:
    """How much of a candidate is a phone number: all of it, or what stands before a later group of digits."""
    if _DATE.match(candidate):
        return 0
    announced, numbered = bool(_ANNOUNCED.search(before)), bool(_NUMBERED.search(before))
    ends = [len(candidate), *(gap.start() for gap in reversed(list(_GAP.finditer(candidate))))]
    for end in ends:
        if _is_phone(candidate[:end], announced, numbered):
            return end
    return 0


_GAP = re.compile(r"[ .-]{1,3}(?=[\d(])")


def _is_phone(number: str, announced: bool, numbered: bool) -> bool:
    digits = sum(map(str.isdigit, number))
    if not 7 <= digits <= 15:
        return False
    if _INTERNATIONAL.match(number):
        return _is_valid("+" + number.lstrip("(").removeprefix("00").lstrip("+"), "ZZ")
    if numbered:
        return False
    if announced:
        return digits == 7 or any(_is_valid(number, region) for region in _REGIONS)
    return any(shape.fullmatch(number) and _is_valid(number, region) for shape, region in _SHAPES)


@lru_cache(maxsize=1024)
def _is_valid(number: str, region: str) -> bool:
    from phonenumbers import NumberParseException, is_valid_number, parse

    try:
        return is_valid_number(parse(number, None if region == "ZZ" else region))
    except NumberParseException:
        return False
