"""The one thing that SQLAlchemy spells per database: INSERT … ON CONFLICT."""

from __future__ import annotations

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import Insert


def upsert(tx: Connection, table: Table) -> Insert:
    """An INSERT with `on_conflict_do_update` and `on_conflict_do_nothing`; both databases offer the same methods."""
    if tx.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)  # type: ignore[return-value]
