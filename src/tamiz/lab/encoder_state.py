"""A training run's saved state: one safetensors file, its facts as JSON in the file's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tamiz.domain.errors import ConfigError

_NAME = "state.safetensors"


def save_state(folder: Path, tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Write the state so that a kill at any moment leaves the old or the new one, never half of it."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{_NAME}.new"
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(plain, fresh, metadata={"facts": json.dumps(facts)})
    fresh.replace(folder / _NAME)


def load_state(folder: Path, key: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The saved tensors and facts, or None when nothing was saved.

    ConfigError when the state is unreadable or belongs to a run with another configuration or other data.
    """
    path = folder / _NAME
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            facts: dict[str, Any] = json.loads(file.metadata()["facts"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, KeyError, json.JSONDecodeError) as error:
        raise ConfigError(
            key=str(path), mistake=f"cannot be read ({error}); delete it to start over"
        ) from error
    if facts["key"] != key:
        raise ConfigError(
            key=str(path),
            mistake="belongs to a run with other settings or data; delete it or choose another output",
        )
    return tensors, facts


def has_state(folder: Path) -> bool:
    """Whether a run saved its state here."""
    return (folder / _NAME).exists()


def forget_state(folder: Path) -> None:
    """Remove the saved state of a finished run; its TensorBoard events stay."""
    (folder / _NAME).unlink(missing_ok=True)
