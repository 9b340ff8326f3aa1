"""Logs as JSON, one object a line: time, level, event, and facts by name. Facts are ids, counts and names; never text.

Libraries do not know that rule: of those that are not known to keep it only their name, the place and the type of an error
are told.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from traceback import extract_tb
from types import TracebackType
from typing import Any, TextIO

from tamiz.domain.errors import TamizError

ROOT = "tamiz"
FACTS = "facts"
TRUSTED = (ROOT, "uvicorn", "opentelemetry")
"""Loggers whose messages quote no ticket."""
_FRAMES = 8


class JsonLines(logging.Formatter):
    """One JSON object per record; line breaks and control characters inside are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        told: dict[str, Any] = {"time": moment, "level": record.levelname.lower()}
        if record.name.partition(".")[0] in TRUSTED:
            told |= {"event": record.getMessage(), **getattr(record, FACTS, {})}
        else:
            place = f"{record.module}:{record.lineno}"
            told |= {"event": "library message", "logger": record.name, "where": place}
        if record.exc_info and record.exc_info[0] is not None:
            told["error"] = record.exc_info[0].__name__  # its message may quote a ticket
        return json.dumps(told, ensure_ascii=True, default=str)


def log(event: str, level: int = logging.INFO, **facts: object) -> None:
    """Say that something happened."""
    logging.getLogger(ROOT).log(level, event, extra={FACTS: facts})


def to_stream(stream: TextIO | None = None, level: int = logging.INFO) -> logging.Handler:
    """Send the logs of Tamiz to a stream (standard error without one); returns the handler, so that it can be removed."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger(ROOT)
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    return handler


@contextmanager
def json_process(level: int = logging.INFO) -> Iterator[None]:
    """Everything that this process has to say goes to standard error as JSON lines: its own logs, warnings of libraries,
    and errors that nobody caught in any thread, without their messages. After a crash it stays so for the last words."""
    handler, root = to_stream(level=level), logging.getLogger()
    hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    root.addHandler(handler)
    logging.captureWarnings(True)
    sys.excepthook = _crashed
    threading.excepthook = lambda told: _crashed(told.exc_type, told.exc_value, told.exc_traceback)
    sys.unraisablehook = lambda told: _crashed(told.exc_type, told.exc_value, told.exc_traceback)

    def undo() -> None:
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
        logging.captureWarnings(False)
        root.removeHandler(handler)
        logging.getLogger(ROOT).removeHandler(handler)

    try:
        yield
    except TamizError:
        undo()
        raise
    undo()


def _crashed(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """One line for an error that nobody caught: its type and place, as its message and values may quote a ticket."""
    frames = reversed(extract_tb(trace)[-_FRAMES:])
    where = [f"{f.name}:{f.lineno} in {f.filename.rsplit('/', 1)[-1]}" for f in frames]
    log("crashed", logging.CRITICAL, error=kind.__name__, where=where)
