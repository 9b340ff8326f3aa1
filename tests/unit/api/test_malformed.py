"""Requests that are none: all refused, none slow, none our fault."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the API needs the extra 'serve'")
httpx = pytest.importorskip("httpx", reason="the tests call the API through httpx")

from tamiz.api.problems import Problem
from tamiz.api.strict_json import parse
from tamiz.domain.records import Role

from .rig import TEXT, Service, generous, raw, running, served

GOOD = json.dumps(TEXT).encode()
DEEP, SLOW = 100_000, 0.1


def table() -> Iterator[tuple[str, bytes]]:
    yield "too long by one byte", b'{"body": "' + b"x" * (2 * 1024 * 1024 + 1 - 12) + b'"}'
    yield "deep lists", b"[" * DEEP
    yield "deep lists, closed", b"[" * DEEP + b"]" * DEEP
    yield "deep objects", b'{"a":' * DEEP + b"1" + b"}" * DEEP
    yield "deep in a member", b'{"body": "x", "subject": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    yield "one list too deep", b'{"body": "x", "subject": ' + b"[" * 16 + b"]" * 16 + b"}"
    yield "one key too many", b"{" + b",".join(b'"%d":1' % i for i in range(10_001)) + b"}"
    yield "many keys", b"{" + b",".join(b'"%d":1' % i for i in range(150_000)) + b"}"
    yield "many keys, spaced", b"{" + b",".join(b'"%d" : 1' % i for i in range(150_000)) + b"}"
    yield "many values", b"[" + b"1," * 900_000 + b"1]"
    yield "many strings", b'"" ' * 600_000
    yield "many escapes", b'"' + b'\\"' * 900_000
    yield "a key twice", b'{"body": "a", "body": "b"}'
    yield "a key twice by escape", b'{"body": "a", "b\\u006fdy": "b"}'
    yield "huge integer", b'{"body": ' + b"9" * 100_000 + b"}"
    yield "huge exponent", b'{"body": 1e999999}'
    for name in (b"NaN", b"Infinity", b"-Infinity"):
        yield name.decode(), b'{"body": ' + name + b"}"
    for escape in (b"\\ud800", b"\\uDFFF", b"\\udc00\\ud800", b"\\u0000"):
        yield escape.decode(), b'{"body": "a' + escape + b'b"}'
        yield f"{escape.decode()} as a key", b'{"body": "a", "' + escape + b'": 1}'
    yield "byte order mark", b"\xef\xbb\xbf" + GOOD
    for encoding in (
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "utf-32-le",
        "utf-32-be",
        "cp037",
    ):
        yield encoding, GOOD.decode().replace("drops", "dröps").encode(encoding, "replace")
    for encoding in ("latin-1", "cp1252", "shift-jis", "koi8-r", "gb18030"):
        yield encoding, '{"body": "contraseña – пароль"}'.encode(encoding, "replace")
    for broken in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"):
        yield f"invalid UTF-8 {broken!r}", b'{"body": "' + broken + b'"}'
    yield "raw NUL", b'{"body": "a\x00b"}'
    yield "raw control character", b'{"body": "a\nb"}'
    for text in (
        b"",
        b" ",
        b"{",
        b"}",
        b'{"body"',
        b'{"body": "x"} x',
        b"{'body': 'x'}",
        b"nul",
        b'{"body": "x",}',
    ):
        yield f"not JSON: {text!r}", text


def mutations(count: int, seed: int = 5) -> Iterator[tuple[str, bytes]]:
    """The good body with bytes cut, put in, doubled or changed, where that breaks it."""
    rng = random.Random(seed)
    made = 0
    while made < count:
        body = bytearray(GOOD)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(body))
            match rng.randrange(4):
                case 0:
                    del body[at : at + rng.randint(1, 9)]
                case 1:
                    body[at:at] = rng.randbytes(rng.randint(1, 5))
                case 2:
                    body[at] = rng.choice(b'{}[]":,\\\x00\xff0')
                case _:
                    body[at:at] = body[: rng.randint(1, len(body))]
        if not acceptable(bytes(body)):
            made += 1
            yield f"mutation {made}", bytes(body)


def acceptable(body: bytes) -> bool:
    """Would a lenient reader find a ticket in it?"""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and bool(value.get("body")) and value.keys() <= TEXT.keys()


CASES = [*table()]
CASES += mutations(200 - len(CASES))


def timed(service: Service, body: bytes) -> tuple[Any, float]:
    """The answer and the seconds of processor time that it took, the client's own included."""
    started = time.thread_time()
    answer = service.request("POST", "/classify", content=body, headers={"Content-Type": "application/json"})
    return answer, time.thread_time() - started


def test_two_hundred_bodies_are_refused_quickly(runner: asyncio.Runner) -> None:
    assert len(CASES) == 200
    with running(runner, limits=generous()) as service:
        for name, body in CASES:
            answer, took = timed(service, body)
            assert 400 <= answer.status_code < 500, (name, answer.status_code)
            assert answer.headers["content-type"] == "application/problem+json", name
            assert answer.json()["status"] == answer.status_code
            if took > SLOW:  # perhaps it was the collection of garbage
                took = min(timed(service, body)[1] for _ in range(3))
            assert took < SLOW, (name, took)
        assert service.get("/tickets").json()["tickets"] == []


