"""Contributions: what each order adds to each total. Written once as one statement, for all orders or a few.

A changed order is never added or subtracted by what changed about it. Its contributions are computed again from
its lines; the ones it made before are in the table; the difference moves the totals. So totals cannot drift
from the contributions, whatever changed (line, order, account, product, program) and however often it is replayed.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
)

from state import bulk, difference, dirty, told_again
from state import row_by_row as programs_apart
from state.difference import deltas
from state.engines import IN_THE_STORE, Engine
from state.statement import CELL, EVERYTHING, SUMS, Scope, contribution_query, total
from state.tables.facts import orders
from state.tables.programs import buckets
from state.tables.work import (
    contributions,
    dirty_accounts,
    dirty_kinds,
    dirty_orders,
    dirty_products,
    dirty_programs,
    totals,
)

# When more than one order in this many is dirty, computing everything is cheaper than the difference.
REBUILD_FROM_ONE_IN = 6

# Whether the rules have work to do first, how many orders are dirty, and how many there are: orders are never
# removed, so that the largest number stands for their count, which would read them all.
_WAITING = select(
    or_(*(exists(select(table)) for table in (dirty_accounts, dirty_products, dirty_kinds))),
    select(func.count()).select_from(dirty_orders).scalar_subquery(),
    select(func.max(orders.c.pk)).scalar_subquery(),
)

# Where orders that changed were counted: those of them that keep their sums may be made of other orders now.
_OF_DIRTY = (
    select(contributions.c.member_pk, contributions.c.period_pk)
    .where(contributions.c.order_pk.in_(select(dirty_orders.c.order_pk)))
    .distinct()
)

_STALE = select(dirty_programs.c.program_pk)


def recompute_dirty(tx: Connection, *, engine: Engine = IN_THE_STORE) -> int:
    """Bring contributions and totals up to date; returns how many cells changed (they are dirty now).

    What has to be computed from scratch is left to `engine`; the difference is always the store's own work.

    Call `rules.install_programs` first in the same transaction: it judges new accounts, products and kinds.
    """
    unjudged, waiting, known = tx.execute(_WAITING).one()
    if unjudged:
        raise RuntimeError(
            "the rules have not seen every record: call rules.install_programs before computing"
        )
    stale = tuple(tx.execute(_STALE).scalars())
    if waiting and waiting * REBUILD_FROM_ONE_IN > known:
        dirty.mark_cells(tx, _OF_DIRTY)
        told_again.note(tx, _OF_DIRTY)
        return rebuild(tx, engine=engine)
    changed = rebuild(tx, stale, engine=engine) if stale else 0
    if waiting:
        changed += difference.recompute_orders(tx)
    return changed


def rebuild(
    tx: Connection, program_pks: Collection[int] | None = None, *, engine: Engine = IN_THE_STORE
) -> int:
    """Compute from all lines, for some programs or all; returns how many cells changed (they are dirty now)."""
    scope = EVERYTHING if program_pks is None else Scope(program_pks=tuple(program_pks))
    mine_contributions = _of_programs(contributions.c.bucket_pk, program_pks)
    mine_totals = _of_programs(totals.c.bucket_pk, program_pks)
    bulk.empty(tx, deltas)
    _remember(tx, select(*(totals.c[c] for c in CELL), *(totals.c[c] for c in SUMS)).where(mine_totals))
    tx.execute(delete(contributions).where(mine_contributions))
    engine.fill(tx, contributions, contribution_query(programs_apart.find(tx), scope))
    tx.execute(delete(totals).where(mine_totals))
    summed = (
        select(*(contributions.c[c] for c in CELL), *(total(contributions.c[c]).label(c) for c in SUMS))
        .where(mine_contributions)
        .group_by(*(contributions.c[c] for c in CELL))
    )
    tx.execute(insert(totals).from_select([*CELL, *SUMS], summed))
    changed = _note_differences(tx, mine_totals)
    bulk.settle(tx, contributions, totals)
    if program_pks is None:
        tx.execute(delete(dirty_orders))
        tx.execute(delete(dirty_programs))
    else:
        tx.execute(delete(dirty_programs).where(dirty_programs.c.program_pk.in_(tuple(program_pks))))
    return changed


def _of_programs(bucket_pk: ColumnElement[Any], program_pks: Collection[int] | None) -> ColumnElement[bool]:
    if program_pks is None:
        return literal(True)
    return bucket_pk.in_(select(buckets.c.pk).where(buckets.c.program_pk.in_(tuple(program_pks))))


def _remember(tx: Connection, before: Select[Any]) -> None:
    tx.execute(insert(deltas).from_select([*CELL, *SUMS], before))
    bulk.settle(tx, deltas)


def _note_differences(tx: Connection, mine: ColumnElement[bool]) -> int:
    """Mark the cells whose totals differ from those remembered in `deltas`."""
    same = and_(*(deltas.c[c] == totals.c[c] for c in (*CELL, *SUMS)))
    appeared = select(totals.c.member_pk, totals.c.period_pk).where(
        mine, ~select(deltas).where(same).exists()
    )
    vanished = select(deltas.c.member_pk, deltas.c.period_pk).where(~select(totals).where(same).exists())
    found = union_all(appeared, vanished).subquery()
    return _mark(tx, select(found.c.member_pk, found.c.period_pk).distinct())


def _mark(tx: Connection, cells: Select[Any]) -> int:
    dirty.mark_cells(tx, cells)
    return int(tx.execute(select(func.count()).select_from(cells.subquery())).scalar_one())
