"""The invariants of what was read, by letter: I2 nothing is covered that was not read, I3 versions never go back,
I5 nothing is lost without a word. Read-only; `invariants` runs them.

I4 (the same pull twice writes nothing) is about a deed and leaves nothing in a store to look at: tests keep it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, String, cast, exists, func, not_, select

from state import dirty, meta
from state.tables.facts import accounts, order_lines, orders, products
from state.tables.running import staged_pages, watermarks
from state.tables.work import contributions, dirty_orders, dirty_programs

READ_AGAIN = "run: rebates reconcile"
RESTORE = "restore a backup: rebates db restore BACKUP"
EVER_READ = {"account": accounts, "product": products, "order": orders, "order_line": order_lines}
# Rows are read up to the end of a run, watermarks stand at its beginning; no run takes a day.
AHEAD = int(timedelta(days=1).total_seconds() * 1_000_000)

Broken = tuple[str, Any, str]  # name, a query of the rows that break it, what to do


def check(tx: Connection) -> Iterator[Broken]:
    """Those whose query depends on what the store says of itself."""
    yield from _gone(tx)


def deep() -> Iterator[Broken]:
    """Those that look at every line: sorting ten million takes some seconds."""
    doubled = (
        select(order_lines.c.sf_id)
        .where(not_(order_lines.c.deleted))
        .group_by(order_lines.c.sf_id)
        .having(func.count() > 1)
    )
    yield "a line is in two orders (I3)", doubled, READ_AGAIN


def constant() -> tuple[Broken, ...]:
    """Invariants with the query that finds what breaks them, in the same words every time."""
    return (*_of_watermarks(), *_from_the_future(), _counted_after_all())


def _of_watermarks() -> Iterator[Broken]:
    unread = exists().where(
        staged_pages.c.run_pk == watermarks.c.run_pk, staged_pages.c.entity == watermarks.c.stream
    )
    yield "a watermark moved before its rows (I2)", select(watermarks.c.stream).where(unread), READ_AGAIN
    backward = select(watermarks.c.stream).where(watermarks.c.floor > watermarks.c.ceiling)
    yield "a watermark runs backward (I2)", backward, READ_AGAIN


def note_rows(tx: Connection, entity: str) -> None:
    """Write down how many records of an entity were ever read: none is removed without a word, so there are never fewer."""
    if entity not in EVER_READ:
        return
    rows = _rows(tx, entity)
    if rows > _noted(tx, entity):  # never lowered: what is gone stays known until it is read again
        meta.put(tx, _key(entity), str(rows))


def note_fewer(tx: Connection, entity: str, rows: int) -> None:
    """So many were removed with good reason: a line that lay in two orders has one row again."""
    if rows and _noted(tx, entity):
        meta.put(tx, _key(entity), str(_noted(tx, entity) - rows))


def _from_the_future() -> Iterator[Broken]:
    """A record stamped later than the org's clock has come: each newer version of it would be taken for an older one."""
    newest = select(func.max(watermarks.c.ceiling)).scalar_subquery()  # none: nothing is newer
    for entity, table in EVER_READ.items():
        stuck = select(table.c.sf_id).where(table.c.modstamp > newest + AHEAD)
        name = (
            f"a record of {entity} is stamped later than the org's clock, so no newer version beats it (I3)"
        )
        yield name, stuck, RESTORE


def _gone(tx: Connection) -> Iterator[Broken]:
    """Rows are marked as deleted, never removed."""
    for entity in EVER_READ:
        noted, rows = _noted(tx, entity), _rows(tx, entity)
        if rows < noted:
            told = select(cast(noted, String).label("there_were"), cast(rows, String).label("there_are"))
            yield f"records of {entity} that were read are no longer in the store (I5)", told, READ_AGAIN


def _counted_after_all() -> Broken:
    """What the org deleted counts no more, unless its recomputation still waits."""
    waits = exists().where(dirty_orders.c.order_pk == orders.c.pk)
    anything = exists(select(dirty_programs.c.program_pk))
    counts = exists().where(contributions.c.order_pk == orders.c.pk)
    query = select(orders.c.sf_id).where(orders.c.deleted, counts, not_(waits), not_(anything))
    return "a deleted order still counts (I5)", query, "run: rebates compute --full"


def _rows(tx: Connection, entity: str) -> int:
    return dirty.count(tx, EVER_READ[entity])


def _noted(tx: Connection, entity: str) -> int:
    return int(meta.get(tx, _key(entity)) or 0)


def _key(entity: str) -> str:
    return f"rows.{entity}"
