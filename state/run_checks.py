"""The invariants of runs and of what they send, by letter: S1 a slot is run once, X5 numbers only rise. Read-only;
`invariants` runs them. S3 (no slot passes without a word) needs the schedule: `jobs.slot_checks`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, func, inspect, select

from state import meta
from state.tables.running import runs
from state.tables.work import acknowledged, outbox

RESTORE = "restore a backup: rebates db restore BACKUP"
SLOT = ["job", "slot_utc"]

Broken = tuple[str, Any, str]  # name, a query of the rows that break it, what to do


def check(tx: Connection) -> Iterator[Broken]:
    """Those whose query depends on what the store says of itself."""
    if SLOT not in [one["column_names"] for one in inspect(tx).get_unique_constraints("runs")]:
        unguarded = select(func.count().label("runs")).select_from(runs)
        yield "the database no longer keeps a slot from being run twice (S1)", unguarded, RESTORE
    yield from _numbers(tx)


def constant() -> tuple[Broken, ...]:
    """Invariants with the query that finds what breaks them, in the same words every time."""
    ended = select(runs.c.pk).where(runs.c.finished_at.is_(None) != runs.c.outcome.is_(None))
    slots = (runs.c.job, runs.c.slot_utc)
    twice = select(*slots, func.count().label("rows")).group_by(*slots).having(func.count() > 1)
    return (
        ("a run ended without an outcome", ended, "see: rebates status"),
        ("a slot was run twice (S1)", twice, "two schedulers: see docs/operations.md, By letter"),
    )


def _numbers(tx: Connection) -> Iterator[Broken]:
    """The org refuses numbers below what it has: one that was never given out makes every later write look old."""
    following = meta.epoch(tx) * meta.SEQUENCES_PER_EPOCH + int(meta.get(tx, "next_seq") or 1)
    hint = "run: rebates db restored, then rebates sync"
    for table in (outbox, acknowledged):
        above = select(table.c.object, table.c.ext_key, table.c.seq).where(table.c.seq >= following)
        yield f"a number in {table.name} is above all that were given out (X5)", above, hint
