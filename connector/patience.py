"""Waiting for an answer that may take minutes: in a thread, so that whoever asked can look up every second.

What bounds it: the request's own timeout. When the look-up ends the wait earlier, the thread stays behind until then or
until the process ends; it holds a socket and nothing else, and what it hears is heard by nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from connector import limits
from connector.polling import Attention

T = TypeVar("T")


def attended(work: Callable[[], T], *, attention: Attention, last_wait: float = 0.0) -> T:
    """What `work` returns or raises. What `attention` raises meanwhile ends the wait, `last_wait` seconds later: a write
    that is answered by then needs not be sent again."""
    call = _Call(work)
    threading.Thread(target=call.run, name="org-call", daemon=True).start()
    stop: BaseException | None = None
    left = last_wait
    while not call.over.wait(limits.ATTENTION_SECONDS):
        if stop is None:
            try:
                attention.look()
            except BaseException as error:  # noqa: BLE001 whatever it is, it is raised when the last wait is over
                stop = error
        if stop is not None:
            if left <= 0:
                raise stop
            left -= limits.ATTENTION_SECONDS
    return call.outcome()


class _Call(Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._found: list[T] = []
        self._error: BaseException | None = None
        self.over = threading.Event()

    def run(self) -> None:
        try:
            self._found.append(self._work())
        except BaseException as error:  # noqa: BLE001 it belongs to whoever waits, whatever it is
            self._error = error
        finally:
            self.over.set()

    def outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._found[0]
