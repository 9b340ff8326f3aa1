"""Is everything that a written summary names in the ticket? Numbers, addresses, codes, files and names are looked up;
prompt marks and loops are refused wherever they come from. Standard library only; time grows with the ticket's length.

Ordinary words are not looked up: a summary may say in other words what the ticket says.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from decimal import Decimal
from itertools import pairwise
from unicodedata import combining, normalize

EMPTY = "(empty)"
RUN = 6
"""So many words in a row as the instruction has them are not said by chance."""
LOOP, LOOPS = 3, 3
"""A run of LOOP words that comes LOOPS times is a loop."""

_TOKENS = r"<\|[^|<>\n]{1,40}\|>|<<<|>>>|\[/?(?:INST|SYS)\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|</?think>"
_MARKS = re.compile(
    _TOKENS + r"|(?:^|\n)[ \t]{0,3}(?:#{2,6}[ \t]{0,3}(?:instruction|response|system|input|output)"
    r"|(?:system|assistant|user|sistema|asistente|usuario)[ \t]{0,2}:)",
    re.IGNORECASE,
)
_CHAT = re.compile(_TOKENS, re.IGNORECASE)
_STUTTER = re.compile(r"([^\W\d_]|[^\w\s])\1{9}")
_WORD = re.compile(r"\w+")
_PLACEHOLDER = re.compile(r"<[A-Z_]{2,20}>")
_EDGES = "\"'.,;:!?()[]{}…*¿¡<>|-"
_LINK = re.compile(r"@|://|^www\.|\\|^/\w|_|\w\.[^\W\d_]{2,12}(?:$|[/:?#])")
_COUNTED = re.compile(r"[^\w]{0,2}\d[\d.,:/'-]*(?:-?[^\W\d_]{1,12}|[%°ºª€$£+]{1,2})?")
_DIGITS = re.compile(r"\d{1,3}(?:[.,' ]\d{3})+(?![.,]?\d)|\d+(?:[.,:/-]\d+)*")
_GROUPED = re.compile(r"\d{1,3}(?:[.,' ]\d{3})+")
_PLAIN_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_NAME = re.compile(r"[^\W\d_]{2,}(?:-[^\W\d_]+)*")
_STARTS = re.compile(r"(?:^|[.!?:;…\n/|*•\"(¿¡-])\s{0,5}$")

_NUMERALS = """2 two dos|3 three tres|4 four cuatro|5 five cinco|6 six seis|7 seven siete|8 eight ocho|9 nine nueve
|10 ten diez|12 twelve doce"""
_COUNTS = {word: Decimal(row.split()[0]) for row in _NUMERALS.split("|") for word in row.split()[1:]}
_PAIRS = frozenset("both ambos ambas couple pair par".split())
_ORDINARY = frozenset("it ti id ids ok pc pcs hr rrhh faq asap fyi am pm vs no".split())
"""Words in capitals that name no system."""

_Reading = Decimal | tuple[str, ...]


def grounded(summary: str, source: str, *, told: str = "", names: Collection[str] = ()) -> tuple[str, ...]:
    """What stands in the summary and not in the source, or may stand in no summary; empty = grounded.

    `told` is the instruction, of which no RUN words in a row may come back. `names` are known names (of applications)
    that count as names wherever they stand; otherwise a capital at the start of a sentence, or in a text that
    capitalises most words, says nothing.
    """
    if not _WORD.search(summary):
        return (EMPTY,)
    ticket = _Source(_plain(source))
    unfounded = (*_placeholders(summary, source), *_known(summary, ticket, names), *_tokens(summary, ticket))
    return tuple(dict.fromkeys((*_refused(_plain(summary), _plain(told)), *unfounded)))


def unmarked(text: str) -> str:
    """The text without fences and chat tokens, which a ticket may quote and no summary should pass on."""
    return _CHAT.sub(" ", text)


class _Source:
    """A ticket's text, looked up by whole words, by tokens as they stand, by joined words, and by numbers."""

    def __init__(self, text: str) -> None:
        self.text = text.casefold()
        self.words = set(_WORD.findall(self.text))
        self.joined = {_joined(token) for token in self.text.split()}
        self.joined |= {a + b for a, b in pairwise(_WORD.findall(self.text))}
        self.numbers: set[_Reading] = {_COUNTS[word] for word in self.words if word in _COUNTS}
        if self.words & _PAIRS:
            self.numbers.add(Decimal(2))
        for match in _DIGITS.finditer(text):
            self.numbers |= _readings(match[0])
            self.numbers.update(Decimal(part) for part in re.findall(r"\d+", match[0]))

    def has(self, token: str) -> bool:
        """Does the token stand in the text, between characters that do not continue it?"""
        token = token.casefold()
        if token in self.words or _joined(token) in self.joined:
            return True
        place = self.text.find(token)
        while place >= 0:
            end = place + len(token)
            if not (self.text[place - 1 : place].isalnum() or self.text[end : end + 1].isalnum()):
                return True
            place = self.text.find(token, place + 1)
        return False

    def counts(self, number: str) -> bool:
        """Does the text have this number, or both ends of this range?"""
        low, dash, high = number.partition("-")
        if dash and low.isdigit() and high.isdigit() and {Decimal(low), Decimal(high)} <= self.numbers:
            return True
        return not self.numbers.isdisjoint(_readings(number))


