"""The two things that are spelled per database: INSERT … ON CONFLICT, and "one of these keys"."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, select, tuple_
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
