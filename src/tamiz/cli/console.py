"""The two consoles (results on stdout, everything else on stderr) and how an error looks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tamiz.bootstrap.settings import Settings, load_settings
from tamiz.domain.errors import MissingExtraError, TamizError

PROBLEMS_FOUND = 5

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


def fail(error: TamizError) -> NoReturn:
    """Print one line and leave with the error's exit code."""
    err.print(f"tamiz: {error.one_line()}", style="red", markup=False, highlight=False)
    sys.exit(error.exit_code)


def progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Pass items through with a progress bar on stderr (none when there is one item or no terminal to see it)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=total < 2) as bar:
        yield from bar.track(items, total=total, description=what)
