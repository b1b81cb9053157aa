"""Who asked: the name that the audit trail keeps beside a deed."""

from __future__ import annotations

import os
import pwd
import socket


def person() -> str:
    """The user of the operating system, and the host: `mia@sync-1`. A container's user may have only a number.

    The name is the one that the system knows the process by. Variables (`LOGNAME`, `USER`) are not asked: anybody can set them.
    """
    return f"{name_of(os.getuid())}@{socket.gethostname()}"


def name_of(uid: int) -> str:
    """What the system calls a user; `uid 4711` where it has no name for it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
