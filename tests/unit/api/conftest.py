"""A service for a test, on an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .rig import Service


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as one:
        yield one


@pytest.fixture
def service(runner: asyncio.Runner) -> Iterator[Service]:
    from .rig import running

    with running(runner) as one:
        yield one
