"""Many rows into SQLite: statements of 128 rows, and only the values that differ from row to row travel.

The driver's own work for each row costs as much as the row itself. A statement of many rows shares it among them;
a column that is null or one truth all through is written into the statement; numbers leave Arrow in one piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 128  # of one statement: 32 cost 15 % more, 500 save nothing


def insert(tx: Connection, table: Table, rows: pa.Table, conflict: str = "") -> None:
    """Append `rows`, whose columns are named as the table's; `conflict` says what becomes of a key that is there."""
    marks: list[str] = []
    columns: list[list[Any]] = []
    for place, column in enumerate(rows.columns):
        same = _same(column) if place else None  # one column always travels: it says how many rows there are
        marks.append(same or "?")
        if same is None:
            columns.append(_values(column))
    width = len(columns)
    flat: list[Any] = [None] * (width * rows.num_rows)
    for place, values in enumerate(columns):
        flat[place::width] = values
    _run(tx, table, rows.column_names, marks, flat, conflict)


def insert_tuples(
    tx: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Append tuples."""
    _run(tx, table, columns, ["?"] * len(columns), list(chain.from_iterable(rows)))


def _run(
    tx: Connection,
    table: Table,
    columns: Sequence[str],
    marks: Sequence[str],
    flat: list[Any],
    conflict: str = "",
) -> None:
    """`flat`: the values for the question marks of all rows, one after the other."""
    row = f"({', '.join(marks)})"
    into = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES "
    step = ROWS * marks.count("?")
    full = len(flat) - len(flat) % step
    for rows, start, end in ((ROWS, 0, full), (1, full, len(flat))):
        size = step // ROWS * rows
        if values := [tuple(flat[at : at + size]) for at in range(start, end, size)]:
            tx.exec_driver_sql(into + ", ".join([row] * rows) + conflict, values)


def _same(column: pa.ChunkedArray) -> str | None:
    """The literal that all rows of a column have, where it is null or a truth."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.null_count == len(column):
        return "NULL"
    if column.null_count or not pa.types.is_boolean(column.type):
        return None
    if pc.all(column).as_py():
        return "1"
    return None if pc.any(column).as_py() else "0"


def _values(column: pa.ChunkedArray) -> list[Any]:
    import pyarrow as pa

    array = column.combine_chunks()
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())  # the driver looks for an adapter of every bool
    if array.null_count or not pa.types.is_integer(array.type) or not len(array):
        values: list[Any] = array.to_pylist()
        return values
    whole = array.cast(pa.int64())
    numbers = memoryview(whole.buffers()[1]).cast("q")
    return numbers[whole.offset : whole.offset + len(whole)].tolist()
