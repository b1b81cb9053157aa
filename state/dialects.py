"""The three things that are spelled per database: INSERT … ON CONFLICT, "one of these keys", and whose clock it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, Text, bindparam, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import Insert


def upsert(tx: Connection, table: Table) -> Insert:
    """An INSERT with `on_conflict_do_update` and `on_conflict_do_nothing`; both databases offer the same methods."""
    return upsert_into(tx.dialect.name, table)


def upsert_into(dialect: str, table: Table) -> Insert:
    """The same for a statement that is built before there is a connection."""
    if dialect == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)  # type: ignore[return-value]


@cache
def keep_newest(dialect: str, table: Table, *but: str) -> Insert:
    """An INSERT of whole rows that replaces the row of the same primary key; built once for each table.

    `but`: columns that keep what they were first given.
    """
    statement = upsert_into(dialect, table)
    keys = [column.name for column in table.primary_key]
    new = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if column.name not in (*keys, *but)
    }
    return statement.on_conflict_do_update(index_elements=keys, set_=new)


@cache
def one_of_given(dialect: str, *columns: ColumnElement[Any]) -> ColumnElement[bool]:
    """`one_of` for a statement that is built once: its parameter `keys` is what `given` makes of them."""
    if dialect == "postgresql":
        return tuple_(*columns).in_(bindparam("keys", expanding=True))
    each = func.json_each(bindparam("keys", type_=Text)).table_valued("value", name="wanted")
    parts = (func.json_extract(each.c.value, f"$[{n}]") for n in range(len(columns)))
    return tuple_(*columns).in_(select(*parts))


def given(dialect: str, keys: Sequence[tuple[Any, ...]]) -> Any:
    """The value of the parameter `keys` of `one_of_given`."""
    return list(keys) if dialect == "postgresql" else json.dumps([list(key) for key in keys])


def one_of(
    tx: Connection, columns: Sequence[ColumnElement[Any]], keys: Sequence[tuple[Any, ...]]
) -> ColumnElement[bool]:
    """Whether several columns together are one of `keys`, found through their index.

    SQLite scans the table for a list of row values, but looks each of them up when they come from a query.
    """
    if tx.dialect.name == "postgresql":
        return tuple_(*columns).in_(keys)
    each = func.json_each(json.dumps([list(key) for key in keys])).table_valued("value", name="wanted")
    parts = (func.json_extract(each.c.value, f"$[{n}]") for n in range(len(columns)))
    return tuple_(*columns).in_(select(*parts))


def database_time(tx: Connection) -> datetime | None:
    """The server's clock, one for all hosts that share the store. None: a file has no clock but its host's."""
    if tx.dialect.name != "postgresql":
        return None
    # Not now(): that is the moment at which the transaction began, and it may have waited for a lock since.
    moment: datetime = tx.execute(select(func.clock_timestamp())).scalar_one()
    return moment.astimezone(UTC)
