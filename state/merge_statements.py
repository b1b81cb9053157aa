"""The statements of a merge, built once for each entity: they are the same for every batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa
from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Select,
    Table,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
)

from state.dialects import upsert_into
from state.tables.running import rejected_rows

# Whether an entity has rows that were set aside.
REJECTED = select(rejected_rows.c.sf_id).where(rejected_rows.c.entity == bindparam("of")).limit(1)


@dataclass(frozen=True)
class Target:
    """How the batches of one entity become rows: the table, its scratch twin, the conversion."""

    table: Table
    scratch: Table
    prepare: Callable[[Connection, pa.Table], pa.Table]
    key: tuple[str, ...] = ("sf_id",)

    @property
    def content(self) -> list[str]:
        """The columns that make two versions of a record differ."""
        return [c.name for c in self.scratch.columns if c.name not in (*self.key, "modstamp")]


@cache
def anything(table: Table) -> Select[Any]:
    """One row of a table, if there is any."""
    return select(table.c.sf_id).limit(1)


@cache
def comparison(target: Target, changed: Table) -> tuple[Insert, Select[Any]]:
    """Fills `changed` with the keys of rows that are new or differ; and how many were older than the store's."""
    new, old = target.scratch, target.table
    same_key = and_(*(new.c[k] == old.c[k] for k in target.key))
    absent: ColumnElement[bool] = old.c.sf_id.is_(None)
    if "known" in old.c:
        absent = or_(absent, not_(old.c.known))
    differs = or_(*(new.c[c].is_distinct_from(old.c[c]) for c in target.content))
    fill = insert(changed).from_select(
        [*target.key, "is_new"],
        select(*(new.c[k] for k in target.key), absent)
        .select_from(new.outerjoin(old, same_key))
        .where(or_(absent, and_(new.c.modstamp >= old.c.modstamp, differs))),
    )
    stale = select(func.count()).select_from(new.join(old, same_key)).where(new.c.modstamp < old.c.modstamp)
    return fill, stale


@cache
def counting(changed: Table) -> Select[Any]:
    """How many rows changed, and how many of them are new."""
    new = func.coalesce(func.sum(case((changed.c.is_new, 1), else_=0)), 0)
    return select(func.count(), new).select_from(changed)


@cache
def upserting(dialect: str, target: Target) -> Insert:
    """What is newer than the store's replaces it."""
    new, old = target.scratch, target.table
    names = [c.name for c in new.columns]
    statement = upsert_into(dialect, old).from_select(names, select(new).where(literal(True)))
    excluded = statement.excluded
    differs = or_(*(excluded[c].is_distinct_from(old.c[c]) for c in target.content))
    return statement.on_conflict_do_update(
        index_elements=list(target.key),
        set_={c: excluded[c] for c in names if c not in target.key},
        where=or_(
            excluded.modstamp > old.c.modstamp,
            # The same stamp writes again when the content differs: a corrected mapping must land.
            and_(excluded.modstamp == old.c.modstamp, differs),
        ),
    )
