"""One process per data folder: an advisory lock on a file that also says who holds it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path

from tamiz.domain.errors import StoreLockedError

LOCK_FILE = "tamiz.lock"


class FolderLock:
    """Held from construction until `release`, or until the process ends, however it ends.

    StoreLockedError where another process, or another store of this one, has the folder. The file stays behind: a lock
    file that is removed can be locked twice.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK_FILE
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise StoreLockedError(pid=holder(folder).get("pid", "unknown"), path=folder) from None
        os.fchmod(
            self._file, 0o600
        )  # it may have come from elsewhere, with other rights, and will hold a token
        self.tell({})

    def tell(self, facts: Mapping[str, str]) -> None:
        """Say more beside the process id, such as the address of the service."""
        content = json.dumps({"pid": str(os.getpid()), **facts}).encode("ascii")
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, content, 0)

    @property
    def handle(self) -> int:
        """The open file: a child process that inherits it holds the lock too, also after this one has ended."""
        return self._file

    def release(self) -> None:
        """Let the folder go."""
        os.ftruncate(self._file, 0)
        os.close(self._file)


def sync(path: Path) -> None:
    """Have the disk keep what is written in a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def holder(folder: Path) -> dict[str, str]:
    """What the holder of a folder said of itself; empty where nobody holds it, or it is just being taken."""
    try:
        found = json.loads((folder / LOCK_FILE).read_text("ascii"))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(key): str(value) for key, value in found.items()}
