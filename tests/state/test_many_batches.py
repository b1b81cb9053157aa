"""Batch upon batch in one transaction: the last costs what the first did."""

from __future__ import annotations

import pyarrow as pa
from sqlalchemy import func, insert, select

from state import bulk, standings
from state.tables.work import dirty_cells

rows = bulk.scratch("batches", number="int!", words="text")


def test_a_scratch_table_holds_no_more_after_many_batches_than_after_one(store):
    batch = pa.table({"number": range(2_000), "words": ["x" * 100] * 2_000})
    sizes = []
    with store.transaction() as tx:
        for _ in range(6):
            bulk.empty(tx, rows)
            bulk.fill(tx, rows, batch)
            assert tx.execute(select(func.count()).select_from(rows)).scalar_one() == 2_000
            sizes.append(size_of(tx))
    assert max(sizes) == sizes[0] > 0


def size_of(tx):
    if tx.dialect.name == "postgresql":
        return tx.exec_driver_sql(f"SELECT pg_relation_size('{rows.name}')").scalar_one()
    return tx.exec_driver_sql("PRAGMA temp.page_count").scalar_one()


def test_cells_are_taken_off_the_list_by_their_key_however_many_wait(store):
    cells = [(member, period) for member in range(1, 101) for period in range(1, 101)]
    with store.transaction() as tx:
        tx.execute(insert(dirty_cells), [{"member_pk": m, "period_pk": p} for m, p in cells])
        standings.clear(tx, cells[1_000:4_000])
        left = tx.execute(
            select(dirty_cells.c.member_pk, dirty_cells.c.period_pk).order_by(*dirty_cells.c)
        ).all()
    assert [(m, p) for m, p, *_ in left] == cells[:1_000] + cells[4_000:]


def test_a_long_answer_comes_page_by_page(store):
    numbers = [{"member_pk": n, "period_pk": 1} for n in range(2_500)]
    with store.transaction() as tx:
        tx.execute(insert(dirty_cells), numbers)
        answer = bulk.streamed(tx, select(dirty_cells.c.member_pk).order_by(dirty_cells.c.member_pk))
        parts = answer.partitions()
        pages = [len(next(parts))]
        if tx.dialect.name == "postgresql":
            assert tx.exec_driver_sql("SELECT count(*) FROM pg_cursors").scalar_one() == 1, (
                "the server holds the rest"
            )
        pages += map(len, parts)
    assert pages == [1_000, 1_000, 500]
