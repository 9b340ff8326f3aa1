"""A provider on a loopback port that answers from a script, and that can do all that providers do on their bad days.

    with MisbehavingServer([status(500), chat('{"category": "Access"}')]) as server:
        OpenAICompatible(server.url + "/v1", ...)

Bodies have the form of OpenAI's chat completions, or of Gemini's (`gemini`).
"""

from __future__ import annotations

import json
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any

Reply = Callable[["Handler"], None]
"""Answers one request, in whatever way."""

Token = tuple[str, Mapping[str, float]]
"""A token and its leading alternatives (text → log-probability)."""

CHUNK_ID = "chatcmpl-9f2c"
QUOTA = {
    "message": "You exceeded your current quota.",
    "type": "insufficient_quota",
    "code": "insufficient_quota",
}


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        """The JSON that was sent."""
        return json.loads(self.text)


class MisbehavingServer:
    """Answers the n-th request with the n-th reply of a script, and all later ones with the last."""

    def __init__(self, script: Sequence[Reply]) -> None:
        self.script = list(script)
        self.requests: list[Received] = []
        self.closing = Event()
        self._lock = Lock()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.owner = self
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self, received: Received) -> Reply:
        """Note a request; the reply that it gets."""
        with self._lock:
            self.requests.append(received)
            return self.script[min(len(self.requests), len(self.script)) - 1]

    def __enter__(self) -> MisbehavingServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    owner: MisbehavingServer
    daemon_threads = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is within its rights."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One request, and the means to answer it."""

    server: _Server

    def do_POST(self) -> None:
        """Answer from the script."""
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode("utf-8")
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.owner.take(Received(self.path, headers, text))(self)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def head(self, code: int, kind: str, headers: Mapping[str, str] | None = None) -> None:
        """The status line and the headers."""
        self.send_response(code)
        for name, value in {"Content-Type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def idle(self, seconds: float) -> bool:
        """Wait, but not beyond the server's end; is it still there?"""
        return not self.server.owner.closing.wait(seconds)


def chat(text: str, tokens: Sequence[Token] = (), finish: str = "stop") -> Reply:
    """A streamed chat completion of a text, in the pieces of its `tokens` where they are given."""
    return stream([*_pieces(text, tokens), _chunk({}, finish), _usage(), "[DONE]"])


def refusal(words: str = "I cannot help with that.") -> Reply:
    """The model declines."""
    return stream([_chunk({"role": "assistant", "refusal": words}), _chunk({}, "stop"), _usage(), "[DONE]"])


def cut_off(text: str) -> Reply:
    """A stream that ends without a word in the middle of a text."""
    return stream(_pieces(text, ()))


def cut_short(text: str) -> Reply:
    """A stream whose connection breaks before the length that was announced."""
    return stream(_pieces(text, ()), {"Content-Length": "100000"})


def trickle(seconds: float, piece: str = " ") -> Reply:
    """A stream that never ends: a piece of text every few seconds."""

    def reply(handler: Handler) -> None:
        handler.head(200, "text/event-stream")
        while handler.idle(seconds):
            handler.wfile.write(_event(_chunk({"content": piece})))

    return reply


def oversized(size: int) -> Reply:
    """A stream of so many bytes."""
    return stream([_chunk({"content": "x" * 10_000})] * (size // 10_000 + 1))


def stream(events: Iterable[str], headers: Mapping[str, str] | None = None) -> Reply:
    """Server-sent events, as they are."""

    def reply(handler: Handler) -> None:
        handler.head(200, "text/event-stream; charset=utf-8", headers)
        for event in events:
            handler.wfile.write(_event(event))

    return reply


def gemini(text: str, finish: str = "STOP", **more: Any) -> Reply:
    """A Gemini answer; `more` members are added to its candidate."""
    content = {"role": "model", "parts": [{"text": text}]} if text else {"role": "model"}
    ended = {"finishReason": finish} if finish else {}
    candidate = {"content": content, "index": 0, **ended, **more}
    usage = {"promptTokenCount": 41, "candidatesTokenCount": 12, "totalTokenCount": 53}
    return json_body(200, {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m"})


def gemini_error(code: int, status: str, message: str, **details: Any) -> Reply:
    """An error of Google's APIs."""
    error = {"code": code, "message": message, "status": status, "details": [details] if details else []}
    return json_body(code, {"error": error})


def status(code: int, error: Any = None, retry_after: str = "") -> Reply:
    """An HTTP status with an error in OpenAI's form, and a Retry-After (seconds or an HTTP date) where one is given."""
    facts = error or {"message": f"status {code} on purpose", "type": "error", "code": None}
    return json_body(code, {"error": facts}, {"Retry-After": retry_after} if retry_after else None)


def json_body(code: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
    """A status and a JSON document."""
    return body_of(code, "application/json", json.dumps(body).encode(), headers)


def html(code: int = 200) -> Reply:
    """The page of some proxy in between."""
    return body_of(code, "text/html", b"<!doctype html><title>Sign in</title><p>Please sign in.</p>")


def body_of(code: int, kind: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
    """A status and any body."""

    def reply(handler: Handler) -> None:
        handler.head(code, kind, {"Content-Length": str(len(body)), **(headers or {})})
        handler.wfile.write(body)

    return reply


def slow(seconds: float, then: Reply) -> Reply:
    """Nothing for a while, then a reply."""

    def reply(handler: Handler) -> None:
        if handler.idle(seconds):
            then(handler)

    return reply


def reset(handler: Handler) -> None:
    """The connection is reset before an answer."""
    linger_off = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_off)
    handler.close_connection = True
    handler.connection.close()


def garbage(handler: Handler) -> None:
    """Bytes that are no HTTP."""
    handler.wfile.write(b"\x16\x03\x01\x02\x00\xff\xfe\x00garbage\r\n\r\n")


def _pieces(text: str, tokens: Sequence[Token]) -> list[str]:
    start = _chunk({"role": "assistant", "content": ""})
    if tokens:
        return [start, *(_chunk({"content": token}, logprobs=_told(token, tops)) for token, tops in tokens)]
    return [start, *(_chunk({"content": text[i : i + 7]}) for i in range(0, len(text), 7))]


def _told(token: str, tops: Mapping[str, float]) -> dict[str, Any]:
    leading = [
        {"token": text, "logprob": value, "bytes": list(text.encode())} for text, value in tops.items()
    ]
    chosen = {"token": token, "logprob": tops.get(token, -9999.0), "bytes": list(token.encode())}
    return {"content": [{**chosen, "top_logprobs": leading}], "refusal": None}


def _chunk(delta: Mapping[str, Any], finish: str | None = None, logprobs: Any = None) -> str:
    choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
    return _document(choices=[choice], usage=None)


def _usage() -> str:
    return _document(choices=[], usage={"prompt_tokens": 41, "completion_tokens": 12, "total_tokens": 53})


def _document(**members: Any) -> str:
    return json.dumps(
        {"id": CHUNK_ID, "object": "chat.completion.chunk", "created": 1_767_225_600, "model": "m", **members}
    )


def _event(data: str) -> bytes:
    return f"data: {data}\n\n".encode()
