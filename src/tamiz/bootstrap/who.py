"""Who sits at the keyboard, for the audit trail."""

from __future__ import annotations

import getpass
import os


def user_name() -> str:
    """The name of the user, else the number: in a container it may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
