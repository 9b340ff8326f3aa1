"""A shelf of models that are there by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tamiz.domain.errors import ModelNotFoundError, NoEarlierModelError
from tamiz.domain.ports import Model
from tamiz.domain.records import Activation
from tamiz.domain.ticket import DEFAULT_TENANT


@dataclass
class ScriptedShelf:
    """The Shelf of `service.models`; `moves` keeps what it was told."""

    models: Mapping[str, Model]
    moves: list[tuple[str, Activation | None]] = field(default_factory=list)
    versions: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def sound(self, model: str) -> Model:
        """The model of that name, whatever hash is asked for."""
        name = model.partition("@")[0]
        if name not in self.models:
            raise ModelNotFoundError(name=name, known=", ".join(self.models))
        return self.models[name]

    def hashes_of(self, model: str) -> list[str]:
        """The content hash of a model, and those of its other `versions`."""
        return [self.sound(model).info.content_hash, *self.versions.get(model, ())]

    def moved(self, tenant: str, active: Activation | None) -> None:
        """Keep it."""
        self.moves.append((tenant, active))

    def step_back(self, before: Activation | None) -> None:
        """There is no other pointer: NoEarlierModelError where the store had none either."""
        if before is None:
            raise NoEarlierModelError(tenant=DEFAULT_TENANT)
