"""Many rows at once: the two fast ways into the database, and the scratch tables they fill.

A scratch table lives on one connection and is empty at the start of every use: batches land there, and one
set-based statement merges them. SQLite takes statements of many rows (`many_rows`), PostgreSQL takes COPY.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    CursorResult,
    Dialect,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    cast,
    delete,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.schema import CreateTable

from state import many_rows
from state.dialects import one_of

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_IN_MEMORY = 1_000  # of a streamed answer
scratch_metadata = MetaData()
_TYPES: dict[str, type[Any]] = {"int": BigInteger, "day": Integer, "text": Text, "bool": Boolean}


def scratch(table: str, /, **columns: str) -> Table:
    """Declare a scratch table; a type ending in `!` is part of its primary key."""
    return Table(
        f"scratch_{table}",
        scratch_metadata,
        *(
            Column(column, _TYPES[kind.rstrip("!")], primary_key=kind.endswith("!"), autoincrement=False)
            for column, kind in columns.items()
        ),
        prefixes=["TEMPORARY"],
        # A keyed one lives in its key's own tree: half the work of a table with an index beside it.
        sqlite_with_rowid=not any(kind.endswith("!") for kind in columns.values()),
    )


def empty(tx: Connection, *tables: Table) -> None:
    """Make scratch tables ready for use on this connection.

    PostgreSQL keeps the rows that a transaction deleted until it ends, and never tidies temporary tables by itself: each
    batch of a first load would read those of all batches before it.
    """
    verb = "TRUNCATE" if tx.dialect.name == "postgresql" else "DELETE FROM"
    for table in tables:
        tx.exec_driver_sql(_made(table, tx.dialect))
        tx.exec_driver_sql(f"{verb} {table.name}")


@lru_cache(maxsize=256)
def _made(table: Table, dialect: Dialect) -> str:
    return str(CreateTable(table, if_not_exists=True).compile(dialect=dialect))


def fill(tx: Connection, table: Table, rows: pa.Table) -> None:
    """Append `rows`, whose columns are named as the table's, as fast as the database can take them."""
    if rows.num_rows == 0:
        return
    if tx.dialect.name == "postgresql":
        _copy(tx, table, rows)
    else:
        many_rows.insert(tx, table, rows)


def fill_tuples(
    tx: Connection, table: Table, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """Append tuples. By driver, not by Core: that halves the time (docs/decisions/0001)."""
    values = list(rows)
    if not values:
        return
    if tx.dialect.name == "postgresql":
        with (
            _driver(tx).cursor() as cursor,
            cursor.copy(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN") as copy,
        ):
            for row in values:
                copy.write_row(row)
        return
    many_rows.insert_tuples(tx, table, columns, values)


def fill_newest(tx: Connection, table: Table, key: Sequence[str], rows: pa.Table) -> None:
    """Append rows on SQLite; one that is there already is replaced unless it is newer."""
    changes = ", ".join(f"{name} = excluded.{name}" for name in rows.column_names if name not in key)
    newest = f"excluded.modstamp >= {table.name}.modstamp"
    many_rows.insert(
        tx, table, rows, f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes} WHERE {newest}"
    )


def remove(tx: Connection, table: Table, some: Sequence[tuple[Any, ...]]) -> int:
    """Remove rows by their keys; how many there were."""
    key = list(table.primary_key.columns)
    if tx.dialect.name != "postgresql":
        return tx.execute(delete(table).where(one_of(tx, key, some))).rowcount
    # As a table to join with: a long list of row values makes PostgreSQL read the whole table and compare each.
    columns = zip(key, zip(*some, strict=True), strict=True)
    arrays = (cast(list(values), ARRAY(column.type)) for column, values in columns)
    wanted = (
        func.unnest(*arrays).table_valued(*(column.name for column in key), name="wanted").render_derived()
    )
    same = (column == wanted.c[column.name] for column in key)
    return tx.execute(delete(table).where(*same)).rowcount


def streamed(tx: Connection, query: Select[Any]) -> CursorResult[Any]:
    """The rows of an answer of any size, a page in memory at a time: PostgreSQL's driver takes in the whole of it else."""
    return tx.execute(query.execution_options(yield_per=ROWS_IN_MEMORY))


def settle(tx: Connection, *tables: Table) -> None:
    """Tell PostgreSQL's planner how many rows a table holds now; a fresh scratch table it takes for tiny or huge."""
    if tx.dialect.name == "postgresql":
        for table in tables:
            tx.exec_driver_sql(f"ANALYZE {table.name}")


def expect_few(tx: Connection) -> None:
    """Until the transaction ends, PostgreSQL looks a few rows up by key instead of reading whole tables.

    Its default reckons with a disk that turns: a look-up at four times the price of reading on.
    """
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql("SET LOCAL random_page_cost = 1.1")


@contextmanager
def joins_as_written(tx: Connection) -> Iterator[None]:
    """Within, PostgreSQL joins in the order of the statement: trying every order of eight tables takes longer than a
    thousand look-ups."""
    if tx.dialect.name != "postgresql":
        yield
        return
    tx.exec_driver_sql("SET LOCAL join_collapse_limit = 1")
    yield
    tx.exec_driver_sql("SET LOCAL join_collapse_limit TO DEFAULT")


def _copy(tx: Connection, table: Table, rows: pa.Table) -> None:
    import pyarrow.csv

    buffer = io.BytesIO()
    # Every text is quoted and null is not: so an empty text stays one.
    pyarrow.csv.write_csv(rows, buffer, pyarrow.csv.WriteOptions(include_header=False))
    columns = ", ".join(rows.column_names)
    with (
        _driver(tx).cursor() as cursor,
        cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN (FORMAT csv)") as copy,
    ):
        copy.write(buffer.getbuffer())


def _driver(tx: Connection) -> Any:
    return tx.connection.driver_connection
