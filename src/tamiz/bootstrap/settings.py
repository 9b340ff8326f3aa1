"""One frozen Settings from `tamiz.toml` and `TAMIZ_…` environment variables (the environment wins).

model = "starter"            # a name from `tamiz models list`, or a folder        TAMIZ_MODEL
home = "~/.local/share/tamiz"  # where models and state live                       TAMIZ_HOME
data = ""                    # folder of public data sets                          TAMIZ_DATA
[policy]                     # the most that may be done with a field
priority = "recommend"       # apply | recommend | review | off                    TAMIZ_POLICY_PRIORITY
[llm]                        # the language model behind the encoder
kind = "off"                 # off | embedded | llama-server | openai | gemini     TAMIZ_LLM_KIND
model = "starter-llm"        # a model folder or name; the provider's name         TAMIZ_LLM_MODEL
base = ""                    # the GGUF file below an adapter, else its wheel       TAMIZ_LLM_BASE
url = ""                     # of a server                                         TAMIZ_LLM_URL
summary = "llm"              # llm | extractive | off                              TAMIZ_LLM_SUMMARY
token_cap = 0                # tokens that a process may use, 0 without a cap      TAMIZ_LLM_TOKEN_CAP
alternatives = 20            # log-probabilities asked for per token, 0: none       TAMIZ_LLM_ALTERNATIVES
examples = 0                 # solved tickets that it is shown, at most 8          TAMIZ_LLM_EXAMPLES
[serve]                      # the service
host = "127.0.0.1"           #                                                     TAMIZ_SERVE_HOST
port = 8000                  # 0: any free one                                     TAMIZ_SERVE_PORT
workers = 1                  # threads that triage                                 TAMIZ_SERVE_WORKERS
grace = 20.0                 # seconds for work in hand when it is told to stop    TAMIZ_SERVE_GRACE
rate = 1000                  # requests per second and key, twice as many at once  TAMIZ_SERVE_RATE
docs = false                 # a page about the API at /docs                       TAMIZ_SERVE_DOCS
policy = "policy.toml"       # modes and rules, read again when changed            TAMIZ_SERVE_POLICY
slow_commit = 0.25           # seconds from which a commit is told as slow         TAMIZ_SERVE_SLOW_COMMIT
log = "info"                 # debug tells every ticket; debug | info | warning    TAMIZ_SERVE_LOG
[memory]                     # which tickets resemble which
keep = 20000                 # newest embeddings kept per tenant and model, 0: none; more than 20000 need the extra
                             # `memory`                                            TAMIZ_MEMORY_KEEP
index = "auto"               # auto | exact | usearch | chroma | pgvector          TAMIZ_MEMORY_INDEX
reembed = 1000               # newest tickets that a new model embeds before it is used, beside those that people
                             # corrected                                           TAMIZ_MEMORY_REEMBED
cache = "verified"           # which earlier answers are served: verified | exact | off  TAMIZ_MEMORY_CACHE
budget = 0.01                # share of served answers that may be wrong           TAMIZ_MEMORY_BUDGET
again = 0.05                 # share of spared answers worked out all the same     TAMIZ_MEMORY_AGAIN
[corrections]                # how many of one account may influence other tickets; of more, the words wait
per_minute = 20              #                                                     TAMIZ_CORRECTIONS_PER_MINUTE
per_hour = 60                #                                                     TAMIZ_CORRECTIONS_PER_HOUR
[push]                       # writing to desks
quiescence = 120.0           # seconds after which a request that nobody saw the end of has surely been applied, or never
                             # will be                                             TAMIZ_PUSH_QUIESCENCE
workers = 4                  # threads that write to desks, a ticket each          TAMIZ_PUSH_WORKERS
[[desks]]                    # ticket systems that tickets come from, one table each; in this file alone
name = "it"                  # what a ticket names as its desk
tenant = "default"
kind = "fake"                # which connector: see `tamiz.bootstrap.desks`
url = "http://127.0.0.1:9000"
writes = ["category"]        # fields that may be written; without: every one
defaults = { priority = "Low" }  # what the desk puts into a field that nobody filled
Secrets come from the environment alone: TAMIZ_LLM_KEY of a provider, TAMIZ_STORE_URL of a PostgreSQL database (else SQLite
in the data folder), TAMIZ_VAULT_KEY (64 hex digits) under which raw text is encrypted, TAMIZ_DESKS_<TENANT>_<NAME>_KEY of a
desk.
"""

from __future__ import annotations

import logging
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from tamiz.domain.errors import ConfigError
from tamiz.domain.ticket import DEFAULT_TENANT

FILE_NAME = "tamiz.toml"
_PREFIX = "TAMIZ_"
_POLICY = "TAMIZ_POLICY_"
_LLM = "TAMIZ_LLM_"
_TABLES = {
    "llm": _LLM,
    "serve": "TAMIZ_SERVE_",
    "memory": "TAMIZ_MEMORY_",
    "corrections": "TAMIZ_CORRECTIONS_",
    "push": "TAMIZ_PUSH_",
}
_WAYS = frozenset({"api", "cli", "file"})
_SECRETS = {"store_url": "TAMIZ_STORE_URL", "vault_key": "TAMIZ_VAULT_KEY"}


