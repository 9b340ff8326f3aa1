"""How likely each value of a field was, read from the tokens of an answer and the alternatives they had.

The tokens of the value are followed one by one. Where the values still possible part, each is given what the
alternatives that lead to it weigh; the written token's share is divided further by the tokens after it. What leads to no
value is left out, as a grammar would have it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

Choices = Sequence[tuple[str, Mapping[str, float]]]
"""The tokens of an answer, each with its alternatives (text → log-probability), as in `runtime.Reply`."""


def masses(choices: Choices, start: int, forms: Sequence[str]) -> dict[str, float] | None:
    """The probability of each value given that one of them is written; they sum to 1.

    `forms` are the values as they stand in the answer, none the beginning of another; `start` is the character of the
    answer where the value begins. None where the answer's tokens lead to none of the values.
    """
    text = "".join(token for token, _ in choices)
    found = dict.fromkeys(forms, 0.0)
    alive, mass, position = list(forms), 1.0, 0
    for token, alternatives in choices:
        if len(alive) == 1:
            break
        if position + len(token) > start:
            shares, chosen, alive = _split(
                token, alternatives, {form: _rest(text, position, start, form) for form in alive}
            )
            if not alive or chosen <= 0.0:
                return None
            for form, share in shares.items():
                found[form] += mass * share
            mass *= chosen
        position += len(token)
    for form in alive:
        found[form] += mass / len(alive)
    return found


def _rest(text: str, position: int, start: int, form: str) -> str:
    """What is to be written from a position of the answer to the end of a value."""
    return text[position:start] + form if position < start else form[position - start :]


def _split(
    token: str, alternatives: Mapping[str, float], rests: Mapping[str, str]
) -> tuple[dict[str, float], float, list[str]]:
    """What alternatives give to the values they lead to, the share of the written token, and the values it leaves."""
    alive = _led(token, rests)
    shares = dict.fromkeys(rests, 0.0)
    for alternative, logprob in alternatives.items():
        if alternative == token:
            continue
        able = _led(alternative, rests)
        # A token that fits values which the written one excludes most likely means one of these: to the others the
        # model has just shown its way.
        led = [form for form in able if form not in alive] or able
        for form in led:
            shares[form] += _probability(logprob) / len(led)
    unseen = [form for form in rests if form not in alive and shares[form] == 0.0]
    _add_unseen(shares, unseen, alternatives.values())
    chosen = _probability(alternatives.get(token, -math.inf))
    total = chosen + math.fsum(shares.values())
    if total <= 0.0:
        return shares, 0.0, alive
    return {form: share / total for form, share in shares.items()}, chosen / total, alive


def _add_unseen(shares: dict[str, float], unseen: Sequence[str], logprobs: Iterable[float]) -> None:
    """A value that no told alternative leads to is at most as likely as the least likely of them, as far as mass is
    left: between that and nothing, half of it."""
    told = [_probability(logprob) for logprob in logprobs]
    if unseen and told:
        left = max(0.0, 1.0 - math.fsum(told)) / len(unseen)
        for form in unseen:
            shares[form] = min(left, *told) / 2


def _led(token: str, rests: Mapping[str, str]) -> list[str]:
    """The values that a token may begin; it may reach beyond a value's end."""
    return [
        form for form, rest in rests.items() if token and (rest.startswith(token) or token.startswith(rest))
    ]


def _probability(logprob: float) -> float:
    return math.exp(min(logprob, 0.0))
