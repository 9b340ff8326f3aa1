"""A Completer for Gemini, through Google's SDK. Its own retries are off, and it goes out through our client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tamiz.domain.errors import BadReplyError, MissingExtraError, ProviderError, RefusedError
from tamiz.domain.ports import Clock
from tamiz.models.llm import wire
from tamiz.models.llm.calls import Limits, never
from tamiz.models.llm.prompt import Message
from tamiz.models.llm.runtime import Reply

if TYPE_CHECKING:
    from google.genai import types

URL = "https://generativelanguage.googleapis.com"

_REFUSALS = frozenset(
    "SAFETY RECITATION LANGUAGE BLOCKLIST PROHIBITED_CONTENT SPII ESCALATION MODEL_ARMOR".split()
)
"""Reasons to stop that lie in what was asked or answered."""

_ROLES = {"user": "user", "assistant": "model"}


class Gemini:
    """One Gemini model; each call is one try (`calls.Caller` makes several). Threads may share it."""

    def __init__(
        self,
        model: str,
        clock: Clock,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        *,
        key: str,
        url: str = URL,
        alternatives: int = 0,
        thinking: int | None = 0,
        cancelled: Callable[[], bool] = never,
    ) -> None:
        """`alternatives` per token are asked for where the model tells them. `thinking` is how many tokens it may
        think before it answers; None leaves that to it. MissingExtraError without the SDK, ConfigError for a bad
        address or key.
        """
        try:
            from google import genai
            from google.genai import types
        except ImportError as error:
            raise MissingExtraError(package="google-genai", extra="llm-gemini") from error
        self.name = f"{model} at {wire.host(url)}"
        self._model, self._limits, self._key = model, limits, wire.checked_key(key)
        self._alternatives, self._thinking = alternatives, thinking
        self._http = wire.client(self.name, url, limits, clock, cancelled)
        options = types.HttpOptions(
            base_url=url,
            timeout=int(limits.answer * 1000),
            retry_options=types.HttpRetryOptions(attempts=1),
            httpx_client=self._http,
            httpx_async_client=wire.no_way(),
        )
        self._client = genai.Client(vertexai=False, api_key=key, http_options=options)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()
        self._http.close()

    def complete(self, messages: Sequence[Message], schema: Mapping[str, Any], limit: int) -> Reply:
        """One answer of at most `limit` tokens under a JSON schema. ProviderError where there is none."""
        from google.genai import errors

        told = [m for m in messages if m["role"] == "system"]
        turns = [
            {"role": _ROLES[m["role"]], "parts": [{"text": m["content"]}]}
            for m in messages
            if m["role"] != "system"
        ]
        config = self._config("\n\n".join(m["content"] for m in told), schema, limit)
        try:
            with wire.translated(self.name, self._limits):
                found = self._client.models.generate_content(model=self._model, contents=turns, config=config)
        except errors.APIError as error:
            raise self._failure(error) from error
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            # What is no JSON, and what has not the form that the SDK relies on unseen.
            raise BadReplyError(provider=self.name, reason="it is no answer of this API") from error
        return self._reply(found, limit)

    def _config(self, instruction: str, schema: Mapping[str, Any], limit: int) -> types.GenerateContentConfig:
        from google.genai import types

        thinking = types.ThinkingConfig(thinking_budget=self._thinking)
        return types.GenerateContentConfig(
            system_instruction=instruction,
            response_mime_type="application/json",
            response_json_schema=schema,
            max_output_tokens=limit + (self._thinking or 0),
            temperature=0,
            seed=0,
            thinking_config=None if self._thinking is None else thinking,
            response_logprobs=True if self._alternatives else None,
            logprobs=self._alternatives or None,
        )

    def _failure(self, error: Any) -> ProviderError:
        told = wire.one_line(str(error.message or ""), self._key)
        return wire.failure(self.name, int(error.code or 500), told, retry_after=_delay(error))

    def _reply(self, found: types.GenerateContentResponse, limit: int) -> Reply:
        blocked = found.prompt_feedback.block_reason if found.prompt_feedback else None
        if blocked:
            raise RefusedError(provider=self.name, reason=f"the question was blocked ({blocked.name})")
        if not found.candidates:
            raise BadReplyError(provider=self.name, reason="it holds no candidate")
        candidate = found.candidates[0]
        finish = candidate.finish_reason.name if candidate.finish_reason else ""
        if finish in _REFUSALS:
            raise RefusedError(provider=self.name, reason=f"the answer was blocked ({finish})")
        if finish == "MAX_TOKENS":
            raise wire.too_long(self.name, limit)
        if not finish:
            raise wire.truncated(self.name)
        if finish != "STOP":
            raise BadReplyError(provider=self.name, reason=f"it ended with {finish}")
        parts = (candidate.content.parts if candidate.content else None) or []
        text = "".join(part.text for part in parts if part.text and not part.thought)
        used = found.usage_metadata
        prompt = (used.prompt_token_count if used else None) or 0
        completion = sum((used.candidates_token_count or 0, used.thoughts_token_count or 0)) if used else 0
        return Reply(text, prompt, completion, _choices(candidate.logprobs_result))


def _choices(told: types.LogprobsResult | None) -> tuple[tuple[str, Mapping[str, float]], ...]:
    if told is None or not told.chosen_candidates:
        return ()
    leading = told.top_candidates or []
    found = []
    for i, chosen in enumerate(told.chosen_candidates):
        alternatives = leading[i].candidates or [] if i < len(leading) else []
        masses = {each.token or "": each.log_probability or 0.0 for each in [*alternatives, chosen]}
        found.append((chosen.token or "", masses))
    return tuple(found)


def _delay(error: Any) -> str:
    """The wait that a quota error asks for: its header, else the `retryDelay` ("34s") among its details."""
    header = error.response.headers.get("retry-after", "") if error.response is not None else ""
    body = error.details.get("error", {}) if isinstance(error.details, dict) else {}
    details = body.get("details", []) if isinstance(body, dict) else []
    delays = [d["retryDelay"] for d in details if isinstance(d, dict) and "retryDelay" in d]
    return str(header or (delays[0] if delays else "")).removesuffix("s")
