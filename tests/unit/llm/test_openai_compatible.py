"""The OpenAI-compatible completer against a server on its worst days. No test waits longer than a small timeout."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

pytest.importorskip("httpx", reason="needs the extra 'llm'")

from tamiz.domain.errors import (
    BadReplyError,
    CancelledError,
    ConfigError,
    ProviderError,
    ProviderRejectedError,
    ProviderUnavailableError,
    RateLimitedError,
    RefusedError,
    SpentError,
)
from tamiz.models.llm import wire
from tamiz.models.llm.calls import Caller, Circuit, Limits
from tamiz.models.llm.openai_compatible import OpenAICompatible
from tamiz.testing import misbehaving as bad
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.misbehaving import MisbehavingServer

KEY = "sk-test-0123456789"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "enum": ["x", "y"]}}, "required": ["a"]}
MESSAGES = [{"role": "system", "content": "Answer."}, {"role": "user", "content": "¿Qué \ud800?"}]
ANSWER = '{"a": "x"}'
QUICK = Limits(connect=0.5, read=0.3, answer=60.0)


@contextmanager
def talking(*script: bad.Reply, **options) -> Iterator[tuple[OpenAICompatible, MisbehavingServer]]:
    with MisbehavingServer(script) as server:
        options = {"limits": QUICK, "key": KEY, "clock": ManualClock(), **options}
        completer = OpenAICompatible(f"{server.url}/v1/", "m-1", **options)
        try:
            yield completer, server
        finally:
            completer.close()


def ask(completer: OpenAICompatible):
    return completer.complete(MESSAGES, SCHEMA, 64)


def test_a_stream_becomes_a_reply_with_its_cost() -> None:
    with talking(bad.chat(ANSWER)) as (completer, _):
        reply = ask(completer)
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == (ANSWER, 41, 12)
    assert reply.choices == ()


def test_the_request_asks_for_the_schema_and_nothing_by_chance() -> None:
    with talking(bad.chat(ANSWER), alternatives=5, extra={"seed": None, "top_k": 1}) as (completer, server):
        ask(completer)
    (request,) = server.requests
    body = request.body
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert (body["model"], body["max_tokens"], body["temperature"], body["stream"]) == ("m-1", 64, 0, True)
    assert body["messages"] == MESSAGES
    assert body["response_format"]["json_schema"] == {"name": "ticket", "strict": True, "schema": SCHEMA}
    assert (body["logprobs"], body["top_logprobs"], body["top_k"]) == (True, 5, 1)
    assert "seed" not in body


def test_alternatives_are_left_out_where_a_server_tells_none() -> None:
    with talking(bad.chat(ANSWER), alternatives=0, key="") as (completer, server):
        ask(completer)
    assert not {"logprobs", "top_logprobs"} & set(server.requests[0].body)
    assert "authorization" not in server.requests[0].headers


def test_tokens_come_with_their_alternatives_and_the_chosen_one_among_them() -> None:
    tokens: list[tuple[str, Mapping[str, float]]] = [
        ('{"', {'{"': -0.1, "{": -3.0}),
        ('a": "', {'a": "': -0.01}),
        ("x", {"y": -0.5, "z": -1.0}),
        ('"}', {'"}': 0.0}),
    ]
    with talking(bad.chat("", tokens)) as (completer, _):
        reply = ask(completer)
    assert reply.text == ANSWER
    assert [token for token, _ in reply.choices] == [token for token, _ in tokens]
    assert reply.choices[2][1] == {"y": -0.5, "z": -1.0, "x": -9999.0}


FAILURES = {
    "rate limited": (bad.status(429, retry_after="7"), RateLimitedError, "over its rate limit"),
    "out of quota": (bad.status(429, bad.QUOTA), SpentError, "account is used up"),
    "payment due": (bad.status(402), SpentError, "account is used up"),
    "server error": (bad.status(500), ProviderUnavailableError, "on purpose"),
    "gateway page": (bad.html(502), ProviderUnavailableError, "status 502"),
    "timeout status": (bad.status(408), ProviderUnavailableError, "408"),
    "conflict": (bad.status(409), ProviderUnavailableError, "409"),
    "bad request": (bad.status(400), ProviderRejectedError, "on purpose"),
    "wrong key": (
        bad.status(401, {"message": f"Incorrect API key provided: {KEY}"}),
        ProviderRejectedError,
        "key is wrong",
    ),
    "not allowed": (bad.status(403), ProviderRejectedError, "not allowed"),
    "no such model": (
        bad.json_body(404, {"object": "error", "message": "The model `m-1` does not exist.", "code": 404}),
        ProviderRejectedError,
        "does not exist",
    ),
    "redirect": (
        bad.body_of(307, "text/plain", b"", {"Location": "http://example.invalid/"}),
        ProviderRejectedError,
        "307",
    ),
    "key in an error": (
        bad.status(400, {"message": f"bad header\n\x1b[31m {KEY} " + "x" * 9000}),
        ProviderRejectedError,
        r"bad header \[31m \*\*\*",
    ),
    "slow": (bad.slow(3.0, bad.chat(ANSWER)), ProviderUnavailableError, "nothing came for 0.3 s"),
    "reset": (bad.reset, ProviderUnavailableError, "cannot be reached"),
    "garbage": (bad.garbage, ProviderUnavailableError, "cannot be reached"),
    "html": (bad.html(), BadReplyError, "text/html"),
    "not streamed": (bad.json_body(200, {"choices": []}), BadReplyError, "instead of a stream"),
    "compressed": (
        bad.stream([], {"Content-Encoding": "gzip"}),
        BadReplyError,
        "compressed",
    ),
    "no event": (bad.stream(["<html>", "[DONE]"]), BadReplyError, "no part of a chat completion"),
    "wrong types": (bad.stream(['{"choices": 7}']), BadReplyError, "no part of a chat completion"),
    "deep": (bad.stream(["[" * 200_000]), BadReplyError, "no part of a chat completion"),
    "truncated": (bad.cut_off(ANSWER), BadReplyError, "truncated"),
    "no last event": (bad.cut_short(ANSWER), BadReplyError, "truncated"),
    "empty": (bad.stream([]), BadReplyError, "truncated"),
    "no reason to stop": (bad.stream(['{"choices": []}', "[DONE]"]), BadReplyError, "truncated"),
    "too long": (bad.chat('{"a": "xxx', finish="length"), BadReplyError, "not finished after 64 tokens"),
    "tool call": (bad.chat("", finish="tool_calls"), BadReplyError, "tool_calls"),
    "error in the stream": (
        bad.stream(['{"error": {"message": "out of memory", "code": 500}}']),
        ProviderUnavailableError,
        "out of memory",
    ),
    "refusal": (bad.refusal(), RefusedError, "I cannot help with that"),
    "content filter": (bad.chat(ANSWER, finish="content_filter"), RefusedError, "content filter"),
    "oversized": (bad.oversized(wire.MAX_BODY), BadReplyError, "longer than 8,000,000 bytes"),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_every_failure_is_one_clear_line_and_no_reply(kind: str) -> None:
    reply, error, words = FAILURES[kind]
    with talking(reply) as (completer, _), pytest.raises(ProviderError, match=words) as raised:
        ask(completer)
    line = raised.value.one_line()
    assert type(raised.value) is error
    assert "m-1 at 127.0.0.1:" in line
    assert line.isprintable()
    assert len(line) < 500
    assert KEY not in line


def test_retry_after_is_handed_on_as_it_was_told() -> None:
    date = "Thu, 01 Jan 2026 00:00:07 GMT"
    unavailable = pytest.raises(ProviderUnavailableError)
    with talking(bad.status(503, retry_after=date)) as (completer, _), unavailable as raised:
        ask(completer)
    assert raised.value.facts["retry_after"] == date


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with talking(bad.chat(ANSWER)) as (completer, _):
        pass
    completer = OpenAICompatible(completer._url.removesuffix("/chat/completions"), "m-1", ManualClock())
    with pytest.raises(ProviderUnavailableError, match="cannot be reached"):
        ask(completer)
    completer.close()


def test_a_trickle_ends_when_its_time_is_up() -> None:
    clock = ManualClock(step=1.0)
    over = pytest.raises(ProviderUnavailableError, match="no whole answer within 60 s")
    with talking(bad.trickle(0.01), clock=clock) as (completer, _), over:
        ask(completer)


def test_a_stream_is_given_up_when_the_caller_gives_up() -> None:
    clock = ManualClock(step=1.0)
    options = {"clock": clock, "cancelled": lambda: clock.elapsed > 5}
    with talking(bad.trickle(0.01), **options) as (completer, _), pytest.raises(CancelledError):
        ask(completer)


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_no_proxy_stands_between_this_machine_and_itself() -> None:
    with MisbehavingServer([bad.html(503)]) as proxy, environment(http_proxy=proxy.url, HTTP_PROXY=proxy.url):
        with talking(bad.chat(ANSWER)) as (completer, _):
            assert ask(completer).text == ANSWER
        assert proxy.requests == []
        abroad = OpenAICompatible("http://provider.invalid/v1", "m", ManualClock(), QUICK)
        with pytest.raises(ProviderUnavailableError, match="503"):
            ask(abroad)
        abroad.close()
        assert [request.path for request in proxy.requests] == ["http://provider.invalid/v1/chat/completions"]


@pytest.mark.parametrize(
    "url", ["", "localhost:8000/v1", "ftp://a/v1", "http://", "http://a:x/v1", "http://[::1/v1"]
)
def test_an_address_that_is_none_is_a_setting_to_mend(url: str) -> None:
    with pytest.raises(ConfigError, match=r"llm\.url"):
        OpenAICompatible(url, "m", ManualClock())


@pytest.mark.parametrize("key", ["sk-1\n", "sk 1", "clé"])
def test_a_key_that_is_none_is_a_setting_to_mend_and_is_not_quoted(key: str) -> None:
    with pytest.raises(ConfigError) as raised:
        OpenAICompatible("http://127.0.0.1:1/v1", "m", ManualClock(), key=key)
    assert key not in raised.value.one_line()


class TestWithCaller:
    def caller(self, completer: OpenAICompatible, clock: ManualClock, **limits) -> Caller:
        return Caller(completer.name, clock, clock.pause, lambda: 0.5, Limits(**limits))

    def call(self, careful: Caller, completer: OpenAICompatible) -> str:
        return careful.call(lambda: ask(completer), lambda reply: json.loads(reply.text)["a"])

    def test_bad_days_pass(self) -> None:
        clock = ManualClock()
        script = [bad.status(500), bad.status(429, retry_after="2"), bad.cut_off(ANSWER), bad.chat(ANSWER)]
        with talking(*script, clock=clock) as (completer, server):
            assert self.call(self.caller(completer, clock), completer) == "x"
        assert len(server.requests) == 4
        assert clock.elapsed == pytest.approx(0.25 + (2.0 + 0.5) + 1.0)

    def test_a_key_that_is_revoked_ends_it_at_once(self) -> None:
        clock = ManualClock()
        with talking(bad.chat(ANSWER), bad.status(401), clock=clock) as (completer, server):
            careful = self.caller(completer, clock)
            assert self.call(careful, completer) == "x"
            with pytest.raises(ProviderRejectedError, match="revoked"):
                self.call(careful, completer)
        assert len(server.requests) == 2
        assert clock.pauses == []

    def test_a_dead_provider_is_left_alone_until_it_recovers(self) -> None:
        clock = ManualClock()
        with talking(*[bad.reset] * 5, bad.chat(ANSWER), clock=clock) as (completer, server):
            careful = self.caller(completer, clock, tries=10, failures=5, open_for=30.0)
            with pytest.raises(ProviderUnavailableError):
                self.call(careful, completer)
            assert (len(server.requests), careful.circuit) == (5, Circuit.OPEN)
            clock.pause(30.0)
            assert self.call(careful, completer) == "x"
        assert (len(server.requests), careful.circuit) == (6, Circuit.CLOSED)
