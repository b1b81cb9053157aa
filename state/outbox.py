"""The outbox: what the org should be told, from the transaction that decided it to the org's acknowledgement.

    pending ── claim ──► inflight ──► done | superseded | pending again (retry_at) | quarantined
                            └── the sender died: `sweep` makes it pending, same key, same seq, same payload

`state` rows are coalesced: only the newest of a key is ever sent. `event` rows are created once: a second
one with the same key is not written. Every change after the claim asks for the claim's epoch, so that a sender
that slept through its lease changes nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Select,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    update,
)

from state import acknowledged, bulk, meta, outbox_due
from state.dialects import given, one_of, one_of_given
from state.instants import micros
from state.outbox_due import PENDING
from state.outbox_lost import close as _close
from state.outbox_lost import free as free
from state.outbox_lost import sweep as sweep
from state.outbox_rows import Kind as Kind
from state.outbox_rows import Row as Row
from state.outbox_rows import Stuck as Stuck
from state.outbox_rows import Wanted as Wanted
from state.outbox_rows import made
from state.payloads import digest
from state.payloads import dump as dump
from state.payloads import load as load
from state.payloads import payload_hash as payload_hash
from state.slices import slices
from state.tables.work import outbox

KEYS_AT_ONCE = 1_000  # of one statement
LANES = 64  # an account's rows travel in one lane, so that two workers never write to one account at once


_NEW = (
    "kind", "object", "ext_key", "account_id", "lane", "seq", "payload", "payload_hash", "state", "attempts", "retry_at",
    "enqueued_at",
)  # fmt: skip


def enqueue(
    tx: Connection,
    wanted: Sequence[Wanted],
    *,
    now: datetime,
    sequence: Callable[[int], int] | None = None,
) -> int:
    """Add rows in the transaction of the standings they speak of; returns how many were new.

    A waiting `state` row of the same key is superseded at once. One that equals the newest row on its way (or
    in quarantine: the same payload would be refused again), or else what the org has, is not written. An `event` whose key was ever
    enqueued is not written again. `sequence` gives so many numbers where several processes enqueue side by side.
    """
    written = [_written(w) for w in wanted]
    states = [w for w in written if w.kind == "state"]
    events = [w for w in written if w.kind == "event"]
    new_states, outdated = _new_states(tx, states)
    fresh = [*new_states, *_new_events(tx, events)]
    if not fresh:
        return 0
    for some in slices(outdated):
        _close(tx, and_(_state_of_found.in_(("pending", "quarantined")), _keyed(tx, some)), "superseded", now)
    first = sequence(len(fresh)) if sequence else meta.take_sequence(tx, len(fresh))
    at = micros(now)
    bulk.fill_tuples(
        tx,
        outbox,
        _NEW,
        [
            (w.kind, *w.key, w.account_id, lane_of(w.account_id or w.key[1]), first + n, w.payload, w.hash, "pending", 0, at, at)
            for n, w in enumerate(fresh)
        ],
    )  # fmt: skip
    return len(fresh)


def lane_of(account_id: str) -> int:
    """The lane of an account: the same in every process, for ever."""
    return zlib.crc32(account_id.encode()) % LANES


class _Written(NamedTuple):
    """A wish with its payload written down and hashed, once."""

    kind: Kind
    key: tuple[str, str]
    account_id: str | None
    payload: str
    hash: str


def _written(wanted: Wanted) -> _Written:
    kind, object, ext_key, payload, account_id = wanted
    text = dump(payload)
    return _Written(kind, (object, ext_key), account_id, text, digest(text))


_CLAIM = (
    update(outbox)
    .where(outbox.c.pk.in_(bindparam("pks", expanding=True)), PENDING)
    .values(
        state="inflight", attempts=outbox.c.attempts + 1, owner=bindparam("holder"), epoch=bindparam("at_epoch"),
        claimed_until=bindparam("until"),
    )
    .returning(outbox)
)  # fmt: skip


def claim(
    tx: Connection,
    *,
    now: datetime,
    limit: int,
    owner: str,
    epoch: int,
    until: datetime,
    objects: Collection[str] | None = None,
    kinds: Collection[Kind] | None = None,
    lanes: Collection[int] | None = None,
) -> list[Row]:
    """Take up to `limit` due rows, oldest first by account so that its lock is taken once. Commit before sending.
    `now` is when rows are due; `until` is when others may take them for lost, by the clock that all of them ask.

    Never a row whose key is in flight already, never an event whose account has an earlier one of its object in flight or
    waiting for its hour: events arrive in their order, several of one claim in the order of the rows. One that waits for
    a person holds up no other.
    """
    only = outbox_due.only(objects=objects, kinds=kinds, lanes=lanes)
    pks = list(
        tx.execute(
            outbox_due.claimable(frozenset(only)), {"at": micros(now), "most": limit, **only}
        ).scalars()
    )
    claimed = []
    for some in slices(pks):
        mine = {"holder": owner, "at_epoch": epoch, "until": micros(until)}
        claimed += [made(row) for row in tx.execute(_CLAIM, {"pks": some, **mine})]
    return sorted(claimed, key=lambda row: (row.account_id or "", row.pk))


def superseded(tx: Connection, row: Row, *, now: datetime) -> bool:
    """The org (or a newer row) already has something newer under this key."""
    return _settle(tx, row, state="superseded", finished_at=micros(now))


def retry_at(
    tx: Connection, row: Row, when: datetime, *, code: str | None = None, message: str | None = None
) -> bool:
    """It did not work this time: back to pending, not before `when`, unless a newer value of its key waits already."""
    ours = _settle(tx, row, state="pending", retry_at=micros(when), code=code, message=message)
    if ours:
        close_outdated(tx, now=when, pks=[row.pk])
    return ours


def close_outdated(tx: Connection, *, now: datetime, pks: Collection[int] | None = None) -> None:
    """State rows (all, or some) that are pending beside a newer one of their key: it says all that they would, and two
    rows of one key in one request are refused."""
    newer = outbox.alias("newer")
    outdated = exists().where(
        newer.c.object == outbox.c.object, newer.c.ext_key == outbox.c.ext_key, newer.c.seq > outbox.c.seq,
        newer.c.state == "pending",
    )  # fmt: skip
    which = and_(outbox.c.state == "pending", outbox.c.kind == "state", outdated)
    if pks is None:
        _close(tx, which, "superseded", now)
    else:
        for some in slices(sorted(pks)):
            _close(tx, and_(which, outbox.c.pk.in_(some)), "superseded", now)


def quarantine(
    tx: Connection,
    row: Row,
    why: Stuck,
    *,
    now: datetime,
    code: str | None = None,
    message: str | None = None,
) -> bool:
    """Set a row aside for a person; others are not delayed by it."""
    return _settle(
        tx, row, state="quarantined", finished_at=micros(now), stuck=why.value, code=code, message=message
    )


def take_over(tx: Connection, pks: Collection[int], *, owner: str, epoch: int, until: datetime) -> list[Row]:
    """Rows that somebody claimed and did not come back for, now claimed by us. Not those that are over meanwhile, nor
    any whose key is in flight under another row."""
    other = outbox.alias("other")
    elsewhere = exists().where(
        other.c.object == outbox.c.object, other.c.ext_key == outbox.c.ext_key,
        other.c.state == "inflight", other.c.pk != outbox.c.pk,
    )  # fmt: skip
    taken: list[Row] = []
    for some in slices(sorted(pks)):
        rows = tx.execute(
            update(outbox)
            .where(outbox.c.pk.in_(some), outbox.c.state.in_(("pending", "inflight")), ~elsewhere)
            .values(state="inflight", owner=owner, epoch=epoch, claimed_until=micros(until))
            .returning(outbox)
        )
        taken += [made(row) for row in rows]
    return sorted(taken, key=lambda row: row.pk)


def retry(
    tx: Connection,
    *,
    now: datetime,
    pks: Collection[int] | None = None,
    code: str | None = None,
    stuck: Stuck | None = None,
) -> int:
    """Free quarantined rows (all, some, those of a code or reason). A state row with a newer one is left alone."""
    newer = outbox.alias("newer")
    outdated = exists().where(
        newer.c.object == outbox.c.object, newer.c.ext_key == outbox.c.ext_key, newer.c.seq > outbox.c.seq
    )
    which = [outbox.c.state == "quarantined", or_(outbox.c.kind == "event", ~outdated)]
    if pks is not None:
        which.append(outbox.c.pk.in_(sorted(pks)))
    if code is not None:
        which.append(outbox.c.code == code)
    if stuck is not None:
        which.append(outbox.c.stuck == stuck.value)
    freed = tx.execute(
        update(outbox).where(*which).values(
            state="pending", attempts=0, stuck=None, code=None, message=None, finished_at=None, retry_at=micros(now)
        )
    )  # fmt: skip
    return freed.rowcount


def listed(tx: Connection, *, states: Collection[str] | None = None, limit: int = 100) -> list[Row]:
    """Rows for people: oldest first, by default whatever is not over."""
    query = select(outbox).where(outbox.c.state.in_(sorted(states or ("pending", "inflight", "quarantined"))))
    return [made(row) for row in tx.execute(query.order_by(outbox.c.pk).limit(limit))]


def due(
    tx: Connection, objects: Collection[str], *, now: datetime, lanes: Collection[int] | None = None
) -> int:
    """How many rows of some objects a sender could claim now, in some lanes or all."""
    only = outbox_due.only(objects=objects, lanes=lanes)
    return int(tx.execute(outbox_due.due(frozenset(only)), {"at": micros(now), **only}).scalar_one())


_COUNTS = select(outbox.c.state, func.count().label("rows")).group_by(outbox.c.state)


def counts(tx: Connection) -> dict[str, int]:
    """How many rows in each state."""
    return {row.state: row.rows for row in tx.execute(_COUNTS)}


def keys_done(tx: Connection, object: str) -> set[str]:
    """The keys of an object under which the org was ever told something, and confirmed it."""
    query = select(outbox.c.ext_key).distinct().where(outbox.c.object == object, outbox.c.state == "done")
    return set(bulk.streamed(tx, query).scalars())


def last_done(tx: Connection, object: str, keys: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """What the org was last told under these keys of an object, and confirmed. A payload has kilobytes: ask for a few thousand."""
    newest: dict[str, str] = {}
    for some in slices(sorted(keys)):
        query = (
            select(outbox.c.ext_key, outbox.c.payload)
            .where(outbox.c.object == object, outbox.c.ext_key.in_(some), outbox.c.state == "done")
            .order_by(outbox.c.seq)
        )
        newest |= {row.ext_key: row.payload for row in tx.execute(query)}
    return {key: load(payload) for key, payload in newest.items()}


def amend(tx: Connection, row: Row, payload: Mapping[str, Any], *, now: datetime) -> bool:
    """The org refused a part that may be left out: due again at once, same key and sequence."""
    changed = {"payload": dump(payload), "payload_hash": payload_hash(payload)}
    return _settle(tx, row, state="pending", retry_at=micros(now), **changed)


def _new_states(tx: Connection, wanted: Sequence[_Written]) -> tuple[list[_Written], list[tuple[str, str]]]:
    """Those that are news, and the keys of which something older is still on its way."""
    newest_first = {w.key: w for w in wanted}
    new: list[_Written] = []
    outdated: list[tuple[str, str]] = []
    dialect = tx.dialect.name
    for some in slices(list(newest_first), KEYS_AT_ONCE):
        found = tx.execute(_on_the_way(dialect), {"keys": given(dialect, some)})
        on_the_way = {(object, key): hash for object, key, hash in found}
        known = acknowledged.hashes(tx, some)
        for key in some:
            wish = newest_first[key]
            if on_the_way.get(key, known.get(key)) != wish.hash:
                new.append(wish)
                if key in on_the_way:
                    outdated.append(key)
    return new, outdated


def _new_events(tx: Connection, wanted: Sequence[_Written]) -> list[_Written]:
    by_key, dialect = {w.key: w for w in wanted}, tx.dialect.name
    for some in slices(list(by_key), KEYS_AT_ONCE):
        for object, key in tx.execute(_events(dialect), {"keys": given(dialect, some)}):
            del by_key[object, key]
        for key in acknowledged.hashes(tx, some):
            by_key.pop(key, None)
    return list(by_key.values())


def _settle(tx: Connection, row: Row, **values: Any) -> bool:
    mine = and_(
        outbox.c.pk == row.pk,
        outbox.c.state == "inflight",
        outbox.c.owner == row.owner,
        outbox.c.epoch == row.epoch,
    )
    return (
        tx.execute(update(outbox).where(mine).values(owner=None, claimed_until=None, **values)).rowcount == 1
    )


# Not the bare column: SQLite would go through all that waits, by its index on the state, to find some keys among it.
_state_of_found = func.coalesce(outbox.c.state, "")


@cache
def _on_the_way(dialect: str) -> Select[Any]:
    """The states of given keys that are not over, the newest of a key last."""
    return (
        select(outbox.c.object, outbox.c.ext_key, outbox.c.payload_hash)
        .where(
            _state_of_found.in_(("pending", "inflight", "quarantined")),
            outbox.c.kind == "state",
            one_of_given(dialect, outbox.c.object, outbox.c.ext_key),
        )
        .order_by(outbox.c.seq)
    )


@cache
def _events(dialect: str) -> Select[Any]:
    given_keys = one_of_given(dialect, outbox.c.object, outbox.c.ext_key)
    return select(outbox.c.object, outbox.c.ext_key).where(outbox.c.kind == "event", given_keys)


def _keyed(tx: Connection, keys: Sequence[tuple[str, str]]) -> Any:
    return one_of(tx, (outbox.c.object, outbox.c.ext_key), keys)
