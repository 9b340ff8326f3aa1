"""The one place where the worker loop catches everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class ExitError(RuntimeError):
    """A handler asked the process to exit."""


@dataclass(frozen=True, slots=True)
class Failed:
    """What was raised in place of a result."""

    error: Exception


def attempt(work: Callable[[], T]) -> T | Failed:
    """The result, or what was raised, as a value: handlers, hooks of the caller and stores may raise anything, and a
    worker outlives it."""
    try:
        return work()
    except SystemExit:  # in a thread it would end the worker without a word
        return Failed(ExitError())
    except Exception as error:  # noqa: BLE001 - the boundary of the worker loop
        return Failed(error)
