"""After a restore: numbers above what the org has seen, and what the org has is known again."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, select, update

from state import acknowledged, meta
from state.instants import micros
from state.outbox import Row
from state.tables.work import outbox, tasks

ANOTHER_STORE = (
    "another_store"  # in `meta`: what the org says of one; until a person says which store goes on
)
BY_ITSELF = "epoch_by_itself"  # in `meta`: when an epoch was last begun because the org refused our numbers
AHEAD = (
    "org_is_ahead"  # in `meta`: a number that a record of the org showed and that this store never gave out
)
PLACE = "sent_from"  # in `meta`: where the file of the store was when it last sent something
HANDED_OVER = (
    "handed_over"  # in `meta`: the first number that the paused store that was copied did not give out
)
ADOPTED = "adopted"  # stands for the hash of a payload that nobody here remembers
_STAGE = "rebase_needed"  # in `meta`


class Stage(StrEnum):
    """How far a store is that may know less than its org. Where it has none, it knows what the org knows."""

    RESTORED = "1"  # it was put back to an older state: the org is read before anything is sent
    NEW = "new"  # it has just met its org, to which another store may have written
    QUIET = "quiet"  # the org was read; the next compute rings no bells, and ends this


def stage(tx: Connection) -> Stage | None:
    found = meta.get(tx, _STAGE)
    return None if found is None else Stage(found)


def enter(tx: Connection, at: Stage) -> None:
    meta.put(tx, _STAGE, at.value)


def leave(tx: Connection) -> None:
    """Nothing that the org knows is unknown here."""
    meta.drop(tx, _STAGE)


def is_unread(tx: Connection) -> bool:
    """Whether the org has still to be read."""
    return stage(tx) in (Stage.RESTORED, Stage.NEW)


def adopted(amount_e6: int | None) -> str:
    """The same of a payout whose amount the org shows."""
    return ADOPTED if amount_e6 is None else f"{ADOPTED} {amount_e6}"


def number_above(tx: Connection, newest: int) -> int:
    """Begin a new epoch when the org holds a sequence that we would not exceed; returns how many waiting rows got
    new numbers, in their old order."""
    if newest < meta.take_sequence(tx, 1):
        return 0
    meta.put(tx, "epoch", str(newest // meta.SEQUENCES_PER_EPOCH + 1))
    meta.put(tx, "next_seq", "1")
    return renumber(tx)


def renumber(tx: Connection) -> int:
    """What is not over gets numbers of the epoch that has begun, in its old order: the org refuses older ones.

    What is in flight, too: its sender died with the old state, and the same row will be sent again. And what waits for a
    person: once it is freed it is sent as it is.
    """
    unsent = outbox.c.state.in_(("pending", "inflight", "quarantined"))
    waiting = list(tx.execute(select(outbox.c.pk).where(unsent).order_by(outbox.c.pk)).scalars())
    first = meta.take_sequence(tx, len(waiting))
    for n, pk in enumerate(waiting):
        tx.execute(update(outbox).where(outbox.c.pk == pk).values(seq=first + n))
    return len(waiting)


def sent_newer(tx: Connection, row: Row) -> bool:
    """Whether this store knows of a newer number under the key of a row: then the org refused the row rightly."""
    return (acknowledged.sequence(tx, row.object, row.ext_key) or 0) > row.seq


def adopt_event(
    tx: Connection, object: str, key: str, sf_id: str, *, now: datetime, amount_e6: int | None = None
) -> None:
    """The org has this record already: what waits to create it is done, what would create it will not be written."""
    known = acknowledged.hashes(tx, [(object, key)]).get((object, key), ADOPTED)
    if known.startswith(ADOPTED):
        told = adopted(amount_e6)
        acknowledged.remember(tx, object, key, seq=0, payload_hash=told, sf_id=sf_id, now=now)
    mine = (outbox.c.object == object) & (outbox.c.ext_key == key) & (outbox.c.kind == "event")
    tx.execute(
        update(outbox)
        .where(mine, outbox.c.state.in_(("pending", "quarantined")))
        .values(state="superseded", finished_at=micros(now))
    )
    tx.execute(update(tasks).where(tasks.c.key == key, tasks.c.sf_id.is_(None)).values(sf_id=sf_id))


def is_handed_over(tx: Connection, newest: int) -> bool:
    """Whether what waits and has no key in the org came with the copy of a paused store that did not go on: the org's
    `newest` number is one of those that it had given out by then."""
    first = meta.get(tx, HANDED_OVER)
    return first is not None and newest < int(first)


def forget_unkeyed(tx: Connection, object: str, *, now: datetime) -> None:
    """What waits and has no key in the org may have been delivered after the backup was made: it is not sent again."""
    tx.execute(
        update(outbox)
        .where(outbox.c.object == object, outbox.c.state.in_(("pending", "inflight", "quarantined")))
        .values(state="superseded", finished_at=micros(now), owner=None, claimed_until=None)
    )
