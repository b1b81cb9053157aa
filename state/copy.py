"""A store into another database: from SQLite to PostgreSQL when one host is no longer enough, and back.

One snapshot is read, one transaction writes it: the copy is whole or it is not there. Numbers (`pk`) stay as they
are. Staged pages and leases stay behind: the next sync reads its window again, and nobody runs on the copy yet.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Table, func, select

from state import bulk, meta, schema
from state.errors import StoreError
from state.store import Store
from state.tables import metadata
from state.tables.base import Surrogate
from state.tables.facts import accounts
from state.tables.running import leases, runs, staged_pages

ROWS_AT_ONCE = 20_000
LEFT_BEHIND = (leases, staged_pages)


def copy(source: Store, target: Store, *, said: Callable[[str, int], None] | None = None) -> dict[str, int]:
    """Copy every table; returns the rows by table. `said` hears of each table as it is done.

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
        _require_unused(writing, target.where)
        for table in metadata.sorted_tables:
            if _count(writing, table):  # what a new store begins with
                writing.execute(table.delete())
            if table in LEFT_BEHIND:
                continue
            copied[table.name] = _rows(reading, writing, table)
            if said is not None:
                said(table.name, copied[table.name])
        for table in metadata.sorted_tables:
            there = _count(writing, table)
            if table not in LEFT_BEHIND and there != copied[table.name]:
                raise StoreError(
                    f"{table.name} has {there} rows in the copy and {copied[table.name]} in the source",
                    where=target.where,
                    hint="nothing was kept; run the same command again",
                )
            _go_on_counting(writing, table)
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
