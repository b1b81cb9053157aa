"""A store into another database: from SQLite to PostgreSQL when one host is no longer enough, and back.

One snapshot is read, one transaction writes it: the copy is whole or it is not there. Numbers (`pk`) stay as they
are. Staged pages and leases stay behind: the next sync reads its window again, and nobody runs on the copy yet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, func, select

from state import backup, bulk, meta, outbox_lost, pausing, rebasing, schema
from state.dialects import database_time
from state.errors import StoreError, StoreLocked
from state.leases import held
from state.store import Store
from state.tables import metadata
from state.tables.base import Surrogate
from state.tables.facts import accounts
from state.tables.running import leases, runs, staged_pages
from state.tables.work import outbox

ROWS_AT_ONCE = 20_000
LEFT_BEHIND = (leases, staged_pages)


@dataclass(frozen=True)
class Moved:
    """The rows by table; and how many of what waits and has no key in the org stay with the store that was copied."""

    rows: dict[str, int]
    left: int


def move(source: Store, target: Store, *, actor: str, now: datetime, unkeyed: Collection[str] = ()) -> Moved:
    """Copy a store that somebody will go on with: it begins an epoch, and its first run reads the org before it writes.

    For who knows what the source sent after the copy was made. What has no key in the org (`unkeyed`) cannot be looked
    for there: it goes along where the source is paused, and else the source sends it. Raises StoreLocked while a run is
    under way there.
    """
    left = 0

    def idle(reading: Connection) -> None:
        found = held(reading, database_time(reading) or now)
        if found:
            raise StoreLocked(
                f"a run is under way: {found[0].owner} until {found[0].expires_at:%H:%M:%S} UTC",
                where=source.where,
                hint="`rebates pause`, let it end, then copy; a killed process frees the lock after 15 minutes",
            )

    def begin(writing: Connection) -> None:
        nonlocal left
        mine = outbox.c.object.in_(sorted(unkeyed))
        outbox_lost.close(
            writing, mine & (outbox.c.state == "inflight"), "superseded", now
        )  # may have arrived
        first, is_paused = meta.take_sequence(writing, 1), pausing.reason(writing) is not None
        backup.new_epoch(
            writing, where=target.where, actor=actor, now=now, action="copy", source=source.where
        )
        if is_paused:
            meta.put(writing, rebasing.HANDED_OVER, str(first))
        else:
            waiting = mine & (outbox.c.state == "pending")
            left = int(writing.execute(select(func.count()).select_from(outbox).where(waiting)).scalar_one())

    rows = copy(source, target, before=idle, after=begin)
    return Moved(rows, left)


def copy(
    source: Store,
    target: Store,
    *,
    before: Callable[[Connection], None] = lambda reading: None,
    after: Callable[[Connection], None] = lambda writing: None,
) -> dict[str, int]:
    """Copy every table as it is; returns the rows by table. `before` may look at the snapshot that is copied, `after` is
    called in the transaction that writes.

    Nobody should work on the source meanwhile (`rebates pause`): what is written after the start is not copied.
    Raises StoreError when the target was used before, or when the two do not hold the same rows at the end.
    """
    if source.where == target.where:
        raise StoreError(
            "a store cannot be copied onto itself", where=target.where, hint="name another target"
        )
    copied: dict[str, int] = {}
    with source.read() as reading, target.transaction() as writing:
        schema.require_current(schema.revision(reading), source.where)
        before(reading)
        _require_unused(writing, target.where)
        for table in metadata.sorted_tables:
            if _count(writing, table):  # what a new store begins with
                writing.execute(table.delete())
            if table in LEFT_BEHIND:
                continue
            copied[table.name] = _rows(reading, writing, table)
        for table in metadata.sorted_tables:
            there = _count(writing, table)
            if table not in LEFT_BEHIND and there != copied[table.name]:
                raise StoreError(
                    f"{table.name} has {there} rows in the copy and {copied[table.name]} in the source",
                    where=target.where,
                    hint="nothing was kept; run the same command again",
                )
            _go_on_counting(writing, table)
        after(writing)
    return copied


def _require_unused(tx: Connection, where: str) -> None:
    used = meta.org_id(tx) is not None or any(_count(tx, table) for table in (accounts, runs))
    if used:
        raise StoreError(
            "the target was used before: copying would mix two stores",
            where=where,
            hint="name an empty database, or a file that does not exist",
        )


def _rows(reading: Connection, writing: Connection, table: Table) -> int:
    rows = 0
    names = [column.name for column in table.columns]
    found = reading.execution_options(yield_per=ROWS_AT_ONCE).execute(select(*table.columns))
    for part in found.partitions():
        bulk.fill_tuples(writing, table, names, [tuple(row) for row in part])
        rows += len(part)
    return rows


def _go_on_counting(tx: Connection, table: Table) -> None:
    """PostgreSQL gives out numbers by a sequence, which must not begin at one again."""
    pk = table.columns.get("pk")
    if tx.dialect.name != "postgresql" or pk is None or pk.type is not Surrogate:
        return
    tx.exec_driver_sql(
        f"SELECT setval(pg_get_serial_sequence('{table.name}', 'pk'), coalesce(max(pk), 0) + 1, false) FROM {table.name}"
    )


def _count(tx: Connection, table: Table) -> int:
    return int(tx.execute(select(func.count()).select_from(table)).scalar_one())
