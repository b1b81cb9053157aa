"""Whose a file is that was found and not named: in a folder that several people may write to, anybody can leave one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from jobs.person import name_of

ROOT = 0


def stranger(path: Path, environment: Mapping[str, str]) -> str | None:
    """The owner of a file, or of the link to it, who is neither we nor root; None: there is none. Under `sudo`, who called it
    is one of us.

    Raises OSError when the file cannot be looked at.
    """
    ours = {os.geteuid(), ROOT}
    caller = environment.get("SUDO_UID", "")
    if os.geteuid() == ROOT and caller.isdecimal():
        ours.add(int(caller))
    return next((name_of(uid) for uid in (path.lstat().st_uid, path.stat().st_uid) if uid not in ours), None)
