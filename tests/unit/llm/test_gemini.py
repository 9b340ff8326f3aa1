"""The Gemini completer, through Google's own SDK, against a server on its worst days."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("httpx", reason="needs the extra 'llm-gemini'")
pytest.importorskip("google.genai", reason="needs the extra 'llm-gemini'")

from tamiz.domain.errors import (
    BadReplyError,
    CancelledError,
    ConfigError,
    ProviderError,
    ProviderRejectedError,
    ProviderUnavailableError,
    RateLimitedError,
    RefusedError,
)
from tamiz.models.llm import wire
from tamiz.models.llm.calls import Caller, Limits
from tamiz.models.llm.gemini import Gemini
from tamiz.testing import misbehaving as bad
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.misbehaving import MisbehavingServer

KEY = "AIza-test-0123456789"
SCHEMA = {
    "type": "object",
    "properties": {"a": {"anyOf": [{"type": "string", "enum": ["x"]}, {"type": "null"}]}},
    "required": ["a"],
    "additionalProperties": False,
}
MESSAGES = [
    {"role": "system", "content": "Answer."},
    {"role": "user", "content": "before"},
    {"role": "assistant", "content": '{"a": null}'},
    {"role": "user", "content": "now"},
]
ANSWER = '{"a": "x"}'


@contextmanager
def talking(*script: bad.Reply, **options) -> Iterator[tuple[Gemini, MisbehavingServer]]:
    with MisbehavingServer(script) as server:
        options = {"limits": Limits(read=0.3, answer=60.0), "clock": ManualClock(), **options}
        completer = Gemini("gemini-test", key=KEY, url=server.url, **options)
        try:
            yield completer, server
        finally:
            completer.close()


def ask(completer: Gemini):
    return completer.complete(MESSAGES, SCHEMA, 64)


def test_an_answer_becomes_a_reply_with_its_cost() -> None:
    with talking(bad.gemini(ANSWER)) as (completer, _):
        reply = ask(completer)
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens, reply.choices) == (ANSWER, 41, 12, ())


def test_the_request_asks_for_the_schema_and_for_no_thoughts() -> None:
    with talking(bad.gemini(ANSWER)) as (completer, server):
        ask(completer)
    (request,) = server.requests
    config = request.body["generationConfig"]
    assert request.path.endswith("/models/gemini-test:generateContent")
    assert request.headers["x-goog-api-key"] == KEY
    assert request.body["systemInstruction"]["parts"][0]["text"] == "Answer."
    assert [turn["role"] for turn in request.body["contents"]] == ["user", "model", "user"]
    assert request.body["contents"][2]["parts"][0]["text"] == "now"
    assert config["responseMimeType"] == "application/json"
    assert config["responseJsonSchema"] == SCHEMA
    assert (config["maxOutputTokens"], config["temperature"], config["seed"]) == (64, 0, 0)
    assert list(config["thinkingConfig"].values()) == [0]


def test_thoughts_have_room_of_their_own_and_are_no_answer() -> None:
    thinking = {"content": {"parts": [{"text": "Hm.", "thought": True}, {"text": ANSWER}]}}
    with talking(bad.gemini(ANSWER, **thinking), thinking=500) as (completer, server):
        assert ask(completer).text == ANSWER
    assert server.requests[0].body["generationConfig"]["maxOutputTokens"] == 564


def test_tokens_come_with_their_alternatives() -> None:
    told = {
        "chosenCandidates": [
            {"token": '{"a": "', "logProbability": -0.1},
            {"token": "x", "logProbability": -0.7},
        ],
        "topCandidates": [{"candidates": []}, {"candidates": [{"token": "y", "logProbability": -0.9}]}],
    }
    with talking(bad.gemini(ANSWER, logprobsResult=told), alternatives=5) as (completer, server):
        choices = ask(completer).choices
    assert choices == (('{"a": "', {'{"a": "': -0.1}), ("x", {"y": -0.9, "x": -0.7}))
    assert server.requests[0].body["generationConfig"]["logprobs"] == 5


def blocked(reason: str) -> bad.Reply:
    return bad.json_body(200, {"promptFeedback": {"blockReason": reason}})


FAILURES = {
    "rate limited": (
        bad.gemini_error(429, "RESOURCE_EXHAUSTED", "Quota."),
        RateLimitedError,
        "rate limit: Quota",
    ),
    "server error": (
        bad.gemini_error(503, "UNAVAILABLE", "Overloaded."),
        ProviderUnavailableError,
        "Overloaded",
    ),
    "gateway page": (bad.html(502), ProviderUnavailableError, "502"),
    "wrong key": (
        bad.gemini_error(400, "INVALID_ARGUMENT", f"API key not valid: {KEY}"),
        ProviderRejectedError,
        r"not valid: \*\*\*",
    ),
    "not allowed": (bad.gemini_error(403, "PERMISSION_DENIED", "No."), ProviderRejectedError, "revoked"),
    "no such model": (bad.gemini_error(404, "NOT_FOUND", "No such model."), ProviderRejectedError, "No such"),
    "slow": (bad.slow(3.0, bad.gemini(ANSWER)), ProviderUnavailableError, "nothing came for 0.3 s"),
    "reset": (bad.reset, ProviderUnavailableError, "cannot be reached"),
    "garbage": (bad.garbage, ProviderUnavailableError, "cannot be reached"),
    "html": (bad.html(), BadReplyError, "no answer of this API"),
    "truncated": (
        bad.body_of(200, "application/json", b'{"candidates"', {"Content-Length": "900"}),
        BadReplyError,
        "truncated",
    ),
    "wrong types": (bad.json_body(200, {"candidates": 7}), BadReplyError, "no answer of this API"),
    "a list": (bad.json_body(200, [1]), BadReplyError, "no candidate"),
    "no candidate": (bad.json_body(200, {}), BadReplyError, "no candidate"),
    "no reason to stop": (bad.gemini(ANSWER, finish=""), BadReplyError, "truncated"),
    "too long": (bad.gemini('{"a', finish="MAX_TOKENS"), BadReplyError, "not finished after 64 tokens"),
    "malformed": (bad.gemini("", finish="MALFORMED_FUNCTION_CALL"), BadReplyError, "MALFORMED"),
    "unsafe answer": (bad.gemini("", finish="SAFETY"), RefusedError, r"answer was blocked \(SAFETY\)"),
    "unsafe question": (blocked("PROHIBITED_CONTENT"), RefusedError, "question was blocked"),
    "oversized": (
        bad.json_body(200, {"x": "x" * wire.MAX_BODY}),
        BadReplyError,
        "longer than 8,000,000 bytes",
    ),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_every_failure_is_one_clear_line_one_try_and_no_reply(kind: str) -> None:
    reply, error, words = FAILURES[kind]
    with talking(reply) as (completer, server):
        with pytest.raises(ProviderError, match=words) as raised:
            ask(completer)
        assert len(server.requests) == 1
    line = raised.value.one_line()
    assert type(raised.value) is error
    assert "gemini-test at 127.0.0.1:" in line
    assert line.isprintable()
    assert len(line) < 500
    assert KEY not in line


def test_a_quota_says_how_long_it_wants_to_be_left_alone() -> None:
    clock = ManualClock()
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12s"}
    limited = bad.gemini_error(429, "RESOURCE_EXHAUSTED", "Quota.", **info)
    with talking(limited, bad.gemini(ANSWER), clock=clock) as (completer, server):
        careful = Caller(completer.name, clock, clock.pause, lambda: 0.0)
        assert careful.call(lambda: ask(completer), lambda reply: reply.text) == ANSWER
        assert len(server.requests) == 2
    assert clock.elapsed == 12.0


def test_an_answer_is_given_up_when_the_caller_gives_up() -> None:
    with talking(bad.gemini(ANSWER), cancelled=lambda: True) as (completer, _), pytest.raises(CancelledError):
        ask(completer)


def test_an_address_that_is_none_is_a_setting_to_mend() -> None:
    with pytest.raises(ConfigError, match=r"llm\.url"):
        Gemini("m", ManualClock(), key=KEY, url="nowhere")
