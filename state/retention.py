"""What need not be kept for ever, and for how long it is: a store that syncs every quarter of an hour grows for years.

| what | goes | stays |
|---|---|---|
| outbox | rows that a newer delivered one replaced | the newest delivered row of every key; events (their keys keep them from being made twice) |
| bulk jobs | that are over | open ones |
| runs | that are over | the newest of each job and outcome; those that settled something or made a standing that holds |
| history | what a standing was before what it was when `history` begins | whatever held at any moment since, and the newest |
| helpers | processes that were killed while they waited to help | |

Never touched: facts, contributions, standings, events, tasks, postings, payouts, closed periods, the audit trail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, Table, and_, exists, func, or_, select

from state.instants import micros
from state.tables.running import bulk_jobs, runs, workers
from state.tables.work import closed_periods, outbox, postings, standing_history, standings

HELPERS = timedelta(days=1)


@dataclass(frozen=True)
class Keep:
    """For how long, counted from when a row was replaced or over."""

    outbox: timedelta
    runs: timedelta
    history: timedelta


def due(keep: Keep, now: datetime) -> dict[str, tuple[Table, Select[Any]]]:
    """By kind: the table, and the query for the keys of its rows that are due to go. A row that is due stays due."""
    sent = micros(now - keep.outbox)
    over = and_(bulk_jobs.c.state != "open", bulk_jobs.c.finished_at < sent)
    return {
        "outbox": (outbox, select(outbox.c.pk).where(_replaced_rows(sent))),
        "bulk_jobs": (bulk_jobs, select(bulk_jobs.c.pk).where(over)),
        "runs": (runs, select(runs.c.pk).where(_old_runs(micros(now - keep.runs)))),
        "history": (standing_history, _replaced_standings(micros(now - keep.history))),
        "helpers": (workers, select(workers.c.owner).where(workers.c.seen_at < micros(now - HELPERS))),
    }


def counted(tx: Connection, keep: Keep, now: datetime) -> dict[str, int]:
    """How many rows of each kind are due to go. Reads only."""
    return {
        name: int(tx.execute(select(func.count()).select_from(query.subquery())).scalar_one())
        for name, (_, query) in due(keep, now).items()
    }


def keys(tx: Connection, query: Select[Any], at_once: int) -> Iterator[list[tuple[Any, ...]]]:
    """The keys of one kind in one pass, so many at a time: to be removed through another connection, in short
    transactions, while this one reads on."""
    for some in tx.execute(query.execution_options(yield_per=at_once)).partitions():
        yield [tuple(row) for row in some]


def _replaced_rows(before: int) -> Any:
    newer = outbox.alias("newer")
    replaced = exists().where(
        newer.c.object == outbox.c.object, newer.c.ext_key == outbox.c.ext_key, newer.c.seq > outbox.c.seq,
        newer.c.state == "done",
    )  # fmt: skip
    return and_(
        outbox.c.kind == "state",
        outbox.c.finished_at < before,
        or_(outbox.c.state == "superseded", and_(outbox.c.state == "done", replaced)),
    )


def _old_runs(before: int) -> Any:
    """`status` and a scheduler ask for the newest of a job and outcome; a posting says under which rules it was settled."""
    newest = select(func.max(runs.c.pk)).group_by(runs.c.job, runs.c.outcome)
    last_slot = select(func.max(runs.c.slot_utc)).group_by(runs.c.job)
    # By their indexes on the run: NOT IN makes PostgreSQL read all of their rows once more for each run.
    needed = (exists().where(table.c.run_pk == runs.c.pk) for table in (postings, closed_periods, standings))
    return and_(
        runs.c.finished_at < before,
        runs.c.pk.not_in(newest),
        runs.c.slot_utc.not_in(last_slot),
        *(~one for one in needed),
    )


def _replaced_standings(before: int) -> Select[Any]:
    """Revisions that were replaced before `before`: nobody who asks for a moment since then needs them."""
    past = standing_history.c
    # One pass in the order of the key: a look-up of the next revision for each would take many times as long.
    following = func.lead(past.changed_at).over(
        partition_by=(past.member_pk, past.period_pk), order_by=past.revision
    )
    each = select(past.member_pk, past.period_pk, past.revision, following.label("replaced_at")).subquery()
    return select(each.c.member_pk, each.c.period_pk, each.c.revision).where(each.c.replaced_at <= before)
