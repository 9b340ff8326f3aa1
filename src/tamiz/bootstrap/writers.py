"""Which language model stands behind the encoder, from the settings."""

from __future__ import annotations

from tamiz.bootstrap.settings import Settings
from tamiz.bootstrap.wiring import STARTER_LLM, registry
from tamiz.domain.errors import ConfigError
from tamiz.domain.ports import Model, Writer
from tamiz.domain.taxonomy import Taxonomy
from tamiz.models.llm.writer import LlmModel
from tamiz.models.open import open_model
from tamiz.pipeline.cascade import Cascade, Pool, SummaryMode


def find_cascade(settings: Settings, model: Model) -> Cascade:
    """What the settings put behind a model; only the severity floor where they name no language model.

    MissingExtraError, MissingWeightsError or ConfigError where it cannot be had.
    """
    if settings.llm.kind == "off":
        return Cascade()
    writer = find_writer(settings, model.taxonomy)
    learned = writer.pools_with(model.info.content_hash) if isinstance(writer, LlmModel) else {}
    pools = {name: Pool(w["encoder"], w["writer"], tuple(w["bias"])) for name, w in learned.items()}
    return Cascade(writer, pools, SummaryMode(settings.llm.summary))


def find_writer(settings: Settings, taxonomy: Taxonomy) -> Writer:
    """The language model that the settings name, aimed at a taxonomy."""
    chosen = settings.llm
    if chosen.kind == "embedded":
        opened = open_model(registry(settings).resolve(chosen.model or STARTER_LLM), chosen.base)
        if not isinstance(opened, LlmModel):
            raise ConfigError(key="llm.model", mistake=f"'{chosen.model}' is no language model")
        return opened.aimed_at(taxonomy)
    raise ConfigError(key="llm.kind", mistake=f"'{chosen.kind}' is not wired")
