"""Arrow's columns as rows of SQLite: every value as it was, however many rows there are."""

from __future__ import annotations

import pyarrow as pa
import pytest
from sqlalchemy import select

from state import bulk, many_rows
from state.store import Store

NUMBERED = bulk.scratch(
    "numbered", key="text!", number="int", day="day", truth="bool", words="text", modstamp="int"
)


@pytest.fixture
def store(tmp_path):
    opened = Store.open(f"sqlite:///{tmp_path / 'rebates.db'}")
    yield opened
    opened.close()


def rows(count: int, **columns: object) -> pa.Table:
    shapes = {
        "key": pa.array([f"K{n:05}" for n in range(count)], pa.string()),
        "number": pa.array([(-1) ** n * (2**63 - 1 - n) for n in range(count)], pa.int64()),
        "day": pa.array([700_000 + n for n in range(count)], pa.int32()),
        "truth": pa.array([n % 3 == 0 for n in range(count)], pa.bool_()),
        "words": pa.array([f"w{n}" for n in range(count)], pa.string()),
        "modstamp": pa.array([1] * count, pa.int64()),
    }
    return pa.table(shapes | columns)


def kept(store: Store, table: pa.Table, conflict: str = "") -> list[tuple[object, ...]]:
    with store.transaction() as tx:
        bulk.empty(tx, NUMBERED)
        many_rows.insert(tx, NUMBERED, table, conflict)
        return [tuple(row) for row in tx.execute(select(NUMBERED).order_by(NUMBERED.c.key))]


def as_tuples(table: pa.Table) -> list[tuple[object, ...]]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


@pytest.mark.parametrize("count", [0, 1, 127, 128, 129, 300])
def test_as_many_rows_come_out_as_went_in(store, count):
    assert kept(store, rows(count)) == as_tuples(rows(count))


def test_a_slice_of_a_table_is_only_that_slice(store):
    """Arrow's buffers begin before the slice does."""
    some = rows(500).slice(101, 200)
    assert kept(store, some) == as_tuples(some)
    assert kept(store, pa.concat_tables([some.slice(5, 7), some.slice(50, 140)])) == as_tuples(
        pa.concat_tables([some.slice(5, 7), some.slice(50, 140)])
    )


@pytest.mark.parametrize(
    "values",
    [[None] * 3, [True] * 3, [False] * 3, [True, False, True], [True, None, True], [None, False, None]],
    ids=str,
)
def test_what_is_the_same_all_through_is_written_as_it_is(store, values):
    table = rows(3, truth=pa.array(values, pa.bool_()))
    assert [row[3] for row in kept(store, table)] == values


def test_nulls_and_odd_texts_survive(store):
    table = rows(
        4,
        number=pa.array([1, None, -3, None], pa.int64()),
        words=pa.array([None, "", "Zoë's 'x' ? ?", "NULL"], pa.string()),
    )
    assert kept(store, table) == as_tuples(table)


def test_of_a_key_that_comes_twice_the_newest_stays(store):
    """Also where both are in one statement of many rows."""
    table = rows(
        200,
        key=pa.array([f"K{n % 100:03}" for n in range(200)]),
        modstamp=pa.array([2 if n % 2 else 1 for n in range(100)] + [1 if n % 2 else 2 for n in range(100)]),
    )
    with store.transaction() as tx:
        bulk.empty(tx, NUMBERED)
        bulk.fill_newest(tx, NUMBERED, ["key"], table)
        found = [row.words for row in tx.execute(select(NUMBERED).order_by(NUMBERED.c.key))]
    assert found == [f"w{n}" if n % 2 else f"w{n + 100}" for n in range(100)]
