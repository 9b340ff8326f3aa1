"""The only place that names concrete classes: which model, which registry, which text view."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from tamiz.bootstrap.settings import Settings
from tamiz.domain.ports import Model
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.ticket import CanonicalText, RawMessage
from tamiz.models.open import open_model
from tamiz.models.registry import FileRegistry
from tamiz.text import canonicalize

STORE_FOLDER = "store"
STARTER = "starter"
STARTER_LLM = "starter-llm"


def canonicalizer(message: RawMessage) -> CanonicalText:
    """The canonical view with the built-in redaction rules."""
    return canonicalize(message)


def registry(settings: Settings) -> FileRegistry:
    """Models below the data folder, and the starter that ships with the package."""
    return FileRegistry(settings.home, {STARTER: starter_folder(), STARTER_LLM: starter_folder("llm")})


def starter_folder(part: str = "model") -> Path:
    """Where the shipped starter model lies, or the shipped adapter ("llm"): package data, never zipped."""
    return Path(str(resources.files("tamiz.starter"))) / part


def find_model(name: str, settings: Settings) -> Model:
    """Open a model by name or folder; an empty name means the active one, else the configured one."""
    models = registry(settings)
    active = None if name else models.active()
    folder = active if active is not None else models.resolve(name or settings.model)
    return open_model(folder, settings.llm.base, cache_folder(settings))


def cache_folder(settings: Settings) -> Path:
    """Where files lie that can be made again."""
    return settings.home / "cache"


def has_store(settings: Settings) -> bool:
    """Has a service been set up here, or is there a database server?"""
    return bool(settings.store_url.get_secret_value()) or any((settings.home / STORE_FOLDER).glob("*.sqlite"))


def zero_shot(taxonomy: Taxonomy) -> Model:
    """A model for a taxonomy that nothing was trained on, over the starter's encoder."""
    from tamiz.models.encoder import EncoderModel
    from tamiz.models.zero import ZeroShotModel

    starter = EncoderModel.open(starter_folder())
    return ZeroShotModel(starter.encoder, taxonomy, starter.info.text_version)
