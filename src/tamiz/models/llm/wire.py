"""The way to a provider: an HTTP client whose answers are bounded in size and time, and errors in our own words."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tamiz.domain.errors import (
    BadReplyError,
    CancelledError,
    ConfigError,
    MissingExtraError,
    ProviderError,
    ProviderRejectedError,
    ProviderUnavailableError,
    RateLimitedError,
    SpentError,
)
from tamiz.domain.ports import Clock
from tamiz.models.llm.calls import Limits, never

try:
    import httpx
except ImportError as error:
    raise MissingExtraError(package="httpx", extra="llm") from error

MAX_BODY = 8_000_000
"""Bytes of an answer that are read; with 20 alternatives a token takes about 2,500."""

MAX_REASON = 200
"""Characters of a provider's own words that go into an error."""


def client(
    provider: str, url: str, limits: Limits, clock: Clock, cancelled: Callable[[], bool] = never
) -> httpx.Client:
    """A client for one provider. Answers beyond MAX_BODY or `limits.answer` seconds end in a ProviderError.

    Proxies of the environment are used, but never on the way to this machine. ConfigError for what is no http address.
    """
    host(url)
    timeout = httpx.Timeout(limits.read, connect=limits.connect)

    def start(request: httpx.Request) -> None:
        request.extensions |= {"timeout": timeout.as_dict(), "deadline": clock.monotonic() + limits.answer}

    def check(deadline: float) -> None:
        if cancelled():
            raise CancelledError(provider=provider)
        if clock.monotonic() > deadline:
            raise ProviderUnavailableError(
                provider=provider, reason=f"no whole answer within {limits.answer:g} s"
            )

    def guard(response: httpx.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise BadReplyError(provider=provider, reason="it is compressed, which was not asked for")
        assert isinstance(response.stream, httpx.SyncByteStream)
        deadline = response.request.extensions["deadline"]
        response.stream = _Bounded(response.stream, provider, lambda: check(deadline))

    return httpx.Client(
        timeout=timeout,
        headers={"Accept-Encoding": "identity"},
        verify=url.lower().startswith("https:"),  # reading certificates takes a while, and http needs none
        trust_env=not is_loopback(url),
        follow_redirects=False,
        event_hooks={"request": [start], "response": [guard]},
    )


def no_way() -> httpx.AsyncClient:
    """A client that reaches nobody, for a library that wants one it does not need."""
    return httpx.AsyncClient(transport=httpx.AsyncBaseTransport())


class _Bounded(httpx.SyncByteStream):
    """A body that stops at MAX_BODY; `check` is asked after every piece and raises where reading must end."""

    def __init__(self, stream: httpx.SyncByteStream, provider: str, check: Callable[[], None]) -> None:
        self._stream, self._provider, self._check = stream, provider, check

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        try:
            for piece in self._stream:
                size += len(piece)
                if size > MAX_BODY:
                    raise BadReplyError(
                        provider=self._provider, reason=f"it is longer than {MAX_BODY:,} bytes"
                    )
                self._check()
                yield piece
        except httpx.TimeoutException:
            raise
        except httpx.TransportError as error:
            raise truncated(self._provider) from error

    def close(self) -> None:
        self._stream.close()


@contextmanager
def translated(provider: str, limits: Limits) -> Iterator[None]:
    """Turns the client's errors into ours."""
    try:
        yield
    except httpx.ConnectTimeout as error:
        reason = f"no connection within {limits.connect:g} s"
        raise ProviderUnavailableError(provider=provider, reason=reason) from error
    except httpx.TimeoutException as error:
        reason = f"nothing came for {limits.read:g} s"
        raise ProviderUnavailableError(provider=provider, reason=reason) from error
    except httpx.RequestError as error:
        reason = one_line(str(error)) or type(error).__name__
        raise ProviderUnavailableError(provider=provider, reason=reason) from error


def failure(
    provider: str, status: int, told: str, *, retry_after: str = "", quota: bool = False
) -> ProviderError:
    """The error that an HTTP status means. `told` is the provider's own reason, `quota` that its account is used up."""
    if quota or status == 402:
        return SpentError(provider=provider, reason="its own account is used up")
    if status in (401, 403):  # what providers say here may quote the key
        return ProviderRejectedError(
            provider=provider, reason=f"its key is wrong, revoked or not allowed this ({status})"
        )
    reason = f"{told} ({status})" if told else f"status {status}"
    if status == 429:
        return RateLimitedError(provider=provider, reason=reason, retry_after=retry_after)
    if status in (408, 409, 425) or status >= 500:
        return ProviderUnavailableError(provider=provider, reason=reason, retry_after=retry_after)
    return ProviderRejectedError(provider=provider, reason=reason)


def truncated(provider: str) -> BadReplyError:
    """The error for an answer that ends too early."""
    return BadReplyError(provider=provider, reason="truncated: it ends in the middle")


def too_long(provider: str, limit: int) -> BadReplyError:
    """The error for an answer that reached its limit; asked again, it would reach it again."""
    return BadReplyError(provider=provider, reason=f"it is not finished after {limit} tokens", final=True)


def one_line(text: str, secret: str = "") -> str:
    """A provider's words as part of an error: one line, printable, short, without the key."""
    text = text.replace(secret, "***") if secret else text
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 10 * MAX_REASON]).split())
    return line if len(line) <= MAX_REASON else f"{line[: MAX_REASON - 1]}…"


def host(url: str) -> str:
    """The host of an http address, for people. ConfigError where there is none."""
    try:
        parts = urlsplit(url)
        name = parts.hostname if parts.scheme in ("http", "https") else None
        port = parts.port
    except ValueError:
        name, port = None, None
    if not name:
        raise ConfigError(key="llm.url", mistake="it is no http:// or https:// address")
    return f"{name}:{port}" if port else name


def checked_key(key: str) -> str:
    """A key that can be sent as a header; ConfigError, which does not quote it, for one that cannot."""
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(key="llm.key", mistake="it holds characters that no key has, such as blanks")
    return key


def is_loopback(url: str) -> bool:
    """Does an address lead to this machine?"""
    name = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
