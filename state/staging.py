"""Pulled pages: staged as they come, then applied in ONE transaction together with the watermark.

A staged page is one compressed Arrow stream in one row: it costs next to nothing to write, survives a crash
with its run, and is invisible to everybody else. `apply` reads the pages back one by one, so that memory stays
flat, and merges each with one set-based statement in which a late write never beats a newer one.

    with store.transaction() as tx: staging.stage(tx, run, "order_line", batch)       # once a page
    with store.transaction() as tx:                                                  # once at the end
        applied = staging.apply(tx, run, "order_line")
        watermarks.advance(tx, "order_line", floor=..., ceiling=..., run_pk=run, now=now)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from sqlalchemy import Connection, bindparam, delete, func, insert, select

from mappings.canonical import ENTITIES
from state import gone, merge
from state.tables.running import staged_pages

ROWS_AT_ONCE = 50_000  # rows of one merge: bounds memory, large enough for the set-based statements to pay


@dataclass(frozen=True)
class Applied:
    """What a batch did. `rows` were read, `stale` were older than what the store has, `dirty_orders` were newly marked."""

    rows: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    dirty_orders: int = 0

    def __add__(self, other: Applied) -> Applied:
        return Applied(
            self.rows + other.rows,
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.stale + other.stale,
            self.dirty_orders + other.dirty_orders,
        )


# For every stream of every pull: built once.
_STAGE = insert(staged_pages)
_mine = (staged_pages.c.run_pk == bindparam("run")) & (staged_pages.c.entity == bindparam("of"))
_PAGES = select(staged_pages.c.pk).where(_mine).order_by(staged_pages.c.pk)
_BODY = select(staged_pages.c.body).where(staged_pages.c.pk == bindparam("page"))
_ROWS = select(staged_pages.c.rows).where(_mine)
_ROWS_OF = select(staged_pages.c.rows).where(staged_pages.c.run_pk == bindparam("run"))
_FORGET = delete(staged_pages).where(_mine)


def again(run_pk: int) -> int:
    """Whose pages are that a run reads once more, by id or whole: of no watermark, which has moved by then (I2)."""
    return -run_pk


def stage(tx: Connection, run_pk: int, entity: str, table: pa.Table) -> int:
    """Put one batch aside for `run_pk`; its schema must be the entity's. Returns the rows staged.

    A page is committed by itself or with others, as the caller likes: nothing reads it before `apply`.
    """
    expected = ENTITIES[entity].schema
    if not table.schema.equals(expected, check_metadata=False):
        raise ValueError(f"a batch of {entity} has the columns {table.schema.names}, not {expected.names}")
    if table.num_rows == 0:
        return 0
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table, max_chunksize=ROWS_AT_ONCE)
    body = sink.getvalue().to_pybytes()
    tx.execute(_STAGE, {"run_pk": run_pk, "entity": entity, "rows": table.num_rows, "body": body})
    return int(table.num_rows)


def staged_rows(tx: Connection, run_pk: int, entity: str | None = None) -> int:
    """How many rows wait for `apply`."""
    found = tx.execute(_ROWS_OF if entity is None else _ROWS, {"run": run_pk, "of": entity})
    return sum(found.scalars())


def apply(tx: Connection, run_pk: int, entity: str, *, now: datetime) -> Applied:
    """Merge all staged pages of `entity` into the facts and note what must be computed again.

    Orders whose contributions may have changed become dirty, and so do accounts, products and kinds that the
    rules must judge again. Call `watermarks.advance` in the same transaction.
    """
    merging = merge.Merge(tx, entity, now, again=run_pk < 0)
    total = Applied()
    for batch in _staged(tx, run_pk, entity):
        counts = merging.add(batch)
        total += Applied(batch.num_rows, *counts)
    dirty, lines = merging.finish(lambda: _staged(tx, run_pk, entity))
    total += Applied(inserted=-lines.moved - lines.older, updated=lines.moved, stale=lines.older)
    tx.execute(_FORGET, {"run": run_pk, "of": entity})
    rows, buried = gone.apply(tx, run_pk, entity)
    return total + Applied(rows, updated=buried, unchanged=rows - buried, dirty_orders=dirty)


def newest(tx: Connection, run_pk: int) -> int:
    """The page of a run that was staged last: what is read from now on can be told apart. 0: there is none."""
    query = select(func.max(staged_pages.c.pk)).where(staged_pages.c.run_pk == run_pk)
    return int(tx.execute(query).scalar_one() or 0)


def discard(
    tx: Connection, run_pk: int | None = None, entity: str | None = None, *, behind: int | None = None
) -> int:
    """Forget staged pages: of a run, of one entity in it, those that came behind a page, or all (a new pull starts).
    Returns how many pages."""
    query = delete(staged_pages)
    if behind is not None:
        query = query.where(staged_pages.c.pk > behind)
    if run_pk is not None:
        query = query.where(staged_pages.c.run_pk == run_pk)
    if entity is not None:
        query = query.where(staged_pages.c.entity.in_((entity, gone.staged_as(entity))))
    return tx.execute(query).rowcount


def _staged(tx: Connection, run_pk: int, entity: str) -> Iterator[pa.Table]:
    for pk in tx.execute(_PAGES, {"run": run_pk, "of": entity}).scalars().all():
        body = tx.execute(_BODY, {"page": pk}).scalar_one()
        with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
            for chunk in reader:
                yield pa.Table.from_batches([chunk])
