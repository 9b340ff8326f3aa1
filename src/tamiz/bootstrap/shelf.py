"""The models within reach of this process: named, looked through, opened; and the pointer by which commands go."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from tamiz.bootstrap.live import LiveJudges, open_judges
from tamiz.bootstrap.settings import Settings
from tamiz.bootstrap.wiring import registry
from tamiz.domain.errors import ArtifactError, BrokenArtifactError
from tamiz.domain.ports import Clock, Model, ModelInfo
from tamiz.domain.records import Activation
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.ticket import DEFAULT_TENANT
from tamiz.models.artifact import read_manifest, read_taxonomy, verify
from tamiz.text import TEXT_VERSION

UNFIT = (OSError, ValueError, RuntimeError, LookupError, TypeError, MemoryError)
"""What opening a model may raise that is as it was made, but was made wrong or is too big; the tree's own errors aside."""


class FolderShelf:
    """The Shelf of `service.models` over the data folder, for whoever triages nothing himself."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._models = registry(settings)

    def known(self) -> list[ModelInfo]:
        """Every model within reach, newest first."""
        return [read_manifest(entry.path).info for entry in self._models.readable()[0]]

    def hashes_of(self, model: str) -> list[str]:
        """The content hashes of all versions of a model by name or `name@hash-prefix`. ArtifactError for none."""
        return [entry.content_hash for entry in self._models.versions(model)]

    def taxonomy_of(self, activation: Activation | None) -> Taxonomy:
        """The taxonomy inside a tenant's model, or inside that of the house. ArtifactError."""
        folder = self.folder_of(activation)
        return read_taxonomy(folder, read_manifest(folder))

    def folder_of(self, activation: Activation | None) -> Path:
        """Where a tenant's model lies, or that of the house: the one that the file pointer names, else the configured
        one. ModelNotFoundError."""
        if activation is not None:
            return self._models.find(activation.model)
        return self._models.active() or self._configured

    @cached_property
    def _configured(self) -> Path:
        """Looked up once: a new version of that name is taken into use by a person, not by being made."""
        return self._models.resolve(self._settings.model)

    def sound(self, model: str) -> Model:
        """A model by name or `name@hash`, looked through and opened. ArtifactError, ConfigError."""
        return self.open(self._models.find(model)).current.model

    def open(self, folder: Path, like: LiveJudges | None = None) -> LiveJudges:
        """A sound model folder with what the settings put around it. ArtifactError; ConfigError where the policy file does
        not fit to it."""
        check_sound(folder)
        try:
            return open_judges(self._settings, folder, self._clock, like)
        except UNFIT as error:
            mistake = f"it cannot be opened ({type(error).__name__}: {error})"
            raise ArtifactError(path=folder, mistake=mistake) from error

    def moved(self, tenant: str, active: Activation | None) -> None:
        """The file pointer follows that of the default tenant."""
        if tenant == DEFAULT_TENANT and active is not None:
            self._models.follow(self._models.find(active.model))

    def step_back(self, before: Activation | None) -> None:
        """The file pointer one step back, where it stands at that model. NoEarlierModelError, ArtifactError."""
        folder = self._models.active()
        if before is None or (folder is not None and _is(folder, before)):
            self._models.rollback()


def _is(folder: Path, activation: Activation) -> bool:
    """Is this the folder of that model? Also where it is damaged: all the more somebody wants to get away from it."""
    try:
        return read_manifest(folder).content_hash == activation.content_hash
    except BrokenArtifactError:
        return activation.content_hash.startswith(folder.name)


def check_sound(folder: Path) -> None:
    """BrokenArtifactError where a file is not as it was made, or the model was trained on another view of texts."""
    problems, made_for = verify(folder), read_manifest(folder).text_version
    if made_for != TEXT_VERSION:
        problems.append(f"it reads version {made_for} of the text, and this Tamiz writes {TEXT_VERSION}")
    if problems:
        raise BrokenArtifactError(path=folder, mistake="; ".join(problems[:3]))
