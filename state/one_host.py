"""A SQLite store is one machine's: two hosts on one file (a network file system) would corrupt it, and are refused.

SQLite's write-ahead log lives in memory that the processes of one machine share. Every process that has the store open
holds a shared kernel lock on a file beside it, which names the machine; whoever finds the lock held under another name
is refused. The kernel of a process that was killed gives the lock back by itself.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from datetime import timedelta
from functools import cache
from pathlib import Path

from state.errors import AnotherHost

if sys.platform != "win32":
    import fcntl

ENDING = ".host"
TRIES, BETWEEN = (
    100,
    timedelta(milliseconds=50),
)  # the other lock is held for as long as it takes to write a name


@cache
def this_machine() -> str:
    """What all processes of one kernel have in common, in containers of whatever name too; and the host's name."""
    try:
        kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # not Linux: there the host's name must do
        kernel = socket.gethostname()
    return f"{kernel} {socket.gethostname()}"


class OneHost:
    """One process's claim that the store at `store` is open on its machine, from `claim` to `give_up`."""

    def __init__(self, store: Path, machine: str | None = None) -> None:
        self._store, self._machine = store, machine or this_machine()
        self._file: int | None = None
        self._lock = threading.Lock()

    def claim(self) -> None:
        """Raises `AnotherHost` while a process of another machine has the store open. Once claimed, a no-op."""
        with self._lock:
            if self._file is None:
                self._file = self._claimed()

    def give_up(self) -> None:
        """Closed, not unlocked: a forked child shares the lock, and keeps it for as long as it lives."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _claimed(self) -> int | None:
        if sys.platform == "win32":
            return None  # no such locks; the lease names the host
        try:
            path = self._store.with_name(self._store.name + ENDING)
            file = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        except OSError:
            return None  # whoever may not write beside the store hears it from SQLite itself
        try:
            for _ in range(TRIES):
                # The first of a machine writes its name. An exclusive lock does not become a shared one in one step,
                # so the name is read again under the lock that stays.
                if _locked(file, fcntl.LOCK_EX) and os.pread(file, 512, 0) != self._machine.encode():
                    os.ftruncate(file, 0)
                    os.pwrite(file, self._machine.encode(), 0)
                if _locked(file, fcntl.LOCK_SH):
                    other = os.pread(file, 512, 0).decode(errors="replace")
                    if other.partition(" ")[0] == self._machine.partition(" ")[0]:
                        return file
                    raise self._refused(other)
                threading.Event().wait(BETWEEN.total_seconds())
            raise self._refused(os.pread(file, 512, 0).decode(errors="replace"))
        except OSError as error:
            os.close(file)
            if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                return None  # a file system without such locks; the lease names the host
            raise
        except BaseException:
            os.close(file)
            raise

    def _refused(self, other: str) -> AnotherHost:
        host = other.partition(" ")[2] or "unknown"
        return AnotherHost(f"the store is open on another host, {host}", where=f"sqlite:///{self._store}")


def _locked(file: int, how: int) -> bool:
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