def _refused(summary: str, told: str) -> Iterator[str]:
    """Prompt marks, text of the instruction, and loops."""
    yield from (match[0].strip() for match in _MARKS.finditer(summary))
    yield from (match[0] for match in _STUTTER.finditer(summary))
    words = _WORD.findall(summary.casefold())
    runs = Counter(_runs(words, LOOP))
    yield from (" ".join(run) for run, times in runs.items() if times >= LOOPS)
    instruction = set(_runs(_WORD.findall(told.casefold()), RUN))
    yield from (" ".join(run) for run in _runs(words, RUN) if run in instruction)


def _placeholders(summary: str, source: str) -> Iterator[str]:
    yield from (match[0] for match in _PLACEHOLDER.finditer(summary) if match[0] not in source)


def _known(summary: str, ticket: _Source, names: Collection[str]) -> Iterator[str]:
    own = _Source(_plain(summary))
    for name in names:
        if name in summary and own.has(_plain(name)) and not ticket.has(_plain(name)):
            yield name


def _tokens(summary: str, ticket: _Source) -> Iterator[str]:
    """Addresses, files and codes that the ticket does not have; then numbers and names in what is left."""
    rest = _PLACEHOLDER.sub(" ", _plain(summary))
    for raw in rest.split():
        token = raw.strip(_EDGES)
        coded = any(map(str.isdigit, token)) and not _COUNTED.fullmatch(token)
        if not token or not (coded or _LINK.search(token)):
            continue
        rest = rest.replace(raw, " . " if raw[-1] in ".!?" else " ", 1)
        if not ticket.has(token):
            yield token
    for match in _DIGITS.finditer(rest):
        if not ticket.counts(match[0]):
            yield match[0]
    for word in _WORD.findall(rest):
        if word.casefold() in _COUNTS and _COUNTS[word.casefold()] not in ticket.numbers:
            yield word
    yield from _names(rest, ticket)


def _names(text: str, ticket: _Source) -> Iterator[str]:
    """Words written like names of systems that the ticket does not have."""
    words = [(match[0], bool(_STARTS.search(text[: match.start()][-7:]))) for match in _NAME.finditer(text)]
    inside = [word for word, starts in words if not starts and len(word) > 3]
    headline = sum(word[0].isupper() for word in inside) > 0.6 * len(inside) and len(inside) > 2
    shouted = text.upper() == text
    for word, starts in words:
        stem = word.removesuffix("s")
        upper = stem.isupper() and len(stem) > 1 and not shouted
        camel = any(map(str.isupper, word[1:])) and not word.isupper()
        capital = word[0].isupper() and not starts and not headline and not shouted
        if (
            (upper or camel or capital)
            and word.casefold() not in _ORDINARY
            and not (ticket.has(word) or ticket.has(stem) or all(map(ticket.has, word.split("-"))))
        ):
            yield word


def _readings(number: str) -> set[_Reading]:
    """What a number may mean: "1.000" is a thousand, or one; "14:00" and dates are themselves."""
    found: set[_Reading] = set()
    if _GROUPED.fullmatch(number):
        found.add(Decimal(re.sub(r"\D", "", number)))
    if _PLAIN_NUMBER.fullmatch(number):
        padded = len(number) > 1 and number.isdigit() and number[0] == "0"
        found.add((number,) if padded else Decimal(number.replace(",", ".")))
    elif not found:
        separator = ":" if ":" in number else "-"
        found.add((separator, *(str(int(part)) for part in re.findall(r"\d+", number))))
    return found


def _plain(text: str) -> str:
    """Without accents; one kind of apostrophe and of space."""
    folded = "".join(c for c in normalize("NFKD", text) if not combining(c))
    return re.sub(r"[^\S\n ]", " ", folded.replace("’", "'"))


def _joined(token: str) -> str:
    return "".join(filter(str.isalnum, token))


def _runs(words: list[str], length: int) -> Iterator[tuple[str, ...]]:
    return zip(*(words[i:] for i in range(length)), strict=False)
