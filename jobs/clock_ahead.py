"""A clock that was ahead runs slots that have not come yet. Once it is right again they are given back: each is run when it
comes. A slot whose moment has passed by any clock that we know is never given back: it was run, and is not run twice.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection

from jobs.settings import JOBS
from state import runs

if TYPE_CHECKING:
    from jobs.app import App

NO_MATTER = timedelta(minutes=1)  # clocks of hosts differ, and are corrected by seconds

log = structlog.get_logger()


def give_back_slots(app: App, tx: Connection) -> None:
    """By our clock and, where hosts share a store, by the database's, too: one of the two alone may be behind."""
    now = app.clock.now()
    to_come = max(now, app.lease_time(tx)) + NO_MATTER
    for job, slot in runs.give_back_slots(tx, JOBS, to_come=to_come, now=now):
        log.warning("job.slot_given_back", job=job, slot=slot.isoformat(), why="our clock was ahead")


def give_back_slots_now(app: App) -> None:
    """The clock was put right: before a slot comes that it has used."""
    with app.store.transaction() as tx:
        give_back_slots(app, tx)
