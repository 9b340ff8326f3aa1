"""llama.cpp as a Scorer: embedded (a prebuilt wheel, in this process) or a llama-server somewhere else.

Both are spoken to over HTTP, the embedded one on a loopback port of its own with a key that only this process knows.
One slot is used, so that equal calls give equal answers. Adapters are loaded with the model and chosen per request.
"""

from __future__ import annotations

import json
import secrets
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tamiz.domain.errors import (
    BadReplyError,
    BrokenArtifactError,
    MissingExtraError,
    PromptTooLongError,
    ProviderError,
    ProviderRejectedError,
    ProviderUnavailableError,
    RateLimitedError,
)
from tamiz.models.llm.calls import Caller
from tamiz.models.llm.prompt import Message
from tamiz.models.llm.runtime import Reply

Post = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Sends JSON to a route and returns the JSON that comes back; ProviderError where none does."""

CONTEXT = 2048
TIMEOUT = 120.0
MASKED = 100.0
"""Added to the logits of the options: no other token of any model comes near."""


class LlamaScorer:
    """A model behind llama.cpp's HTTP routes."""

    def __init__(
        self, name: str, post: Post, adapters: Mapping[int, float] | None = None, owner: object = None
    ) -> None:
        self.name = name
        self.post = post
        self._lora = [{"id": i, "scale": scale} for i, scale in (adapters or {}).items()]
        self._owner = owner  # keeps an embedded server alive as long as its scorer

    @classmethod
    def open(
        cls, gguf: Path, adapter: Path | None = None, threads: int | None = None, context: int = CONTEXT
    ) -> LlamaScorer:
        """Load a GGUF model, and a GGUF LoRA adapter on it, into this process.

        BrokenArtifactError for a file that is missing or that llama.cpp cannot read, MissingExtraError without
        xllamacpp.
        """
        served = serve(gguf, adapter, threads, context)
        name = f"llama.cpp {gguf.stem}"
        return cls(name, http_post(served.url, served.key, name), {0: 1.0} if adapter else None, served)

    def with_adapter(self, scale: float) -> LlamaScorer:
        """The same model with its adapter at another strength; 0 is the model without."""
        return LlamaScorer(self.name, self.post, dict.fromkeys(range(len(self._lora)), scale), self._owner)

    def chat(self, messages: Sequence[Message]) -> str:
        """The messages in the model's own template."""
        return _text(self.post("/apply-template", {"messages": list(messages)}), "prompt", self.name)

    def tokens(self, text: str, *, special: bool = True) -> list[int]:
        """The tokens of a text as the model's own tokenizer gives them."""
        body = {"content": text, "add_special": False, "parse_special": special}
        found = self.post("/tokenize", body).get("tokens")
        if not isinstance(found, list):
            raise BadReplyError(provider=self.name, reason="no tokens in its answer")
        return found

    def forget(self, beginning: Sequence[int]) -> None:
        """Have the server compute these tokens, which takes one evaluation where it knows them, and drop the rest."""
        self._complete(beginning, max_tokens=1, temperature=0.0)

    def choose(self, prompt: Sequence[int], options: Sequence[int]) -> list[float]:
        """Probabilities of the options as the next token: one evaluation, all other tokens masked out."""
        count = len(options)
        reply = self._complete(
            prompt,
            max_tokens=1,
            temperature=1.0,
            top_k=count,
            top_p=1.0,
            min_p=0.0,
            logit_bias=[[token, MASKED] for token in options],
            n_probs=count,
            logprobs=count,
            post_sampling_probs=True,
        )
        try:
            top = reply["logprobs"]["content"][0]["top_probs"]
            found = {int(entry["id"]): float(entry["prob"]) for entry in top}
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise BadReplyError(provider=self.name, reason="no probabilities in its answer") from error
        masses = [found.get(token, 0.0) for token in options]
        total = sum(masses)
        if total <= 0.0:
            raise BadReplyError(provider=self.name, reason="it gives none of the options a probability")
        return [mass / total for mass in masses]

    def write(self, prompt: Sequence[int], limit: int) -> str:
        """The rest of the line, greedily."""
        reply = self._complete(prompt, max_tokens=limit, temperature=0.0, stop=["\n"])
        return _text(reply, "text", self.name)

    def _complete(self, prompt: Sequence[int], **options: Any) -> Mapping[str, Any]:
        body = {"prompt": list(prompt), "cache_prompt": True, **options}
        if self._lora:
            body["lora"] = self._lora
        reply = self.post("/v1/completions", body)
        try:
            return dict(reply["choices"][0])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise BadReplyError(provider=self.name, reason="no completion in its answer") from error


