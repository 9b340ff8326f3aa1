"""A shelf of models that are there by name."""

from __future__ import annotations

from collections.abc import Mapping
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

    def sound(self, model: str) -> Model:
        """The model of that name, whatever hash is asked for."""
        name = model.partition("@")[0]
        if name not in self.models:
            raise ModelNotFoundError(name=name, known=", ".join(self.models))
        return self.models[name]

    def hash_of(self, model: str) -> str:
        """The content hash of a model."""
        return self.sound(model).info.content_hash

    def moved(self, tenant: str, active: Activation | None) -> None:
        """Keep it."""
        self.moves.append((tenant, active))

    def step_back(self, before: Activation | None) -> None:
        """There is no other pointer: NoEarlierModelError where the store had none either."""
        if before is None:
            raise NoEarlierModelError(tenant=DEFAULT_TENANT)
