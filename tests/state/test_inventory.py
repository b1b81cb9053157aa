"""What the org lost: found by id, buried in a few statements, however much it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import pytest
from sqlalchemy import Connection, event, select

from state import inventory
from state.tables.facts import order_lines
from state.tables.work import dirty_orders

DAY = date(2026, 5, 1)


@pytest.fixture
def shop(scene, program):
    """Sixty orders of twenty lines each, computed."""
    scene.pull("account", {"id": "ACME"})
    scene.pull("order", *({"id": f"O{n}", "account_id": "ACME", "ordered_on": DAY} for n in range(60)))
    scene.pull(
        "order_line",
        *({"id": f"L{n:02}-{m:02}", "order_id": f"O{n}", "amount": 1} for n in range(60) for m in range(20)),
    )
    scene.compute(program())
    return scene


@contextmanager
def statements(tx: Connection) -> Iterator[list[str]]:
    said: list[str] = []

    def hear(conn, cursor, statement, parameters, context, executemany):
        said.append(statement)

    event.listen(tx, "before_cursor_execute", hear)
    try:
        yield said
    finally:
        event.remove(tx, "before_cursor_execute", hear)


def alive(store):
    with store.read() as tx:
        return set(tx.execute(select(order_lines.c.sf_id).where(~order_lines.c.deleted)).scalars())


def test_buried_lines_count_no_more_and_their_orders_are_computed_again(shop):
    lost = [f"L{n:02}-{m:02}" for n in (3, 4) for m in range(20)]
    with shop.store.transaction() as tx:
        assert inventory.bury(tx, "order_line", [*lost, lost[0], "unheard of"]) == 40
        assert inventory.bury(tx, "order_line", lost) == 0, "nobody dies twice"
        assert len(tx.execute(select(dirty_orders.c.order_pk)).all()) == 2
    assert len(alive(shop.store)) == 1_200 - 40
    assert not alive(shop.store) & set(lost)


@pytest.mark.parametrize("entity", ["order_line", "order", "account", "product"])
def test_a_thousand_lost_records_take_as_many_statements_as_one(shop, entity):
    lost = [f"L{n:02}-{m:02}" for n in range(60) for m in range(20)]
    with shop.store.transaction() as tx, statements(tx) as for_many:
        inventory.bury(tx, entity, lost)
    with shop.store.transaction() as tx, statements(tx) as for_one:
        inventory.bury(tx, entity, lost[:1])
    rest = 1  # what does not fill a statement of many rows
    assert len(for_many) <= len(for_one) + rest


def test_the_order_lines_are_passed_over_once_and_then_met_by_their_key(shop):
    with shop.store.transaction() as tx, statements(tx) as said:
        inventory.bury(tx, "order_line", ["L03-04"])
    on_lines = [one for one in said if "order_lines" in one]
    assert len(on_lines) == 2, "one to find them, one to mark them"
    with shop.store.transaction() as tx:
        if tx.dialect.name != "sqlite":
            return  # PostgreSQL chooses its plan by what it has counted
        plans = [
            row[3]
            for one in on_lines
            for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", (False,) * one.count("?"))
            if row[3].split()[1] == "order_lines"
        ]
    assert [plan.split()[0] for plan in plans] == ["SCAN", "SEARCH"], plans
    assert "PRIMARY KEY (order_pk=?" in plans[1]