@pytest.mark.parametrize(
    "text",
    [
        "a" * 400_000,
        "{[:,]}" * 50_000,
        '"' * 100_000,
        "\\\\" * 50_000,
        "\\\\u0000 \\\\ud800",
        "ñ😀\u2028",
        "\x7f\x1b",
    ],
)
def test_a_text_may_hold_anything_that_json_can_say(service: Service, text: str) -> None:
    assert service.post("/classify", {"body": text}).status_code == 202


def test_counts_hold_at_their_edges() -> None:
    nested = b"[" * 16 + b"]" * 16
    assert parse(nested, 16, 100)
    assert len(parse(b"[" + b"1," * 90 + b"1]", 16, 100)) == 91
    for body, depth, members in ((nested, 15, 100), (b"[" + b"1," * 200 + b"1]", 16, 100)):
        with pytest.raises(Problem):
            parse(body, depth, members)


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=" + "a" * 5000,
        "application/json; charset=utf-16",
        "application/json;" + ";" * 5000,
        "application/json, text/plain",
        "application/jsonx",
        "a" * 9000,
    ],
)
def test_only_json_is_read(service: Service, kind: str) -> None:
    started = time.thread_time()
    for path in ("/classify", "/predict", "/predict_batch", "/tickets/batch"):
        answer = service.request("POST", path, content=GOOD, headers={"Content-Type": kind})
        assert answer.status_code == 415
    assert time.thread_time() - started < 0.1
    coded = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert service.request("POST", "/classify", content=GOOD, headers=coded).status_code == 415


def test_a_range_over_everything_changes_nothing(service: Service) -> None:
    ranges = {"Range": "bytes=" + ",".join(f"{i}-" for i in range(2000))}
    started = time.thread_time()
    assert service.get("/labels", headers=ranges).status_code == 200
    assert time.thread_time() - started < 0.1


def test_a_body_without_a_length_is_cut_at_the_cap(service: Service) -> None:
    given = 0

    def chunks() -> Iterator[dict[str, object]]:
        nonlocal given
        while True:
            given += 65_536
            yield {"type": "http.request", "body": b"x" * 65_536, "more_body": True}

    status, problem = service.runner.run(raw(service, {}, chunks()))
    assert (status, problem["type"]) == (413, "urn:tamiz:problem:long-body")
    assert given <= 2 * 1024 * 1024 + 2 * 65_536


@pytest.mark.parametrize(
    "length,status", [(b"99999999999999999999999", 413), (b"3000000", 413), (b"-1", 400), (b"x", 400)]
)
def test_a_length_is_believed_before_anything_is_read(service: Service, length: bytes, status: int) -> None:
    headers = [(b"content-length", length), (b"host", b"localhost")]
    assert service.runner.run(raw(service, {"headers": headers}, iter(())))[0] == status


def test_a_slow_body_is_given_up(runner: asyncio.Runner) -> None:
    with running(runner, limits=generous(body_seconds=0.1)) as service:
        first = [{"type": "http.request", "body": b'{"bo', "more_body": True}]
        started = time.monotonic()
        status, problem = service.runner.run(raw(service, {}, iter(first)))
        assert (status, problem["type"]) == (408, "urn:tamiz:problem:slow-body")
        assert time.monotonic() - started < 2


def test_slow_clients_on_real_sockets_harm_nobody(runner: asyncio.Runner) -> None:
    with (
        running(runner, limits=generous(body_seconds=0.5)) as service,
        served(service.app, timeout_graceful_shutdown=2) as place,
    ):
        key = service.keys["a", Role.SUBMIT]
        head = f"POST /classify HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"
        slow = [socket.create_connection(place, 10) for _ in range(100)]
        for one in slow:
            one.sendall(f"{head}Content-Length: 50\r\n\r\n".encode() + b'{"body"')
        with socket.create_connection(place, 10) as quick:
            started = time.monotonic()
            request = f"{head}Content-Length: {len(GOOD)}\r\n\r\n".encode() + GOOD
            quick.sendall(request * 3)  # pipelined
            seen = b""
            while seen.count(b"HTTP/1.1 202") < 3:
                seen += quick.recv(65_536)
            assert time.monotonic() - started < 2
        for one in slow:
            answer = one.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 408")
            assert b"connection: close" in answer.lower()
            one.close()


def test_nobody_reads_on_after_a_refusal(runner: asyncio.Runner) -> None:
    with (
        running(runner, limits=generous()) as service,
        served(service.app, timeout_graceful_shutdown=2) as place,
    ):
        with socket.create_connection(place, 10) as stranger:
            stranger.sendall(b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{")
            seen = b""
            while more := stranger.recv(65_536):
                seen += more
        assert seen.startswith(b"HTTP/1.1 401"), "and the connection was closed"


@pytest.mark.parametrize(
    "method,path,status",
    [
        ("GET", "/nix", 404),
        ("GET", "/tickets/", 404),
        ("GET", "//evil.example", 404),
        ("GET", "/classify", 405),
        ("DELETE", "/tickets", 405),
        ("PUT", "/tickets/x/feedback", 405),
        ("TRACE", "/health", 405),
        ("BREW", "/health", 405),
        ("GET", "/tickets/%2e%2e%2fhealth", 404),
        ("GET", "/docs", 404),
        ("OPTIONS", "/classify", 405),
    ],
)
def test_an_address_or_method_that_there_is_not(
    service: Service, method: str, path: str, status: int
) -> None:
    answer = service.runner.run(service.client.request(method, httpx.URL(f"http://localhost{path}")))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "location" not in answer.headers
    assert (status == 405) == ("allow" in answer.headers)
