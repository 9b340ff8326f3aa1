"""Threads whose work can wait."""

from __future__ import annotations

import os
import sys
import threading

NICENESS = 10


def give_way() -> None:
    """Have the calling thread run behind those that somebody waits for, where the system can tell threads apart
    (on Linux each thread has a niceness of its own, although POSIX gives it to the process)."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        now = os.getpriority(os.PRIO_PROCESS, thread)  # a process that is nicer already may not go back
        os.setpriority(os.PRIO_PROCESS, thread, max(now, NICENESS))
