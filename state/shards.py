"""Shards: one run's work, cut by its leader so that several processes take shares of it, and who is there to take them.

    open ── claim ──► owned ──► done            (push: each transaction saves what it did)
                      owned ──► ready ── all are ──► go ──► done     (compute: saved only when the leader says so)

A shard belongs to one process until its lease ends. Claiming it raises its epoch: whoever slept through the lease is
recognised by `check` in each of its transactions and saves nothing. All shards die with the leader's own epoch.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, and_, case, delete, exists, func, insert, or_, select, update

from state.dialects import upsert
from state.errors import LostLease
from state.instants import micros, moment
from state.tables.running import leases, shards, workers

Part = Literal["compute", "push"]
ORG = "org"  # the leader's lease


@dataclass(frozen=True)
class Shard:
    """`given` is the leader's, `told` the worker's. `before` names the owner that lost it, when there was one."""

    run_pk: int
    part: str
    number: int
    leader_epoch: int
    given: Mapping[str, Any]
    state: str
    owner: str | None
    epoch: int
    expires_at: datetime
    told: Mapping[str, Any]
    calls: int
    before: str | None = None


def cut(
    tx: Connection,
    run_pk: int,
    part: Part,
    given: Sequence[Mapping[str, Any]],
    *,
    leader_epoch: int,
    rules: str,
    now: datetime,
) -> None:
    """Offer shards of a run, one for each of `given`; what other runs have left is no longer offered."""
    tx.execute(delete(shards).where(or_(shards.c.run_pk != run_pk, shards.c.part == part)))
    tx.execute(
        insert(shards),
        [
            {
                "run_pk": run_pk,
                "part": part,
                "number": number,
                "leader_epoch": leader_epoch,
                "rules": rules,
                "given": json.dumps(one, sort_keys=True),
                "state": "open",
                "owner": None,
                "epoch": 0,
                "expires_at": micros(now),
                "told": "{}",
                "calls": 0,
            }
            for number, one in enumerate(given)
        ],
    )


def claim(
    tx: Connection,
    *,
    rules: str,
    owner: str,
    ttl: timedelta,
    now: datetime,
    run_pk: int | None = None,
    part: str | None = None,
    but_not: Collection[tuple[int, str]] = (),
) -> Shard | None:
    """Take a shard that nobody works on, of a run under the same rules whose leader still is one; None: there is none.

    `but_not` are (run, part) that the caller has given up on.
    """
    led = exists().where(leases.c.name == ORG, leases.c.epoch == shards.c.leader_epoch)
    wanted = [
        shards.c.rules == rules,
        shards.c.state.in_(("open", "ready", "go")),
        or_(shards.c.owner.is_(None), shards.c.expires_at <= micros(now)),
        led,
    ]
    if run_pk is not None:
        wanted.append(shards.c.run_pk == run_pk)
    if part is not None:
        wanted.append(shards.c.part == part)
    wanted += [~and_(shards.c.run_pk == run, shards.c.part == part) for run, part in but_not]
    query = select(shards).where(*wanted).order_by(shards.c.run_pk, shards.c.part, shards.c.number)
    row = tx.execute(query.limit(1).with_for_update(skip_locked=True, of=shards)).one_or_none()
    if row is None:
        return None
    # What one owner was ready with is not there any more: it was never saved.
    state = "open" if row.state == "ready" else row.state
    found = _made(row)
    taken = replace(
        found, owner=owner, epoch=found.epoch + 1, expires_at=now + ttl, state=state, before=found.owner
    )
    _put(tx, found, owner=owner, epoch=taken.epoch, expires_at=micros(now + ttl), state=state)
    return taken


def check(tx: Connection, shard: Shard) -> None:
    """Raises `LostLease` unless the shard is still ours and its leader the leader; so until this transaction ends."""
    mine = _of(shard)
    row = tx.execute(
        select(shards.c.owner, shards.c.epoch).where(mine).with_for_update(read=True)
    ).one_or_none()
    if row is None or row.owner != shard.owner or row.epoch != shard.epoch:
        raise LostLease(
            f"shard {shard.number} of run {shard.run_pk} went to another process", where=shard.owner or ""
        )
    leader = select(leases.c.epoch).where(leases.c.name == ORG).with_for_update(read=True)
    if tx.execute(leader).scalar_one_or_none() != shard.leader_epoch:
        raise LostLease(f"the leader of run {shard.run_pk} is no longer the leader", where=shard.owner or "")


def renew(tx: Connection, owner: str, *, ttl: timedelta, now: datetime) -> None:
    """Hold on to everything that is ours; what was taken over is not ours any more."""
    tx.execute(update(shards).where(shards.c.owner == owner).values(expires_at=micros(now + ttl)))


def tell(tx: Connection, shard: Shard, told: Mapping[str, Any], *, calls: int = 0) -> None:
    """What came of it so far, and API calls since the last time; in the transaction that saves the work itself."""
    _require(_put_mine(tx, shard, told=json.dumps(told, sort_keys=True), calls=shards.c.calls + calls), shard)


def done(tx: Connection, shard: Shard) -> None:
    """It is finished, and nobody's."""
    _require(_put_mine(tx, shard, state="done", owner=None), shard)


