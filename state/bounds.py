"""A transaction whose statements end when their time is up: the one thing that no check between two steps can stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

STEPS = 1_000_000  # of SQLite's machine between two looks at the clock: some ten milliseconds


@contextmanager
def bounded(tx: Connection, seconds: float, *, monotonic: Callable[[], float]) -> Iterator[None]:
    """Inside, a statement that runs when `seconds` are over fails with the driver's own error."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}")
        yield
        return
    ends = monotonic() + seconds
    raw = tx.connection.driver_connection
    assert raw is not None
    raw.set_progress_handler(lambda: monotonic() > ends, STEPS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)
