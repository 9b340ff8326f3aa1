"""Training configurations as TOML: a file, or a profile that ships beside the code; every mistake names its key."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tamiz.domain.errors import ConfigError

Config = TypeVar("Config", bound=BaseModel)


def parse(kind: type[Config], data: dict[str, Any], source: str) -> Config:
    """A configuration from plain data; ConfigError names the key and the mistake."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise ConfigError(key=source, mistake=message) from error
        key = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            known = ", ".join(sorted(kind.model_fields))
            raise ConfigError(key=key, mistake=f"is not a setting of {source}; known are {known}") from error
        message = message[:1].lower() + message[1:]
        raise ConfigError(key=key, mistake=f"{message}, not {first['input']!r} ({source})") from error


def load(kind: type[Config], path: str | Path, package: str) -> Config:
    """Read a TOML file, or by its name a profile of the package that the configuration belongs to."""
    name, ready = str(path), profiles(package)
    try:
        text = _folder(package).joinpath(f"{name}.toml").read_text("utf-8") if name in ready else _read(path)
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(ready)
        raise ConfigError(key=name, mistake=f"cannot be read ({error}); profiles are {known}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(key=name, mistake=f"is not valid TOML: {error}") from error
    return parse(kind, data, name)


def profiles(package: str) -> tuple[str, ...]:
    """The names of a package's ready profiles."""
    return tuple(sorted(Path(f.name).stem for f in _folder(package).iterdir() if f.name.endswith(".toml")))


def _folder(package: str) -> Any:
    return resources.files(package).joinpath("profiles")


def _read(path: str | Path) -> str:
    return Path(path).read_text("utf-8-sig")
