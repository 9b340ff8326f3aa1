"""The training libraries without their chatter: bars, notices about optional kernels, names that will change."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

_LOUD = ("transformers", "trl", "peft", "accelerate", "bitsandbytes", "torchao")


@contextmanager
def quiet() -> Iterator[None]:
    """While a model is loaded or a trainer is built: no bars on stderr, no log lines below errors, no notice that the
    checkpointing options of transformers change their names. Other warnings and all errors pass."""
    loggers = {logging.getLogger(name): logging.getLogger(name).level for name in _LOUD}
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing", category=FutureWarning)
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in loggers.items():
                logger.setLevel(level)