def ready(tx: Connection, shard: Shard, told: Mapping[str, Any]) -> None:
    """Worked out, not saved: the leader decides. One that already may go stays so."""
    # The leader may have let all go while this one was worked out once more.
    state = case((shards.c.state == "open", "ready"), else_=shards.c.state)
    _require(_put_mine(tx, shard, state=state, told=json.dumps(told, sort_keys=True)), shard)


def give_back(tx: Connection, owner: str, *, now: datetime) -> None:
    """Everything that is ours is anybody's again."""
    tx.execute(
        update(shards)
        .where(shards.c.owner == owner, shards.c.state == "ready")
        .values(state="open", told="{}")
    )
    tx.execute(update(shards).where(shards.c.owner == owner).values(owner=None, expires_at=micros(now)))


def let_go(tx: Connection, run_pk: int, part: Part) -> None:
    """The leader has looked at what all shards came to: they may be saved."""
    mine = and_(shards.c.run_pk == run_pk, shards.c.part == part, shards.c.state.in_(("open", "ready")))
    tx.execute(update(shards).where(mine).values(state="go"))


def of_run(tx: Connection, run_pk: int, part: Part | None = None) -> list[Shard]:
    """The shards of a run, in order."""
    query = select(shards).where(shards.c.run_pk == run_pk)
    if part is not None:
        query = query.where(shards.c.part == part)
    return [_made(row) for row in tx.execute(query.order_by(shards.c.part, shards.c.number))]


def recall(tx: Connection, run_pk: int, *, leader_epoch: int) -> None:
    """Nothing more of a run is to be begun: whoever works on a shard ends its batch and gives it back."""
    mine = and_(shards.c.run_pk == run_pk, shards.c.leader_epoch == leader_epoch, shards.c.state != "done")
    tx.execute(update(shards).where(mine).values(state="recalled"))


def is_recalled(tx: Connection, shard: Shard) -> bool:
    """Whether the leader wants it back."""
    return tx.execute(select(shards.c.state).where(_of(shard))).scalar_one_or_none() == "recalled"


def is_ours(tx: Connection, shard: Shard) -> bool:
    """Whether nobody took it over; so until this transaction ends."""
    query = select(shards.c.owner, shards.c.epoch).where(_of(shard)).with_for_update()
    row = tx.execute(query).one_or_none()
    return row is not None and (row.owner, row.epoch) == (shard.owner, shard.epoch)


def withdraw(tx: Connection, run_pk: int) -> None:
    """Offer nothing more of a run. Whoever still works on a shard of it loses it."""
    tx.execute(delete(shards).where(shards.c.run_pk == run_pk))


def calls_of(tx: Connection, run_pk: int) -> int:
    """API calls that the shards of a run have cost so far."""
    query = select(func.coalesce(func.sum(shards.c.calls), 0)).where(shards.c.run_pk == run_pk)
    return int(tx.execute(query).scalar_one())


def arrive(tx: Connection, owner: str, *, rules: str, now: datetime) -> None:
    """Say that a process is there to help, or still is."""
    statement = upsert(tx, workers).values(owner=owner, rules=rules, seen_at=micros(now))
    seen = {"rules": rules, "seen_at": micros(now)}
    tx.execute(statement.on_conflict_do_update(index_elements=["owner"], set_=seen))


def leave(tx: Connection, owner: str) -> None:
    """It is there no longer."""
    tx.execute(delete(workers).where(workers.c.owner == owner))


def present(tx: Connection, *, since: datetime, rules: str | None = None) -> list[str]:
    """Processes that were seen since then, under the same rules or any."""
    query = select(workers.c.owner).where(workers.c.seen_at > micros(since)).order_by(workers.c.owner)
    if rules is not None:
        query = query.where(workers.c.rules == rules)
    return list(tx.execute(query).scalars())


def _of(shard: Shard) -> Any:
    return and_(shards.c.run_pk == shard.run_pk, shards.c.part == shard.part, shards.c.number == shard.number)


def _put(tx: Connection, shard: Shard, **values: Any) -> None:
    tx.execute(update(shards).where(_of(shard)).values(**values))


def _put_mine(tx: Connection, shard: Shard, **values: Any) -> bool:
    mine = and_(_of(shard), shards.c.owner == shard.owner, shards.c.epoch == shard.epoch)
    return tx.execute(update(shards).where(mine).values(**values)).rowcount == 1


def _require(still_ours: bool, shard: Shard) -> None:
    if not still_ours:
        raise LostLease(
            f"shard {shard.number} of run {shard.run_pk} went to another process", where=shard.owner or ""
        )


def _made(row: Any) -> Shard:
    return Shard(
        row.run_pk,
        row.part,
        row.number,
        row.leader_epoch,
        json.loads(row.given),
        row.state,
        row.owner,
        row.epoch,
        moment(row.expires_at),
        json.loads(row.told),
        row.calls,
    )
