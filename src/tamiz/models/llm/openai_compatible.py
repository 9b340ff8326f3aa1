"""A Completer for any server that speaks OpenAI's chat completions: vLLM (a LoRA adapter is a model name), Ollama,
llama-server, OpenAI.

Answers are streamed, so that one which breaks off is told from one that ends, and waiting for one can be given up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, FiniteFloat, NonNegativeInt, ValidationError
from pydantic_core import from_json

from tamiz.domain.errors import BadReplyError, ProviderError, RefusedError
from tamiz.domain.ports import Clock
from tamiz.models.llm import wire
from tamiz.models.llm.calls import Limits, never
from tamiz.models.llm.prompt import Message
from tamiz.models.llm.runtime import Reply

if TYPE_CHECKING:
    import httpx

ALTERNATIVES = 20
"""The most alternatives per token that OpenAI and vLLM tell."""


class OpenAICompatible:
    """One model on one server; each call is one try (`calls.Caller` makes several). Threads may share it."""

    def __init__(
        self,
        url: str,
        model: str,
        clock: Clock,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        *,
        key: str = "",
        alternatives: int = ALTERNATIVES,
        extra: Mapping[str, Any] | None = None,
        cancelled: Callable[[], bool] = never,
    ) -> None:
        """`url` ends before /chat/completions. `alternatives` per token are asked for, 0 where the server tells none.
        `extra` members are added to each request, or left out of it where they are None. ConfigError for a bad address
        or key.
        """
        self.name = f"{model} at {wire.host(url)}"
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._model, self._limits, self._key = model, limits, wire.checked_key(key)
        self._alternatives, self._extra = alternatives, dict(extra or {})
        self._client = wire.client(self.name, url, limits, clock, cancelled)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def complete(self, messages: Sequence[Message], schema: Mapping[str, Any], limit: int) -> Reply:
        """One answer of at most `limit` tokens under a JSON schema. ProviderError where there is none."""
        body = json.dumps(self._body(messages, schema, limit))
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        with (
            wire.translated(self.name, self._limits),
            self._client.stream("POST", self._url, content=body, headers=headers) as response,
        ):
            if response.status_code != 200:
                raise self._failure(response)
            kind = response.headers.get("content-type", "")
            if not kind.startswith("text/event-stream"):
                reason = f"'{wire.one_line(kind)}' instead of a stream of events"
                raise BadReplyError(provider=self.name, reason=reason)
            return self._read(response.iter_bytes(), limit)

    def _body(self, messages: Sequence[Message], schema: Mapping[str, Any], limit: int) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": list(messages),
            "max_tokens": limit,
            "temperature": 0,
            "seed": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "ticket", "strict": True, "schema": schema},
            },
        }
        if self._alternatives:
            body |= {"logprobs": True, "top_logprobs": self._alternatives}
        return {name: value for name, value in (body | self._extra).items() if value is not None}

    def _read(self, pieces: Iterable[bytes], limit: int) -> Reply:
        draft = _Draft()
        for data in _events(pieces):
            if data == b"[DONE]":
                return draft.reply(self.name, limit)
            try:
                chunk = _Chunk.model_validate_json(data)
            except ValidationError as error:
                reason = "an event of its stream is no part of a chat completion"
                raise BadReplyError(provider=self.name, reason=reason) from error
            if chunk.error is not None:
                raise self._told(500, chunk.error)
            draft.take(chunk)
        raise wire.truncated(self.name)

    def _failure(self, response: httpx.Response) -> ProviderError:
        body: Any = None
        with suppress(ProviderError, ValueError), wire.translated(self.name, self._limits):
            body = from_json(b"".join(response.iter_bytes()))
        error = body.get("error", body) if isinstance(body, dict) else None
        return self._told(response.status_code, error, response.headers.get("retry-after", ""))

    def _told(self, status: int, error: Any, retry_after: str = "") -> ProviderError:
        """The error that a server describes: an object with a message and maybe a code, or a text."""
        facts = error if isinstance(error, dict) else {"message": error}
        code, kind, message = facts.get("code"), facts.get("type"), facts.get("message")
        told = wire.one_line(message, self._key) if isinstance(message, str) else ""
        quota = "insufficient_quota" in (code, kind)
        return wire.failure(self.name, status, told, retry_after=retry_after, quota=quota)


class _Alternative(BaseModel):
    token: str
    logprob: FiniteFloat


class _Token(_Alternative):
    top_logprobs: list[_Alternative] = []


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _Delta(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    delta: _Delta = _Delta()
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Usage(BaseModel):
    prompt_tokens: NonNegativeInt = 0
    completion_tokens: NonNegativeInt = 0


class _Chunk(BaseModel):
    """One event of a stream. OpenAI tells usage in an event of its own, others in the last one of the answer."""

    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: Any = None


class _Draft:
    """An answer as far as it came."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._choices: list[tuple[str, Mapping[str, float]]] = []
        self._usage = _Usage()
        self._finish: str | None = None

    def take(self, chunk: _Chunk) -> None:
        """Add what one event brings."""
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices:
            self._text.append(choice.delta.content or "")
            self._refusal.append(choice.delta.refusal or "")
            self._finish = choice.finish_reason or self._finish
            for token in (choice.logprobs and choice.logprobs.content) or []:
                told = [
                    *token.top_logprobs,
                    token,
                ]  # under a grammar the chosen one may not be among the leading
                self._choices.append((token.token, {each.token: each.logprob for each in told}))

    def reply(self, provider: str, limit: int) -> Reply:
        """The whole answer. RefusedError or BadReplyError where it is none."""
        refusal = "".join(self._refusal)
        if refusal or self._finish == "content_filter":
            raise RefusedError(provider=provider, reason=wire.one_line(refusal) or "its content filter")
        if self._finish is None:
            raise wire.truncated(provider)
        if self._finish == "length":
            raise wire.too_long(provider, limit)
        if self._finish != "stop":
            reason = f"it ended with '{wire.one_line(self._finish)}'"
            raise BadReplyError(provider=provider, reason=reason)
        used = self._usage
        return Reply("".join(self._text), used.prompt_tokens, used.completion_tokens, tuple(self._choices))


def _events(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The data of server-sent events, one line each; a line that does not end is dropped, as the format wants it."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()
