"""The store to look at, also while a service has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tamiz.bootstrap.server import open_store, vault_of
from tamiz.bootstrap.settings import Settings
from tamiz.bootstrap.wiring import STORE_FOLDER
from tamiz.domain.storage import Reader


@contextmanager
def open_reader(settings: Settings) -> Iterator[Reader]:
    """PostgreSQL as ever; of SQLite a reader that neither locks the folder nor writes. StoreError."""
    from tamiz.store.sqlite_read import SqliteReader

    remote = bool(settings.store_url.get_secret_value())
    reader: Reader = (
        open_store(settings) if remote else SqliteReader(settings.home / STORE_FOLDER, vault_of(settings))
    )
    try:
        yield reader
    finally:
        reader.close()
