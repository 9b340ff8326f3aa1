"""Files with the graphs of searchers, so that a start need not build them anew. Nothing rests on them: the store is the
truth, and a file that is missing, torn, foreign, of another form, newer than the store or older than an erasure is deleted.

One file per space. Behind the graph stand what it is of (JSON), a SHA-256 of all that, the length of the JSON and a mark.
A file appears whole or not at all, and is read and checked whole before it is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tamiz.domain.records import SpaceState

FORM = 1
_MARK = b"tamiz-graph\n"
_END = struct.Struct(f">32sI{len(_MARK)}s")
_SUFFIX, _UNFINISHED = ".graph", ".unfinished"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Stand:
    """What a file is of: a tenant's space, how far it had come, and what kind of graph it is."""

    tenant: str
    model_hash: str
    sequence: int
    erasures: int
    depicts: str
    form: int = FORM

    def fits(self, state: SpaceState) -> bool:
        """Can the store have grown from there, with nobody erased since?"""
        return self.sequence <= state.sequence and self.erasures == state.erasures


class Snapshots:
    """A folder of such files, readable by its owner only. `depicts` says what graphs they hold. Thread-safe."""

    def __init__(self, folder: Path, depicts: str) -> None:
        self._folder, self._depicts = folder, depicts

    def find(self, tenant: str, model_hash: str, state: SpaceState) -> tuple[Path, Stand] | None:
        """The file of a space that stands thus, if there is a sound one; another is deleted. OSError."""
        path = self._path(tenant, model_hash)
        if not path.exists():
            return None
        stand = _read(path, whole=True)
        if stand is not None and self._of(stand, tenant, model_hash) and stand.fits(state):
            return path, stand
        path.unlink(missing_ok=True)
        return None

    def put(self, tenant: str, model_hash: str, write: Callable[[Path], SpaceState | None]) -> None:
        """Have `write` write a graph and say where its space stood (None: it has none), and keep it in place of an earlier
        one. OSError."""
        target = self._path(tenant, model_hash)
        unfinished = target.with_suffix(f".{os.getpid()}{_UNFINISHED}")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
            state = write(unfinished)
            if state is None:
                return
            stand = Stand(tenant, model_hash, state.sequence, state.erasures, self._depicts)
            _finish(unfinished, json.dumps(asdict(stand)).encode("ascii"))
            unfinished.rename(target)
            _sync(self._folder)
        finally:
            unfinished.unlink(missing_ok=True)

    def stands(self) -> Iterator[Stand]:
        """What the files are of; those that say nothing of use are deleted. OSError."""
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            stand = _read(path, whole=False)
            if stand is not None and path == self._path(stand.tenant, stand.model_hash):
                yield stand
            else:
                path.unlink(missing_ok=True)

    def drop(self, tenant: str, model_hash: str) -> None:
        """Delete the file of a space, if there is one. OSError."""
        self._path(tenant, model_hash).unlink(missing_ok=True)

    def drop_unfinished(self) -> None:
        """Delete what processes left that ended while they wrote. OSError."""
        for path in self._folder.glob(f"*{_UNFINISHED}"):
            path.unlink(missing_ok=True)

    def _path(self, tenant: str, model_hash: str) -> Path:
        name = hashlib.sha256(json.dumps([tenant, model_hash]).encode("ascii")).hexdigest()[:32]
        return self._folder / f"{name}{_SUFFIX}"

    def _of(self, stand: Stand, tenant: str, model_hash: str) -> bool:
        wanted = Stand(tenant, model_hash, stand.sequence, stand.erasures, self._depicts)
        return stand == wanted


def clear(folder: Path) -> None:
    """Delete every file: nobody will look after them. OSError."""
    for path in (*folder.glob(f"*{_SUFFIX}"), *folder.glob(f"*{_UNFINISHED}")):
        path.unlink(missing_ok=True)


def forget(folder: Path, tenant: str) -> None:
    """Delete a tenant's files, and those that do not say whose they are: tickets of the tenant were erased. OSError."""
    files = Snapshots(folder, "")
    files.drop_unfinished()
    for stand in files.stands():
        if stand.tenant == tenant:
            files.drop(stand.tenant, stand.model_hash)


def _finish(path: Path, told: bytes) -> None:
    """Put behind a graph what it is of, and have the disk keep it."""
    with path.open("r+b") as file:
        found = hashlib.file_digest(file, "sha256")
        found.update(told)
        file.seek(0, os.SEEK_END)
        file.write(told + _END.pack(found.digest(), len(told), _MARK))
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path, *, whole: bool) -> Stand | None:
    """What a file says that it is of; None where it is no such file, or (looked through `whole`) not as it was written."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size < _END.size:
            return None
        file.seek(size - _END.size)
        digest, length, mark = _END.unpack(file.read(_END.size))
        told_at = size - _END.size - length
        if mark != _MARK or told_at < 0:
            return None
        file.seek(told_at)
        told = file.read(length)
        if whole:
            file.seek(0)
            if _digest(file.read, told_at + length) != digest:
                return None
    return _stand(told)


def _digest(read: Callable[[int], bytes], count: int) -> bytes:
    found = hashlib.sha256()
    while count > 0 and (block := read(min(count, _BLOCK))):
        found.update(block)
        count -= len(block)
    return found.digest()


def _stand(told: bytes) -> Stand | None:
    try:
        return Stand(**json.loads(told))
    except (ValueError, TypeError):
        return None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