def http_post(url: str, key: str, name: str, timeout: float = TIMEOUT) -> Post:
    """Posts to a llama-server; connections are kept open. MissingExtraError without httpx."""
    if find_spec("httpx") is None:
        raise MissingExtraError(package="httpx", extra="llm")
    import httpx

    headers = {"Authorization": f"Bearer {key}"} if key else {}
    client = httpx.Client(base_url=url, headers=headers, timeout=timeout, trust_env=False)

    def post(route: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            response = client.post(route, json=body)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise ProviderUnavailableError(provider=name, reason=reason) from error
        return _body(response.status_code, response.content, name)

    weakref.finalize(post, client.close)  # with the last scorer that posts through it
    return post


def retried(post: Post, caller: Caller) -> Post:
    """The same route with a caller's patience: retries, circuit and caps."""

    def careful(route: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        found: list[Mapping[str, Any]] = []

        def attempt() -> Reply:
            found.append(post(route, body))
            used = found[-1].get("usage") or {}
            return Reply("", used.get("prompt_tokens", 0), used.get("completion_tokens", 0))

        return caller.call(attempt, lambda reply: found[-1])

    return careful


_STATUS: Mapping[int, type[ProviderError]] = {
    401: ProviderRejectedError,
    403: ProviderRejectedError,
    404: ProviderRejectedError,
    429: RateLimitedError,
}


def _body(status: int, content: bytes, name: str) -> Mapping[str, Any]:
    kind = _STATUS.get(status, ProviderUnavailableError if status >= 500 else BadReplyError)
    try:
        found = json.loads(content)
    except ValueError as error:
        raise kind(provider=name, reason=f"HTTP {status} without JSON") from error
    if status < 400 and isinstance(found, dict):
        return found
    told = found.get("error", {}) if isinstance(found, dict) else {}
    if isinstance(told, dict) and told.get("type") == "exceed_context_size_error":
        raise PromptTooLongError(provider=name, room=told.get("n_ctx", 0))
    words = told.get("message", "") if isinstance(told, dict) else str(told)
    raise kind(provider=name, reason=f"HTTP {status} {words}".strip())


def _text(reply: Mapping[str, Any], key: str, name: str) -> str:
    found = reply.get(key)
    if not isinstance(found, str):
        raise BadReplyError(provider=name, reason=f"no {key} in its answer")
    return found


@dataclass(frozen=True, slots=True)
class Served:
    """A llama.cpp server in this process: it lives as long as this object. It speaks OpenAI's protocol below /v1."""

    server: object
    url: str
    key: str


def serve(
    gguf: Path, adapter: Path | None = None, threads: int | None = None, context: int = CONTEXT
) -> Served:
    """Start a server on a free loopback port; the adapter is loaded and at rest. Errors as in `LlamaScorer.open`."""
    if find_spec("xllamacpp") is None:
        raise MissingExtraError(package="xllamacpp", extra="llm")
    for path in (gguf, adapter):  # llama.cpp would only say that loading failed
        if path is not None and not path.is_file():
            raise BrokenArtifactError(path=path, mistake="there is no such file")
    import xllamacpp

    key = secrets.token_urlsafe(24)
    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_ctx, params.n_parallel, params.n_gpu_layers = context, 1, 0
    params.verbosity, params.ui = -1, False
    params.cache_ram_mib = 0  # prompts kept aside are found again without a look at the adapter's strength
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [key]
    if threads:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    if adapter is not None:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 0.0)]
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise BrokenArtifactError(path=gguf, mistake=f"llama.cpp cannot load it ({error})") from error
    return Served(server, str(server.listening_address), key)
