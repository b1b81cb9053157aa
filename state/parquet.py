"""Rows of the store as Parquet files and back, some at a time: memory does not grow with the rows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import BigInteger, Boolean, Column, Connection, Integer, Select, Table, Text

from state import bulk

ROWS_AT_ONCE = 65_536


def write(tx: Connection, query: Select[Any], columns: Sequence[Column[Any]], target: Path) -> int:
    """The rows of `query`, which selects `columns`; the file is whole or it is not there. Returns the rows."""
    schema = pa.schema([(column.name, _arrow(column)) for column in columns])
    partial = target.with_name(f"{target.name}.partial")
    rows = 0
    with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        for batch in _batches(tx, query, schema):
            writer.write_batch(batch)
            rows += batch.num_rows
    os.replace(partial, target)
    return rows


def load(tx: Connection, table: Table, files: Sequence[Path]) -> int:
    """Append the rows of files to `table`. Raises when a column is not what the table holds. Returns the rows."""
    schema = pa.schema([(column.name, _arrow(column)) for column in table.columns])
    rows = 0
    for file in files:
        with pq.ParquetFile(file) as reader:
            for batch in reader.iter_batches(ROWS_AT_ONCE, columns=schema.names):
                part = pa.Table.from_batches([batch]).select(schema.names)
                bulk.fill(tx, table, part.cast(schema))  # safe: what does not fit is an error
                rows += part.num_rows
    return rows


def _batches(tx: Connection, query: Select[Any], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    text = str(query.compile(dialect=tx.dialect, compile_kwargs={"literal_binds": True}))
    driver: Any = tx.connection.driver_connection
    on_server = {"name": "rebates_rows"} if tx.dialect.name == "postgresql" else {}
    with closing(driver.cursor(**on_server)) as cursor:
        cursor.execute(text)
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            columns = zip(*rows, strict=True)
            arrays = [_array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if pa.types.is_boolean(kind) and any(type(value) is int for value in values):  # SQLite's
        return pa.array(values, pa.int8()).cast(kind)
    return pa.array(values, kind)


def _arrow(column: Column[Any]) -> pa.DataType:
    for kind, arrow in (
        (BigInteger, pa.int64()),
        (Integer, pa.int32()),
        (Boolean, pa.bool_()),
        (Text, pa.string()),
    ):
        if isinstance(column.type, kind):
            return arrow
    raise TypeError(f"{column} has a type that a snapshot does not know: {column.type}")
