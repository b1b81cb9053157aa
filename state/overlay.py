"""A SQLite store as a second process works on it: read from the file, written over it in memory, handed to the one writer.

    over = Overlay.open(path)           # in the second process
    taken = over.take()                 # what was written since the last time
    lay_down(tx, taken)                 # in the process that holds the file's only transaction

Tables are looked for in memory first and then in the file: the same statements run on both, and the file is opened so
that nothing can be written to it. Only for a store in which nothing was computed yet: what is written begins empty.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, Table, create_engine, func, select
from sqlalchemy.pool import StaticPool

from state import bulk, meta
from state.tables.facts import orders as order_table
from state.tables.running import meta as meta_table
from state.tables.work import dirty_cells, events, outbox, standing_history, standings, tasks

WRITTEN = (standings, standing_history, events, outbox, tasks)  # what computing and planning leave behind
MARKED = (dirty_cells, meta_table)  # begin as they are in the file; what becomes of them is not handed over
CACHE_KIB = 32 * 1024

Taken = dict[str, list[tuple[Any, ...]]]  # table → rows, in the order of `_columns`


def uncomputed(tx: Connection, *, orders: int) -> bool:
    """Whether nothing was computed in this store yet, though it holds so many orders at least."""
    many = select(func.count()).select_from(select(order_table.c.pk).limit(orders).subquery())
    if tx.execute(many).scalar_one() < orders:
        return False
    return all(tx.execute(select(table.c[0]).limit(1)).first() is None for table in WRITTEN)


class Overlay:
    """Answers for a `Store`. One connection, one transaction: it never commits and holds no lock on the file."""

    dialect = "sqlite"
    shared = False

    def __init__(self, engine: Engine, path: Path) -> None:
        self.engine, self.where = engine, str(path)
        self.tx = engine.connect()
        marks = f"PRAGMA store.cache_size = -{CACHE_KIB}", "PRAGMA temp_store = MEMORY", "BEGIN"
        for statement in marks:
            self.tx.exec_driver_sql(statement)
        for table in (*WRITTEN, *MARKED):
            made = self.tx.exec_driver_sql(
                "SELECT sql FROM store.sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type DESC",
                (table.name,),
            ).scalars()
            for statement in made.all():  # the table first, then its indexes
                self.tx.exec_driver_sql(statement)
        for table in MARKED:
            self.tx.exec_driver_sql(f"INSERT INTO main.{table.name} SELECT * FROM store.{table.name}")

    @classmethod
    def open(cls, path: Path) -> Overlay:
        """Over the store at `path`, as it was last committed."""

        def connect() -> sqlite3.Connection:
            made = sqlite3.connect(":memory:", uri=True, isolation_level=None, check_same_thread=False)
            made.execute("ATTACH ? AS store", (f"file:{quote(str(path))}?mode=ro",))
            return made

        return cls(
            create_engine("sqlite://", creator=connect, poolclass=StaticPool, hide_parameters=True), path
        )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        yield self.tx

    read = aside = transaction

    def take(self) -> Taken:
        """What was written since the last time, and forget it here."""
        driver: Any = self.tx.connection.driver_connection
        taken: Taken = {}
        for table in WRITTEN:
            columns = ", ".join(_columns(table))
            taken[str(table.name)] = driver.execute(
                f"SELECT {columns} FROM main.{table.name} ORDER BY rowid"
            ).fetchall()
            driver.execute(f"DELETE FROM main.{table.name}")
        return taken

    def close(self) -> None:
        self.tx.close()
        self.engine.dispose()


def lay_down(tx: Connection, taken: Taken) -> None:
    """Write into the store what another process has taken out of its overlay, numbered anew."""
    for table in WRITTEN:
        columns, rows = _columns(table), taken[str(table.name)]
        if table is outbox and rows:
            place = columns.index("seq")
            first = meta.take_sequence(tx, len(rows))
            rows = [(*row[:place], first + n, *row[place + 1 :]) for n, row in enumerate(rows)]
        bulk.fill_tuples(tx, table, columns, rows)


def _columns(table: Table) -> list[str]:
    """All but the store's own number of a row."""
    return [column.name for column in table.columns if column.name != "pk"]
