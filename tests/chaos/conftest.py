"""What the campaigns share: one nursery, and a data folder each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

for package in ("fastapi", "uvicorn", "sqlalchemy", "alembic", "cryptography", "prometheus_client"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

from .harness import Nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Starts services."""
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder
