"""Was the write-ahead log whole when the store was opened? SQLite drops what it cannot use without a word.

Its index (the -shm file) outlives a process that is killed, and knows how many frames were committed. Read before SQLite
opens the files, it says what the log should hold. Formats: "WAL-mode File Format", sqlite.org/walformat.html.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from tamiz.store.events import Damage, LogDamaged

_INDEX_VERSION = 3_007_000
_HEADER, _FRAME = 32, 24
_INDEX = 48
"""Bytes of the header of a log, of a frame in it, and of one of the two copies of the index's header."""
_MAGIC = (0x377F0682, 0x377F0683)


@dataclass(frozen=True, slots=True)
class Index:
    """What an index knew: `frames` were committed, `copied` of them lie in the database; `salts` name the log."""

    frames: int
    copied: int
    salts: bytes


@dataclass(frozen=True, slots=True)
class Log:
    """A log as it lies on the disk."""

    path: Path
    page: int = 0
    salts: bytes = b""

    def goes_on_behind(self, frames: int) -> bool:
        """Is there a piece of another frame of the same log behind so many?"""
        with self.path.open("rb") as file:
            file.seek(_HEADER + frames * (_FRAME + self.page))
            return file.read(_FRAME)[8:16] == self.salts


def index_of(database: Path) -> Index | None:
    """What the index knows; None where there is none, or it was being written. Only while no connection is open: to
    close the file would end SQLite's own locks on it."""
    try:
        with database.with_name(database.name + "-shm").open("rb") as file:
            head = file.read(100)
    except FileNotFoundError:
        return None
    if len(head) < 100 or head[:_INDEX] != head[_INDEX : 2 * _INDEX]:
        return None
    version, ready, frames = struct.unpack_from("=I8xB3xI", head)
    if version != _INDEX_VERSION or not ready:
        return None
    return Index(frames, struct.unpack_from("=I", head, 96)[0], head[32:40])


def log_of(database: Path) -> Log | None:
    """The log; None where there is none with a sound header."""
    path = database.with_name(database.name + "-wal")
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER)
    except FileNotFoundError:
        return None
    if len(head) < _HEADER:
        return None
    magic, page = struct.unpack_from(">I4xI", head)
    if magic not in _MAGIC or struct.unpack_from(">2I", head, 24) != _checksum(head[:24], bool(magic & 1)):
        return None
    return Log(path, page, head[16:24])


def damage(index: Index | None, log: Log | None, found: int) -> LogDamaged | None:
    """What was wrong with a log of which SQLite could use `found` frames; None where nothing was, or that is not known
    (-1).

    An index of another log than this one says nothing: it may be older, where the power went.
    """
    if found < 0:
        return None
    same = index is not None and (log is None or log.salts == index.salts)
    if index is not None and same and index.frames > max(found, index.copied):
        return LogDamaged(Damage.SHORTENED, found, index.frames)
    if log is not None and log.goes_on_behind(found):
        return LogDamaged(Damage.TORN, found)
    return None


def _checksum(data: bytes, big: bool) -> tuple[int, int]:
    one = two = 0
    order = ">" if big else "<"
    for first, second in struct.iter_unpack(f"{order}2I", data):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two
