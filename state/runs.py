"""One row a job and slot: what ran, by whom, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Literal

from sqlalchemy import Connection, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.sql.dml import ReturningInsert

from state.dialects import upsert_into
from state.instants import micros, moment, optional_moment
from state.tables.running import runs

Outcome = Literal["ok", "partial", "failed", "parked", "interrupted", "abandoned", "skipped", "missed"]


@dataclass(frozen=True)
class Run:
    """`slot` is the scheduled instant (or the start, for a run by hand); `outcome` is None while it runs."""

    pk: int
    job: str
    slot: datetime
    owner: str
    epoch: int
    started_at: datetime
    heartbeat_at: datetime
    finished_at: datetime | None
    outcome: str | None
    counts: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


# Between all batches of a run: built once.
_BEAT = update(runs).where(runs.c.pk == bindparam("run")).values(heartbeat_at=bindparam("at"))
_TELL = update(runs).where(runs.c.pk == bindparam("run")).values(counts=bindparam("counted"))

_END = (
    update(runs)
    .where(runs.c.pk == bindparam("run"), runs.c.finished_at.is_(None))
    .values(
        finished_at=bindparam("at"), heartbeat_at=bindparam("at"), outcome=bindparam("how"),
        counts=bindparam("counted"), error=bindparam("why"),
    )
)  # fmt: skip
_UNFINISHED = select(runs).where(runs.c.finished_at.is_(None)).order_by(runs.c.pk)


@cache
def _start(dialect: str) -> ReturningInsert[Any]:
    statement = upsert_into(dialect, runs)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["job", "slot_utc"],
        set_={"epoch": new.epoch, "heartbeat_at": new.heartbeat_at},
        where=and_(runs.c.owner == new.owner, runs.c.finished_at.is_(None)),
    ).returning(runs.c.pk)


def start(
    tx: Connection,
    job: str,
    slot: datetime,
    *,
    owner: str,
    epoch: int,
    now: datetime,
    seen_at: datetime | None = None,
) -> int | None:
    """Claim a slot: the run's pk, or None when somebody has this slot already (whatever became of it).

    `seen_at` is its first heartbeat, by the clock of the leases. Ours already and not over, it stays ours: the commit that claimed it was kept although nobody could tell us.
    """
    values = {
        "job": job,
        "slot_utc": micros(slot),
        "owner": owner,
        "epoch": epoch,
        "started_at": micros(now),
        "heartbeat_at": micros(seen_at or now),
        "counts": "{}",
    }
    return tx.execute(_start(tx.dialect.name), values).scalar_one_or_none()


def heartbeat(tx: Connection, run_pk: int, now: datetime, *, counts: Mapping[str, Any] | None = None) -> None:
    """A sign of life, with what was counted so far: of a run that is killed nothing else is left."""
    tx.execute(_BEAT, {"run": run_pk, "at": micros(now)})
    if counts is not None:
        tx.execute(_TELL, {"run": run_pk, "counted": _told(counts)})


def finish(
    tx: Connection,
    run_pk: int,
    outcome: Outcome,
    *,
    now: datetime,
    counts: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> bool:
    """Write down how a run ended; a run ends once. Returns whether this call ended it."""
    counted = _told(counts or {})
    changed = tx.execute(
        _END, {"run": run_pk, "at": micros(now), "how": outcome, "counted": counted, "why": error}
    )
    return changed.rowcount == 1


def abandon(tx: Connection, *, older_than: datetime, now: datetime) -> list[Run]:
    """Runs without a heartbeat since `older_than` (by the clock of the leases) were killed: end them as `abandoned`, with
    what they last told, and return them."""
    dead = [run for run in unfinished(tx) if run.heartbeat_at < older_than]
    for run in dead:
        finish(tx, run.pk, "abandoned", now=now, counts=run.counts, error="the process ended without a word")
    return dead


def _told(counts: Mapping[str, Any]) -> str:
    return json.dumps(counts, sort_keys=True, default=str)


def calls_since(tx: Connection, since: datetime, *, going_on: int | None = None) -> int:
    """API calls of all runs that started since then, as each wrote them down; without those of the run that holds the
    lease of this epoch (`going_on`), which counts its own."""
    query = select(runs.c.counts).where(runs.c.started_at >= micros(since))
    if going_on is not None:
        query = query.where(or_(runs.c.finished_at.is_not(None), runs.c.epoch != going_on))
    return sum(int(json.loads(text).get("api_calls", 0)) for text in tx.execute(query).scalars())


def unfinished(tx: Connection) -> list[Run]:
    return [_made(row) for row in tx.execute(_UNFINISHED)]


def get(tx: Connection, run_pk: int) -> Run | None:
    row = tx.execute(select(runs).where(runs.c.pk == run_pk)).one_or_none()
    return None if row is None else _made(row)


def unmark(tx: Connection, job: str, *, now: datetime) -> int:
    """Slots of a job that were written off as missed by a clock that was ahead: they are to be had again. How many."""
    ahead = and_(runs.c.job == job, runs.c.outcome == "missed", runs.c.started_at > micros(now))
    return tx.execute(delete(runs).where(ahead)).rowcount


def give_back_slots(
    tx: Connection, jobs: Sequence[str], *, to_come: datetime, now: datetime
) -> list[tuple[str, datetime]]:
    """Slots of jobs that have not come yet (later than `to_come`) and that a clock that was ahead has used: they are to be had when
    they come. What ran stays, as a run right after the one before it: (job, slot) of each."""
    ahead = and_(
        runs.c.job.in_(jobs),
        runs.c.slot_utc > micros(to_come),
        runs.c.finished_at.is_not(None),
        runs.c.outcome != "missed",
    )
    found = tx.execute(select(runs.c.pk, runs.c.job, runs.c.slot_utc).where(ahead).order_by(runs.c.pk)).all()
    for row in found:
        mine = and_(runs.c.job == row.job, runs.c.slot_utc <= micros(to_come))
        taken = set(tx.execute(select(runs.c.slot_utc).where(mine)).scalars())
        earlier = and_(mine, runs.c.slot_utc <= micros(now), runs.c.pk < row.pk)
        before = tx.execute(select(func.max(runs.c.slot_utc)).where(earlier)).scalar()
        at = (micros(now) if before is None else before) + 1
        while at in taken:
            at += 1
        tx.execute(update(runs).where(runs.c.pk == row.pk).values(slot_utc=at))
    return [(row.job, moment(row.slot_utc)) for row in found]


def latest(
    tx: Connection,
    *,
    job: str | None = None,
    outcome: str | None = None,
    until: datetime | None = None,
    limit: int = 20,
) -> list[Run]:
    """The newest runs first. `until`: without slots to come, where a clock that was ahead has been."""
    query = select(runs)
    if until is not None:
        query = query.where(runs.c.slot_utc <= micros(until))
    if job is not None:
        query = query.where(runs.c.job == job)
    if outcome is not None:
        query = query.where(runs.c.outcome == outcome)
    return [
        _made(row)
        for row in tx.execute(query.order_by(runs.c.slot_utc.desc(), runs.c.pk.desc()).limit(limit))
    ]


def of_job(tx: Connection, job: str, *, since: datetime, until: datetime) -> list[Run]:
    """Runs of a job whose slot lies between two moments, the oldest first."""
    mine = (runs.c.job == job) & runs.c.slot_utc.between(micros(since), micros(until))
    return [_made(row) for row in tx.execute(select(runs).where(mine).order_by(runs.c.slot_utc, runs.c.pk))]


def _made(row: Any) -> Run:
    return Run(
        row.pk,
        row.job,
        moment(row.slot_utc),
        row.owner,
        row.epoch,
        moment(row.started_at),
        moment(row.heartbeat_at),
        optional_moment(row.finished_at),
        row.outcome,
        json.loads(row.counts),
        row.error,
    )