class LlmSettings(BaseModel):
    """Which language model stands behind the encoder. Unknown keys are refused, and so is a key in a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["off", "embedded", "llama-server", "openai", "gemini"] = "off"
    model: str = ""
    base: Path | None = None
    url: str = ""
    summary: Literal["llm", "extractive", "off"] = "llm"
    token_cap: int = Field(0, ge=0)
    alternatives: int = Field(20, ge=0, le=20)
    examples: int = Field(0, ge=0, le=8)
    key: SecretStr = SecretStr("")


class ServeSettings(BaseModel):
    """How the service runs. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    workers: int = Field(1, ge=1, le=64)
    grace: float = Field(20.0, ge=0.0, le=600.0)
    rate: float = Field(1000.0, gt=0.0)
    docs: bool = False
    policy: Path = Path("policy.toml")
    slow_commit: float = Field(0.25, gt=0.0)
    log: Literal["debug", "info", "warning"] = "info"

    @property
    def log_level(self) -> int:
        """`log` as the standard library counts levels."""
        return logging.getLevelNamesMapping()[self.log.upper()]


class MemorySettings(BaseModel):
    """What is remembered. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep: int = Field(20_000, ge=0, le=1_000_000)
    index: Literal["auto", "exact", "usearch", "chroma", "pgvector"] = "auto"
    reembed: int = Field(1_000, ge=0, le=1_000_000)
    cache: Literal["verified", "exact", "off"] = "verified"
    budget: float = Field(0.01, gt=0.0, lt=1.0)
    again: float = Field(0.05, ge=0.0, le=1.0)


class CorrectionSettings(BaseModel):
    """How many corrections of one account have influence at once. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_minute: int = Field(20, ge=1, le=100_000)
    per_hour: int = Field(60, ge=1, le=100_000)


class PushSettings(BaseModel):
    """How desks are written to. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quiescence: float = Field(120.0, ge=1.0, le=86_400.0)
    workers: int = Field(4, ge=1, le=64)


class DeskSettings(BaseModel):
    """A tenant's desk. `writes` are the fields that may be written (None: every one), `defaults` what stands in a field
    where nobody chose a value. Unknown keys are refused, and so is a key in a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9_-]{1,40}$")
    tenant: str = Field(DEFAULT_TENANT, min_length=1)
    kind: str
    url: str
    writes: tuple[str, ...] | None = None
    defaults: dict[str, str] = {}
    key: SecretStr = SecretStr("")

    @property
    def variable(self) -> str:
        """The environment variable with its key."""
        return re.sub(r"[^A-Z0-9]", "_", f"TAMIZ_DESKS_{self.tenant}_{self.name}_KEY".upper())


class Settings(BaseModel):
    """What a person may set. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = "starter"
    home: Path = Field(default_factory=lambda: user_data_path("tamiz", appauthor=False))
    data: Path | None = None
    policy: dict[str, str] = {}
    llm: LlmSettings = LlmSettings()
    serve: ServeSettings = ServeSettings()
    memory: MemorySettings = MemorySettings()
    corrections: CorrectionSettings = CorrectionSettings()
    push: PushSettings = PushSettings()
    desks: tuple[DeskSettings, ...] = ()
    store_url: SecretStr = SecretStr("")
    vault_key: SecretStr = SecretStr("")


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
    if "key" in values.get("llm", {}):
        raise ConfigError(key="llm.key", mistake="keys do not belong into a file; set TAMIZ_LLM_KEY")
    for name, variable in _SECRETS.items():
        if name in values:
            raise ConfigError(key=name, mistake=f"secrets do not belong into a file; set {variable}")
        values[name] = environ.get(variable, "")
    for table, prefix in _TABLES.items():
        told = {k[len(prefix) :].lower(): v for k, v in environ.items() if k.startswith(prefix) and v}
        if told:
            values[table] = {**values.get(table, {}), **told}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(key=key, mistake=first["msg"].lower()) from error
    desks = _with_keys(settings.desks, environ)
    return settings.model_copy(update={"home": settings.home.expanduser(), "desks": desks})


def _with_keys(desks: tuple[DeskSettings, ...], environ: Mapping[str, str]) -> tuple[DeskSettings, ...]:
    """The desks with their keys. ConfigError for what no shape can tell."""
    variables = Counter(desk.variable for desk in desks)
    for number, desk in enumerate(desks):
        place, parts = f"desks.{number}", _address(desk.url)
        if desk.key.get_secret_value() or parts.username is not None or parts.password is not None:
            raise ConfigError(key=place, mistake=f"keys do not belong into a file; set {desk.variable}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(key=f"{place}.url", mistake="it is no http:// or https:// address")
        if desk.name in _WAYS:
            raise ConfigError(key=f"{place}.name", mistake=f"'{desk.name}' is what tickets from no desk bear")
        if variables[desk.variable] > 1:
            raise ConfigError(
                key=f"{place}.name", mistake=f"another desk would have its key in {desk.variable} too"
            )
    return tuple(desk.model_copy(update={"key": SecretStr(environ.get(desk.variable, ""))}) for desk in desks)


def _address(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _from_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(key=str(path), mistake=f"cannot be read ({error})") from error
