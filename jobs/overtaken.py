"""The org refuses our numbers as too old, and this store never gave out newer ones: one of the two is not what it was.

The database lost its last commits (a standby without them was promoted, an older copy was put back), or another store
writes to the same org. In the first case the numbers that the org has are of our own epoch: a new one is begun, as after a
restore, and the next sync reads what the org knows before it sends anything. Numbers of an epoch that we never began are
those of another store, or of a restore that this one does not remember. Which store goes on is then for a person to say:
two that each number above the other would take turns for ever.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection

from connector import errors
from jobs.rebase import newest_sequence
from state import backup, meta, rebasing
from state.instants import micros

if TYPE_CHECKING:
    from jobs.app import App
    from jobs.pushed import Pushed
    from jobs.running import Running

CODE = "RB_STALE_SEQ"  # what a row says that was refused for its number
AT_MOST_EVERY = timedelta(days=1)  # a database that is put back more often wants a person

log = structlog.get_logger()


def standing(app: App) -> errors.SyncError | None:
    """Why nothing is sent at all, and no call is spent on it, until a person has looked."""
    with app.store.read() as tx:
        why = meta.get(tx, rebasing.ANOTHER_STORE)
    return None if why is None else _another(why)


def told(tx: Connection) -> dict[str, str]:
    """The same for `rebates status`."""
    return {} if meta.get(tx, rebasing.ANOTHER_STORE) is None else {"push": "ANOTHER_STORE"}


def answer(run: Running, pushed: Pushed) -> None:
    """A push was refused for its numbers: begin an epoch above those of the org, or stop for a person."""
    app = run.app
    newest = newest_sequence(app)
    with app.store.transaction() as tx:
        now, epoch = app.clock.now(), meta.epoch(tx)
        if rebasing.stage(tx) is rebasing.Stage.RESTORED:
            return  # done: the answer to this very commit was lost, and it is made again
        given_out = newest < meta.take_sequence(
            tx, 1
        )  # a merge in the org may put it under another key: no second store
        why = _stranger(tx, newest, epoch, micros(now) if given_out else micros(now - AT_MOST_EVERY))
        if why is not None:
            meta.put(tx, rebasing.ANOTHER_STORE, why)
            pushed.stopped["push"] = _another(why)
        else:
            backup.new_epoch(
                tx, where=app.store.where, actor=app.owner, now=now, action="store behind the org",
                newest=str(newest),
            )  # fmt: skip
            meta.put(tx, rebasing.BY_ITSELF, str(micros(now)))
    log.error("push.overtaken", rows=pushed.overtaken, newest=newest, epoch=epoch, stopped=why is not None)


def _stranger(tx: Connection, newest: int, epoch: int, since: int) -> str | None:
    """What speaks against the numbers of the org being our own; None: they are of our epoch."""
    theirs, last = newest // meta.SEQUENCES_PER_EPOCH, meta.get(tx, rebasing.BY_ITSELF)
    if theirs > epoch:
        return f"the org holds numbers of epoch {theirs}, and this store is in epoch {epoch}"
    if last is not None and int(last) > since:
        return "the org refused this store's numbers a second time within a day"
    return None


def _another(why: str) -> errors.Misconfigured:
    return errors.Misconfigured(
        "ANOTHER_STORE",
        detail=f"nothing is sent any more: {why}. Another store writes to this org, or this one was put back to an older "
        "state once more",
        hint="Find the other store (a copy, a test installation) and stop it; then here, on the one that goes on: "
        "rebates db restored, then: rebates sync (docs/operations.md)",
    )
