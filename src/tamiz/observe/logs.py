"""Logs as JSON, one object a line: time, level, event, and facts by name. Facts are ids, counts and names; never text."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

ROOT = "tamiz"
FACTS = "facts"


class JsonLines(logging.Formatter):
    """One JSON object per record; line breaks and control characters inside are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        told: dict[str, Any] = {
            "time": moment,
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, FACTS, {}),
        }
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
