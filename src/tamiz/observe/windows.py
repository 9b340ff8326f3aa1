"""What the latest events say, kept in memory: shares and the gap between confidence and being right."""

from __future__ import annotations

from collections import defaultdict, deque
from threading import Lock

COVERED, JUDGED = 1000, 500
"""Events that are remembered per field."""


class Coverage:
    """Per field, the share of the latest triages in which its value was sure enough to be applied. Thread-safe."""

    def __init__(self, size: int = COVERED) -> None:
        self._applied: dict[str, deque[bool]] = defaultdict(lambda: deque(maxlen=size))
        self._lock = Lock()

    def add(self, field: str, applied: bool) -> None:
        """A field was decided."""
        with self._lock:
            self._applied[field].append(applied)

    def shares(self) -> dict[str, float]:
        """Field → share in [0, 1]."""
        with self._lock:
            return {field: sum(found) / len(found) for field, found in self._applied.items()}


class Drift:
    """Per field, the mean confidence of the latest values that people judged, minus the share that they confirmed:
    calibration in the large (Cox 1958, "Two further applications of a model for binary regression", Biometrika 45).
    Above 0 the model is too sure of itself. People look at some values more readily than at others, so it speaks of
    the values that they judged. Thread-safe.
    """

    def __init__(self, size: int = JUDGED) -> None:
        self._judged: dict[str, deque[tuple[float, bool]]] = defaultdict(lambda: deque(maxlen=size))
        self._lock = Lock()

    def add(self, field: str, confidence: float, confirmed: bool) -> None:
        """A person confirmed or changed a value that a model had shown."""
        with self._lock:
            self._judged[field].append((confidence, confirmed))

    def gaps(self) -> dict[str, tuple[float, int]]:
        """Field → the gap in [-1, 1], and over how many values."""
        with self._lock:
            return {
                field: (sum(sure - right for sure, right in found) / len(found), len(found))
                for field, found in self._judged.items()
            }
