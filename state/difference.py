"""The difference: dirty orders are computed again, and what they add now less what they added before moves the totals.

Building a statement costs as much as running it on a thousand orders, so each is built once and kept.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, literal, or_, select, tuple_, union, union_all

from state import bulk, told_again
from state import row_by_row as programs_apart
from state.dialects import upsert_into
from state.row_by_row import Apart
from state.statement import CELL, DIRTY, DIRTY_AS_WRITTEN, SUMS, contribution_query, total
from state.tables.work import contributions, dirty_cells, dirty_orders, totals

COLUMNS = (*CELL, *SUMS)

# What the dirty orders added until now, and by how much each total moves.
before = bulk.scratch(
    "before", member_pk="int", period_pk="int", bucket_pk="int", conversion_pk="int",
    amount_e6="int", quantity_e6="int", lines="int",
)  # fmt: skip
deltas = bulk.scratch(
    "deltas", member_pk="int!", period_pk="int!", bucket_pk="int!", conversion_pk="int!",
    amount_e6="int", quantity_e6="int", lines="int",
)  # fmt: skip


class Steps(NamedTuple):
    """In the order in which they are taken; the last two tell which cells hold other orders with the same sums, and how many
    moved."""

    remember: Any
    forget: Any
    count_again: Any
    compare: Any
    move: Any
    drop_empty: Any
    clean: Any
    mark: Any
    unmoved: Any
    moved: Any


def recompute_orders(tx: Connection) -> int:
    """Bring the contributions of the dirty orders and the totals up to date; returns how many cells moved."""
    bulk.empty(tx, before, deltas)
    bulk.settle(tx, dirty_orders)
    bulk.expect_few(tx)
    steps = _steps(tx.dialect.name, programs_apart.find(tx))
    for name, step in zip(Steps._fields[:-2], steps[:-2], strict=True):
        with bulk.joins_as_written(tx) if name == "count_again" else nullcontext():
            tx.execute(step)
    told_again.note(tx, steps.unmoved)
    return int(tx.execute(steps.moved).scalar_one())


@lru_cache(maxsize=16)
def _steps(dialect: str, apart: Apart) -> Steps:
    mine = contributions.c.order_pk.in_(select(dirty_orders.c.order_pk))
    now = select(*(contributions.c[c] for c in COLUMNS)).where(mine)
    names = [c.name for c in contributions.columns]
    few = DIRTY_AS_WRITTEN if dialect == "postgresql" else DIRTY
    both = union_all(
        now,
        select(*(before.c[c] for c in CELL), *((-before.c[c]).label(c) for c in SUMS)),
    ).subquery()
    sums = {c: total(both.c[c]) for c in SUMS}
    differing = (
        select(*(both.c[c] for c in CELL), *(sums[c].label(c) for c in SUMS))
        .group_by(*(both.c[c] for c in CELL))
        .having(or_(*(sums[c] != 0 for c in SUMS)))
    )
    add = upsert_into(dialect, totals).from_select(
        list(COLUMNS), select(*(deltas.c[c] for c in COLUMNS)).where(literal(True))
    )
    # Only a total that lost lines can have none left.
    poorer = select(*(deltas.c[c] for c in CELL)).where(deltas.c.lines < 0)
    cells = select(deltas.c.member_pk, deltas.c.period_pk).distinct()
    # Sums that stay the same may be made of other orders now, or of one on another day: a budget goes by days.
    unmoved = select(before.c.member_pk, before.c.period_pk).distinct().except_(cells)
    both_kinds = union(cells, select(before.c.member_pk, before.c.period_pk)).subquery()
    return Steps(
        remember=insert(before).from_select(list(COLUMNS), now),
        forget=delete(contributions).where(mine),
        count_again=insert(contributions).from_select(names, contribution_query(apart, few)),
        compare=insert(deltas).from_select(list(COLUMNS), differing),
        move=add.on_conflict_do_update(
            index_elements=list(CELL), set_={c: totals.c[c] + add.excluded[c] for c in SUMS}
        ),
        drop_empty=delete(totals).where(
            totals.c.lines == 0, tuple_(*(totals.c[c] for c in CELL)).in_(poorer)
        ),
        clean=delete(dirty_orders),
        mark=upsert_into(dialect, dirty_cells)
        .from_select(["member_pk", "period_pk"], select(both_kinds).where(literal(True)))
        .on_conflict_do_nothing(),
        unmoved=unmoved,
        moved=select(func.count()).select_from(cells.subquery()),
    )
