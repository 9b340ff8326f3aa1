"""Which language model stands behind the encoder, from the settings."""

from __future__ import annotations

import random
import time

from tamiz.bootstrap.clock import SystemClock
from tamiz.bootstrap.settings import LlmSettings, Settings
from tamiz.bootstrap.wiring import STARTER_LLM, cache_folder, registry
from tamiz.domain.errors import ConfigError
from tamiz.domain.ports import Model, Writer
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Pool
from tamiz.models.artifact import read_manifest
from tamiz.models.llm.calls import Caller, Limits
from tamiz.models.llm.llama import LlamaScorer, http_post, retried
from tamiz.models.llm.runtime import Completer, Scorer
from tamiz.models.llm.structured import StructuredWriter
from tamiz.models.llm.writer import KIND, LlmModel
from tamiz.pipeline.cascade import Cascade, SummaryMode


def find_cascade(settings: Settings, model: Model, like: Writer | None = None) -> Cascade:
    """What the settings put behind a model; only the severity floor where they name no language model. Weights that
    `like` has in memory are not loaded once more.

    MissingExtraError, MissingWeightsError or ConfigError where it cannot be had.
    """
    if settings.llm.kind == "off":
        return Cascade()
    scorer = like.decoder.scorer if isinstance(like, LlmModel) else None
    writer = find_writer(settings, model.taxonomy, scorer)
    learned = writer.pools_with(model.info.content_hash) if isinstance(writer, LlmModel) else {}
    pools = {name: Pool(w["encoder"], w["writer"], tuple(w["bias"])) for name, w in learned.items()}
    return Cascade(writer, pools, SummaryMode(settings.llm.summary))


def find_writer(settings: Settings, taxonomy: Taxonomy, scorer: Scorer | None = None) -> Writer:
    """The language model that the settings name, aimed at a taxonomy; over a `scorer` that has its weights already."""
    chosen = settings.llm
    if chosen.kind == "embedded":
        return _artifact(settings, scorer).aimed_at(taxonomy)
    limits = Limits(token_cap=chosen.token_cap or None)
    if not chosen.url and chosen.kind != "gemini":
        raise ConfigError(key="llm.url", mistake=f"is needed for kind '{chosen.kind}' (TAMIZ_LLM_URL)")
    if chosen.kind == "llama-server":
        post = http_post(chosen.url, chosen.key.get_secret_value(), chosen.kind)
        scorer = LlamaScorer(chosen.kind, retried(post, _caller(chosen.kind, limits)), {0: 1.0})
        return _artifact(settings, scorer).aimed_at(taxonomy)
    if not chosen.model:
        raise ConfigError(key="llm.model", mistake="names no model of the provider (TAMIZ_LLM_MODEL)")
    completer = _completer(chosen, limits)
    return StructuredWriter(completer, taxonomy, _caller(completer.name, limits))


def _caller(provider: str, limits: Limits) -> Caller:
    return Caller(provider, SystemClock(), time.sleep, random.SystemRandom().random, limits)


def _artifact(settings: Settings, scorer: Scorer | None) -> LlmModel:
    name = settings.llm.model or STARTER_LLM
    folder = registry(settings).resolve(name)
    if read_manifest(folder).kind != KIND:
        raise ConfigError(key="llm.model", mistake=f"'{name}' is no language model")
    return LlmModel.open(folder, settings.llm.base, scorer, cache_folder(settings))


def _completer(chosen: LlmSettings, limits: Limits) -> Completer:
    """The client of a provider; its SDK or HTTP library is loaded only here."""
    key = chosen.key.get_secret_value()
    if chosen.kind == "gemini":
        from tamiz.models.llm.gemini import URL, Gemini

        return Gemini(chosen.model, SystemClock(), limits, key=key, url=chosen.url or URL)
    from tamiz.models.llm.openai_compatible import OpenAICompatible

    return OpenAICompatible(
        chosen.url, chosen.model, SystemClock(), limits, key=key, alternatives=chosen.alternatives
    )
