"""Who asked: the name that the audit trail keeps beside a deed."""

from __future__ import annotations

import getpass
import os
import socket


def person() -> str:
    """The user of the operating system, and the host: `mia@sync-1`. A container's user may have only a number."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
