"""The org refuses our numbers as too old, and this store never gave out newer ones: one of the two is not what it was.

The database lost its last commits (a standby without them was promoted, an older copy was put back), or another store
writes to the same org. In the first case the numbers that the org has are of our own epoch: a new one is begun, as after a
restore, and the next sync reads what the org knows before it sends anything. Numbers of an epoch that we never began are
those of another store, or of a restore that this one does not remember. Which store goes on is then for a person to say:
two that each number above the other would take turns for ever.

It is noticed before anything is sent: accounts are read with the number that they bear (it costs no call), and whatever
another store writes comes with the next pull. A copy of a file, at another place than where it last sent from, does not
take the numbers of the original for its own.
"""

from __future__ import annotations

import socket
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import structlog
from sqlalchemy import Connection

from connector import errors
from jobs import preflight, schema
from jobs.rebase import newest_sequence
from state import backup, meta, outbox, rebasing
from state.instants import micros

if TYPE_CHECKING:
    from jobs.app import App
    from jobs.pushed import Pushed
    from jobs.running import Running

CODE = "RB_STALE_SEQ"  # what a row says that was refused for its number
HIDDEN = "org_number.hidden"  # in `meta`: the day on which the field with our number could not be read
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


def asked_beside(app: App, tx: Connection) -> tuple[str, ...]:
    """The field with our number, for whoever reads accounts; none where the org is not known to have it."""
    target = app.mapping.push.get("account")
    if target is None or target.when == "never" or "account" not in app.settings.push.targets:
        return ()
    if "account" in schema.targets_held(tx) or meta.get(tx, HIDDEN) == app.local_day().isoformat():
        return ()
    fence = preflight.fitted_targets(tx, {"account": target})["account"].fence
    same = target.object == app.mapping.pull["account"].object
    return (fence,) if fence is not None and same and preflight.was_made(tx) else ()


def ask_no_more_today(app: App, tx: Connection) -> None:
    """The field may not be read: accounts are, without it."""
    meta.put(tx, HIDDEN, app.local_day().isoformat())
    log.warning("pull.number_hidden", entity="account", next="asked again tomorrow")


def highest(numbers: pa.ChunkedArray) -> int:
    """Of a column as the org tells it; 0: there is none."""
    return max((int(Decimal(one)) for one in numbers.drop_null().to_pylist() if one), default=0)


def note_ahead(tx: Connection, number: int) -> None:
    """Accounts were read, before anything is computed: none can bear a number that was not given out yet."""
    if number >= meta.following(tx):
        meta.put(tx, rebasing.AHEAD, str(number))


def is_behind(run: Running, pushed: Pushed, objects: list[str]) -> bool:
    """Whether the org showed a number that this store never gave out, and still has it: then nothing is sent."""
    app = run.app
    with app.store.read() as tx:
        ahead = meta.get(tx, rebasing.AHEAD)
        if ahead is None:
            return False
        waiting = outbox.due(tx, set(objects), now=run.now())
    if not waiting:
        return False
    if newest_sequence(app) < int(ahead):  # somebody had typed it, and it was put right
        with app.store.transaction() as tx:
            meta.drop(tx, rebasing.AHEAD)
        return False
    pushed.overtaken = waiting
    return True


def after(run: Running, pushed: Pushed) -> None:
    """A push is over: was it refused, or kept back, for its numbers?"""
    if pushed.overtaken:
        answer(run, pushed)
    elif pushed.done:
        _note_place(run.app)


def _note_place(app: App) -> None:
    """Something was sent from here. A store on a server has no place of its own: a standby takes its over."""
    here = _place(app)
    if here is None:
        return
    with app.store.read() as tx:
        known = meta.get(tx, rebasing.PLACE)
    if known != here:
        with app.store.transaction() as tx:
            meta.put(tx, rebasing.PLACE, here)


def _place(app: App) -> str | None:
    path = app.store.path
    return None if path is None else f"{socket.gethostname()}:{path.resolve()}"


def answer(run: Running, pushed: Pushed) -> None:
    """A push was refused for its numbers, or would be: begin an epoch above those of the org, or stop for a person."""
    app = run.app
    newest = newest_sequence(app)
    with app.store.transaction() as tx:
        now, epoch = app.clock.now(), meta.epoch(tx)
        if rebasing.stage(tx) is rebasing.Stage.RESTORED:
            return  # done: the answer to this very commit was lost, and it is made again
        # A merge in the org may put a number under another key: no second store. What was ahead when it was read may have
        # been given out by us, too, since.
        given_out = newest < meta.take_sequence(tx, 1) and meta.get(tx, rebasing.AHEAD) is None
        why = _stranger(tx, newest, epoch, micros(now) if given_out else micros(now - AT_MOST_EVERY))
        if why is None and not given_out:
            why = _copied(tx, _place(app))
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


def _copied(tx: Connection, here: str | None) -> str | None:
    known = meta.get(tx, rebasing.PLACE)
    if known is None or here in (None, known):
        return None
    return (
        f"this store is a copy: it last sent from {known}, is at {here} now, and the org was written to since"
    )


def _another(why: str) -> errors.Misconfigured:
    return errors.Misconfigured(
        "ANOTHER_STORE",
        detail=f"nothing is sent any more: {why}. Another store writes to this org, or this one was put back to an older "
        "state once more",
        hint="Find the other store (a copy, a test installation) and stop it; then here, on the one that goes on: "
        "rebates db restored, then: rebates sync (docs/operations.md)",
    )
