"""An iterator that runs ahead of its reader in a thread, by a few items: work here while the org is waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

from connector import limits

T = TypeVar("T")
LOOK_SECONDS = 0.2  # how soon a thread notices that nobody reads any more


class Ahead(Generic[T]):
    """`items` from now on, read in a thread; at most `size` of them wait. `close` ends the thread.

    `at_end` is called where the reader is, once it has taken the last item and asks for more; `meanwhile` there, too,
    while it waits.
    """

    def __init__(
        self,
        items: Iterator[T],
        *,
        size: int,
        at_end: Callable[[], None] | None = None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        self._items, self._at_end, self._meanwhile = items, at_end, meanwhile
        self._waiting: Queue[tuple[T | None, BaseException | None]] = Queue(size)
        self._stop = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="bulk-stream", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        """The next item; raises what the iterator raised, at the place where it did."""
        if self._over:
            raise StopIteration
        item, error = self._next()
        if error is not None:
            self._over = True
            if isinstance(error, StopIteration) and self._at_end is not None:
                self._at_end()
            raise error
        return item  # type: ignore[return-value]

    def _next(self) -> tuple[T | None, BaseException | None]:
        while True:
            try:
                return self._waiting.get(timeout=limits.ATTENTION_SECONDS)
            except Empty:
                self._meanwhile()

    def close(self) -> None:
        """Nobody reads any more. The thread ends by itself after the item it is at."""
        self._stop.set()
        self._over = True
        while True:
            try:
                self._waiting.get_nowait()
            except Empty:
                return

    def _run(self) -> None:
        try:
            for item in self._items:
                if not self._put((item, None)):
                    return
            self._put((None, StopIteration()))
        except BaseException as error:  # noqa: BLE001 it belongs to the reader, whatever it is
            self._put((None, error))
        finally:
            closing = getattr(self._items, "close", None)
            if closing is not None:
                closing()

    def _put(self, pair: tuple[T | None, BaseException | None]) -> bool:
        while not self._stop.is_set():
            try:
                self._waiting.put(pair, timeout=LOOK_SECONDS)
            except Full:
                continue
            return True
        return False
