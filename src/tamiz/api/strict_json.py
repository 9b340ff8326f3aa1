"""JSON from strangers: held to sizes before it is parsed, and to the letter while it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from tamiz.api.problems import Problem

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""A JSON string; an unclosed one reaches to the end, so that nothing is looked at twice."""

_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_COUNTED = (b":", b",", b"{", b"[")
_PLAIN = bytes(set(range(256)) - set(b"{}[]"))
_NESTED = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}


def parse(body: bytes, depth: int, members: int) -> Any:
    """The value of a JSON text. Problem (400) where it is not UTF-8 JSON without byte order mark, NUL, lone surrogates,
    NaN, infinities and repeated keys, nests deeper than `depth`, or has more than `members` keys and values."""
    if body.startswith(b"\xef\xbb\xbf") or b"\0" in body:
        raise _bad("it must be UTF-8 without a byte order mark or NUL characters")
    _hold(body, depth, members)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise _bad("it is not UTF-8") from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _bad(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError):
        raise _bad("a number is too long") from None
    if _ESCAPE.search(text):
        _check_strings(value)
    return value


def _hold(body: bytes, depth: int, members: int) -> None:
    """Count before parsing: nothing is built for a body that is refused."""
    marks = sum(body.count(mark) for mark in _COUNTED)
    if marks <= members and body.count(b"{") + body.count(b"[") <= depth:
        return  # also if none of them stood inside a string
    count = level = 0
    for bare in _outside(body):
        count += 1 + sum(bare.count(mark) for mark in _COUNTED)
        if count > 2 * members:
            raise _bad(f"it has more than {members} members")
        for mark in bare.translate(None, _PLAIN):
            level += _NESTED[mark]
            if level > depth:
                raise _bad(f"it nests deeper than {depth} levels")


def _outside(body: bytes) -> Iterator[bytes]:
    """The stretches between strings."""
    end = 0
    for string in _STRING.finditer(body):
        yield body[end : string.start()]
        end = string.end()
    yield body[end:]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _bad("a key stands twice in one object")
    return found


def _constant(name: str) -> Any:
    raise _bad(f"{name} is no JSON number")


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise _bad("a number is too large")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)


def _check_strings(value: Any) -> None:
    waiting: list[Any] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            if "\0" in one or any("\ud800" <= character <= "\udfff" for character in one):
                raise _bad("a text has NUL characters or lone surrogates")
        elif isinstance(one, dict):
            waiting += _parts(one)
        elif isinstance(one, list):
            waiting += one


def _parts(found: dict[str, Any]) -> Iterable[Any]:
    yield from found.keys()
    yield from found.values()


def _bad(reason: str) -> Problem:
    return Problem(400, f"The body is not acceptable JSON: {reason}.", kind="bad-json")
