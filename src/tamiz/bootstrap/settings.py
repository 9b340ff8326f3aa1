"""One frozen Settings from `tamiz.toml` and `TAMIZ_…` environment variables (the environment wins).

model = "starter"            # a name from `tamiz models list`, or a folder        TAMIZ_MODEL
home = "~/.local/share/tamiz"  # where models and state live                       TAMIZ_HOME
data = ""                    # folder of public data sets                          TAMIZ_DATA
[policy]                     # the most that may be done with a field
priority = "recommend"       # apply | recommend | review | off                    TAMIZ_POLICY_PRIORITY
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tamiz.domain.errors import ConfigError

FILE_NAME = "tamiz.toml"
_PREFIX = "TAMIZ_"
_POLICY = "TAMIZ_POLICY_"


class Settings(BaseModel):
    """What a person may set. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = "starter"
    home: Path = Field(default_factory=lambda: user_data_path("tamiz", appauthor=False))
    data: Path | None = None
    policy: dict[str, str] = {}


def load_settings(environ: Mapping[str, str], folder: Path) -> Settings:
    """Settings from `folder/tamiz.toml` (if there is one) and the environment.

    Raises ConfigError naming the key and the mistake.
    """
    values = _from_file(folder / FILE_NAME)
    for key in ("model", "home", "data"):
        if environ.get(_PREFIX + key.upper()):
            values[key] = environ[_PREFIX + key.upper()]
    policy = {key[len(_POLICY) :].lower(): value for key, value in environ.items() if key.startswith(_POLICY)}
    if policy:
        values["policy"] = {**values.get("policy", {}), **policy}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(key=key, mistake=first["msg"].lower()) from error
    return settings.model_copy(update={"home": settings.home.expanduser()})


def _from_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(key=str(path), mistake=f"cannot be read ({error})") from error
