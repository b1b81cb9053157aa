"""A transaction of a run that may not take longer than it was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from jobs.app import App
from state.bounds import bounded


@contextmanager
def in_time(app: App, tx: Connection) -> Iterator[None]:
    """A run that may not take longer ends in the middle of a statement, too."""
    left = app.pace.seconds_left()
    if left is None:
        yield
        return
    try:
        with bounded(tx, left, monotonic=app.clock.monotonic):
            yield
    except (DBAPIError, tx.dialect.loaded_dbapi.Error):  # COPY speaks to the driver, past SQLAlchemy
        app.pace.look()  # raises TookTooLong where that is why
        raise
