"""How often a row is tried, and how long it waits between: pure, from the row and what its answer calls for."""

from __future__ import annotations

from datetime import datetime, timedelta

from connector import errors
from state.outbox import Row

FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=4)
TRIED_FOR = timedelta(days=1)  # at least, before a row that met only passing trouble is set aside
AUTOMATION_TRIES = 4  # a lock that a flow waits for passes in minutes; what still fails then is its own fault


def may_try_again(row: Row, step: errors.Step, *, now: datetime, attempts: int) -> bool:
    """Whether a row that was answered so goes out once more by itself. Tries alone say little: the row may have
    shared them with requests that failed as a whole for hours."""
    if issubclass(step, errors.AutomationFailed):
        return row.attempts < AUTOMATION_TRIES or not _failed_so_before(row)
    if not issubclass(step, (errors.Transient, errors.Ambiguous)):
        return False
    return now < row.enqueued_at + TRIED_FOR or row.attempts < attempts


def _failed_so_before(row: Row) -> bool:
    """Whether its last try, too, came to grief in the org's automation."""
    return row.code is not None and issubclass(errors.classify_row(row.code), errors.AutomationFailed)


def waiting(row: Row) -> timedelta:
    """How long a row waits after its n-th try: doubling from half a minute to four hours."""
    doublings: int = 2 ** min(16, max(0, row.attempts - 1))
    return min(LONGEST_WAIT, FIRST_WAIT * doublings)
