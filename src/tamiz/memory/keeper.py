"""What is done for searchers while nobody asks: large ones are built ahead, and written to files and deleted from there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from itertools import count

from tamiz.domain.errors import StoreError
from tamiz.domain.records import SpaceState
from tamiz.domain.storage import Store, Tx
from tamiz.memory.snapshots import Snapshots, Stand
from tamiz.memory.space import Space
from tamiz.memory.spaces import Spaces

ROUND_SECONDS = 30.0
"""How often files are compared with the store: an erasure has reached them after so long at the latest."""
RENEW_ROUNDS = 20
"""A searcher that has lost something is made anew once in so many rounds; until then it has no file."""
LARGE = 5_000
"""Searchers of so many vectors are built ahead and have files; smaller ones are built in a second or two."""
NEWS, SHARE = 10_000, 0.1
"""A file is written anew after so many vectors, or this share of them if that is more: all threads wait meanwhile."""


class Keeper:
    """A thread. `in_use` says of a tenant and a model's hash whether that space is worth building ahead; the thread calls
    `first` before it begins, and `failed` with what went wrong: the service goes on without files. Searchers of fewer than
    `large` vectors are left alone."""

    def __init__(
        self,
        store: Store,
        spaces: Spaces,
        snapshots: Snapshots,
        in_use: Callable[[str, str], bool],
        failed: Callable[[str], None] = lambda mistake: None,
        first: Callable[[], None] = lambda: None,
        large: int = LARGE,
    ) -> None:
        self._store, self._spaces, self._snapshots = store, spaces, snapshots
        self._in_use, self._failed, self._first, self._large = in_use, failed, first, large
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tamiz-memory", daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def stop(self) -> None:
        """End, and write what is new to the files: before the store is closed."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._tried(lambda: self._save(lambda space: space.unsaved > 0))
        self._tried(self._sweep)  # an erasure elsewhere may have come between

    def build(self) -> None:
        """Make the large searchers that will be asked. StoreError."""
        for tenant, model_hash, newest in self._store.read(lambda tx: tx.vectors.spaces()):
            if newest >= self._large and self._in_use(tenant, model_hash):
                self._spaces.space((tenant, model_hash)).catch_up(self._stopping.is_set)

    def tidy(self) -> None:
        """Delete the files that the store has left behind, and write those that are due. StoreError, OSError."""
        self._sweep()
        self._save(lambda space: space.unsaved >= max(NEWS, SHARE * len(space)))

    def renew(self) -> None:
        """Make the large searchers anew that have lost something. StoreError."""
        for key, space in self._spaces.held():
            if space.spoilt and len(space) >= self._large:
                self._spaces.renew(key, self._stopping.is_set)

    def _sweep(self) -> None:
        for stand in self._snapshots.stands():
            if not stand.fits(self._store.read(partial(_state, stand))):
                self._snapshots.drop(stand.tenant, stand.model_hash)

    def _save(self, due: Callable[[Space], bool]) -> None:
        for _, space in self._spaces.held():
            if len(space) >= self._large and due(space):
                space.save()

    def _run(self) -> None:
        self._first()
        self._tried(self._snapshots.drop_unfinished)
        self._tried(self.tidy)  # first what was erased while nobody ran
        self._tried(self.build)
        for number in count(1):
            self._tried(self.tidy)
            if number % RENEW_ROUNDS == 0:
                self._tried(self.renew)
            if self._stopping.wait(ROUND_SECONDS):
                return

    def _tried(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (StoreError, OSError) as error:
            self._failed(str(error))


def _state(stand: Stand, tx: Tx) -> SpaceState:
    return tx.vectors.state(stand.tenant, stand.model_hash)
