"""The facts in parts: stretches of order numbers, each with a count of its changes.

Whoever writes orders or their lines notes the parts that it touched, in the same transaction. A copy of the facts
(`state/snapshot.py`) that knows the counts it was written at knows which parts it must read again, and nothing else.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, func, literal, select
from sqlalchemy.dialects.postgresql import Insert

from state.dialects import upsert_into
from state.tables.facts import orders
from state.tables.running import fact_parts

ORDERS_PER_PART = 1 << 18  # about 1.3 million lines, 20 MB of Parquet: a second or two to write again
ALL = -1  # the row that counts for every part


def note_changed(tx: Connection, chosen: Select[Any]) -> None:
    """The orders whose pk the query selects, or lines of theirs, were written."""
    tx.execute(_noting(tx.dialect.name, chosen, ORDERS_PER_PART))


@lru_cache(maxsize=16)  # those who write orders ask in the same few words
def _noting(dialect: str, chosen: Select[Any], size: int) -> Insert:
    pks = chosen.subquery()
    touched = (pks.c[0] // size).label("part")
    # In the order of their numbers: two writers never wait for each other in a circle.
    counted = select(touched, literal(1)).where(literal(True)).group_by(touched).order_by(touched)
    return _counting(dialect, counted)


def note_all_changed(tx: Connection) -> None:
    """A first load: every part is new."""
    tx.execute(_counting(tx.dialect.name, select(literal(ALL), literal(1)).where(literal(True))))


def versions(tx: Connection) -> dict[int, str]:
    """The version of every part that has orders; equal versions mean equal rows."""
    counts = {row.part: row.changes for row in tx.execute(select(fact_parts))}
    last = tx.execute(select(func.max(orders.c.pk))).scalar_one()
    if last is None:
        return {}
    of_all = counts.get(ALL, 0)
    return {part: f"{of_all}.{counts.get(part, 0)}" for part in range(last // ORDERS_PER_PART + 1)}


def _counting(dialect: str, rows: Select[int, int]) -> Insert:
    statement = upsert_into(dialect, fact_parts).from_select(["part", "changes"], rows)
    more = fact_parts.c.changes + statement.excluded.changes
    return statement.on_conflict_do_update(index_elements=["part"], set_={"changes": more})
