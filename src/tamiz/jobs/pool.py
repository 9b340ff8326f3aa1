"""Several workers as threads of one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Thread

from tamiz.domain.ports import Clock
from tamiz.jobs.loop import Worker, WorkerState


class Pool:
    """Starts, wakes and stops workers together. They share one owner, the process: leases tell the rest apart."""

    def __init__(
        self, workers: Sequence[Worker], clock: Clock, first: Callable[[], None] = lambda: None
    ) -> None:
        """Each thread calls `first` before it works. ValueError where the workers have different owners."""
        if len({worker.owner for worker in workers}) > 1:
            raise ValueError("the workers of a pool have one owner")
        self._workers, self._clock = tuple(workers), clock

        def run(worker: Worker) -> None:
            first()
            worker.run()

        self._threads = [
            Thread(target=run, args=(worker,), name=f"tamiz-worker-{'-'.join(worker.kinds)}", daemon=True)
            for worker in workers
        ]

    def reclaim(self) -> int:
        """End the leases of all other owners and count them: before `start`, where no other process can be alive."""
        return self._workers[0].reclaim() if self._workers else 0

    def start(self) -> None:
        """Let them work; once."""
        for thread in self._threads:
            thread.start()

    def wake(self, kind: str = "") -> None:
        """There is a new job of this kind, or of any."""
        for worker in self._workers:
            if not kind or kind in worker.kinds:
                worker.wake()

    def stop(self, grace: float) -> bool:
        """Stop all within so many seconds, as `Worker.stop` does; did all finish what they had begun?

        A second stop returns at once, and ends the grace of the first. It takes locks: a signal handler has a thread
        call it.
        """
        told_before = [worker.halt() for worker in self._workers]
        ends = self._clock.monotonic() + (0.0 if any(told_before) else grace)
        drained = [worker.drain(max(0.0, ends - self._clock.monotonic())) for worker in self._workers]
        for thread, done in zip(self._threads, drained, strict=True):
            if done and thread.is_alive():
                thread.join()
        return all(drained)

    def states(self) -> list[WorkerState]:
        """What each is doing now."""
        return [worker.state() for worker in self._workers]
