"""What every table shares: one registry of its own, named constraints, and the few column types we use.

Money and quantities are BIGINT millionths, days INTEGER ordinals, instants BIGINT microseconds since
1970 UTC: the same on SQLite and PostgreSQL, exact under SUM. Foreign keys are deliberately absent: rows
arrive in any order, a missing parent is a placeholder row (`known` = false), and the invariants check the rest.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, Table, Text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

# Named constraints: Alembic can only alter what has a name, on SQLite above all.
NAMING = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}

metadata = MetaData(naming_convention=NAMING)

# Open ends of a span. Ordinal days and microseconds, wider than any date that Python can hold.
FIRST_DAY = 0
LAST_DAY = 4_000_000
FIRST_AT = -(2**62)
LAST_AT = 2**62

# SQLite gives out row ids only for a column of exactly this type.
Surrogate = BigInteger().with_variant(Integer, "sqlite")


# Rows live in the primary key's own tree on SQLite: smaller, and read in key order. PostgreSQL ignores it.
CLUSTERED: Any = {"sqlite_with_rowid": False}


class Row(SQLModel, registry=registry(metadata=metadata)):
    """The base of all tables. They are declared with it, and never validated: no validator is built at start-up."""

    model_config = {"defer_build": True}


def surrogate() -> Any:
    """A primary key that the database gives out."""
    return Field(default=None, sa_column=Column(Surrogate, primary_key=True))


def key_part(kind: Any = BigInteger) -> Any:
    """One part of a primary key that we bring ourselves."""
    return Field(sa_column=Column(kind, primary_key=True, autoincrement=False))


def int64(*, index: bool = False, default: int | None = None) -> Any:
    """A whole number that fits 64 bits: money in millionths, an instant, a reference."""
    server = None if default is None else str(default)
    return Field(
        default=default, sa_column=Column(BigInteger, nullable=False, index=index, server_default=server)
    )


def optional_int64(*, index: bool = False) -> Any:
    return Field(default=None, sa_column=Column(BigInteger, nullable=True, index=index))


def day() -> Any:
    return Field(sa_column=Column(Integer, nullable=False))


def optional_day() -> Any:
    return Field(default=None, sa_column=Column(Integer, nullable=True))


def words(*, unique: bool = False, index: bool = False) -> Any:
    return Field(sa_column=Column(Text, nullable=False, unique=unique, index=index))


def optional_words(*, index: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Text, nullable=True, index=index))


def flag() -> Any:
    return Field(sa_column=Column(Boolean, nullable=False))


def table(row: type[Row]) -> Table:
    """The Core table behind a model: what the hot paths use."""
    found: Table = metadata.tables[str(row.__tablename__)]
    return found
