"""Where the from-scratch statement runs: in the store itself, in DuckDB, or on Spark; the answer is the same.

May import state's tables and bulk ways, and each its own library, which is loaded when it is asked.
Does not know what the statement means: it takes any query of integers over the store's tables.
"""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import CompoundSelect, Connection, Select, Table, insert

Query = Select[Any] | CompoundSelect[Any]


class Engine(Protocol):
    """Answers a query over the facts and the rules as they are in `tx`."""

    name: str

    def fill(self, tx: Connection, table: Table, query: Query) -> None:
        """Append the answer to `table`, whose columns the query names in the same order; saved with `tx`."""


class InTheStore:
    """The database that holds the facts answers by itself: nothing moves."""

    name = "sql"

    def fill(self, tx: Connection, table: Table, query: Query) -> None:
        tx.execute(insert(table).from_select([column.name for column in table.columns], query))


IN_THE_STORE = InTheStore()
