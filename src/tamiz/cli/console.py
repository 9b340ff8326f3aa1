"""The two consoles (results on stdout, everything else on stderr) and how an error looks."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from tamiz.bootstrap.settings import Settings, load_settings
from tamiz.domain.errors import ConfigError, MissingExtraError, TamizError

if TYPE_CHECKING:
    from tamiz.service.admin import Admin

PROBLEMS_FOUND = 5

_AGO = re.compile(r"(?P<count>\d{1,6})(?P<unit>[mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)

T = TypeVar("T")


def settings() -> Settings:
    """Settings of the current folder and environment."""
    return load_settings(os.environ, Path.cwd())


def with_llm(current: Settings, wanted: bool = True) -> Settings:
    """The settings with the shipped language model switched on, where one is wanted and they name none."""
    if not wanted or current.llm.kind != "off":
        return current
    return current.model_copy(update={"llm": current.llm.model_copy(update={"kind": "embedded"})})


def need_serving() -> None:
    """MissingExtraError where the extra for the service is not installed."""
    for package in ("fastapi", "uvicorn", "sqlalchemy", "alembic", "cryptography", "prometheus_client"):
        if find_spec(package) is None:
            raise MissingExtraError(package=package, extra="serve")


@contextmanager
def administered() -> Iterator[Admin]:
    """What there is to administer: through the service that runs here, else in the store itself."""
    need_serving()
    from tamiz.bootstrap.admin import open_admin

    with open_admin(settings()) as admin:
        yield admin


def moment_ago(text: str, now: datetime) -> datetime:
    """The moment of an ISO date or time (without a zone: the local one), or so long before now: 90m, 2h, 3d, 2w.
    ConfigError for anything else."""
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago:
            return now - timedelta(**{_UNITS[ago["unit"]]: int(ago["count"])})
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        mistake = f"'{text}' is neither a time like 2026-01-31T08:00 nor one like 2h or 3d"
        raise ConfigError(key="--since", mistake=mistake) from error


def cells(*texts: str) -> list[Text]:
    """Cells of a table, letter by letter: nothing in a name or in a desk's words is markup."""
    return [Text(text) for text in texts]


def fail(error: TamizError) -> NoReturn:
    """Print one line and leave with the error's exit code."""
    err.print(f"tamiz: {error.one_line()}", style="red", markup=False, highlight=False)
    sys.exit(error.exit_code)


def progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Pass items through with a progress bar on stderr (none when there is one item or no terminal to see it)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=total < 2) as bar:
        yield from bar.track(items, total=total, description=what)
