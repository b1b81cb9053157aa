"""A line that moved to another order counts there, and nowhere else."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from sqlalchemy import func, select

from mappings.canonical import GONE
from state import dirty, fact_checks, gone, meta, moved_lines, parts, staging
from state.snapshot import Snapshot
from state.tables.facts import order_lines, orders
from state.tables.work import dirty_orders

DAY = date(2026, 5, 1)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
FIRST, SECOND = "802Ak0000000001IAA", "802Ak0000000002IAB"


@pytest.fixture
def shop(scene, program):
    """ACME has the order O1, ZETA has O2; no lines yet."""
    scene.pull("account", {"id": "ACME"}, {"id": "ZETA"})
    scene.pull(
        "order",
        {"id": "O1", "account_id": "ACME", "ordered_on": DAY},
        {"id": "O2", "account_id": "ZETA", "ordered_on": DAY},
    )
    scene.compute(program())
    return scene


def line(order, stamp, amount=5, **more):
    return {"id": "L1", "order_id": order, "amount": amount, "modstamp": stamp, **more}


def worth(shop):
    """What ACME and ZETA have, in a store that agrees with itself."""
    shop.compute()
    assert not shop.violations()
    found = shop.amounts()
    return tuple(found.get((one, "2026-05"), Decimal(0)) for one in ("ACME", "ZETA"))


def apply(shop, *pages, run=500, make_batch):
    """Several pages of one pull."""
    with shop.store.transaction() as tx:
        for page in pages:
            staging.stage(tx, run, "order_line", make_batch("order_line", *page))
        return staging.apply(tx, run, "order_line", now=NOW)


def rows(shop):
    query = select(orders.c.sf_id, order_lines.c.sf_id).join(orders, orders.c.pk == order_lines.c.order_pk)
    with shop.store.read() as tx:
        return sorted(tuple(row) for row in tx.execute(query))


def test_a_line_that_moved_counts_in_its_new_order_only(shop):
    shop.pull("order_line", line("O1", 50))
    assert worth(shop) == (5, 0)
    applied = shop.pull("order_line", line("O2", 60))
    assert (applied.inserted, applied.updated, applied.dirty_orders) == (0, 1, 2)
    assert worth(shop) == (0, 5)
    assert rows(shop) == [("O2", "L1")]


def test_the_same_version_read_with_a_corrected_mapping_moves_the_line(shop):
    shop.pull("order_line", line("O1", 50))
    assert worth(shop) == (5, 0)
    shop.pull("order_line", line("O2", 50))
    assert worth(shop) == (0, 5)


def test_an_older_version_that_arrives_late_changes_nothing(shop):
    shop.pull("order_line", line("O2", 60))
    assert worth(shop) == (0, 5)
    applied = shop.pull("order_line", line("O1", 50, amount=7))
    assert (applied.inserted, applied.updated, applied.stale, applied.dirty_orders) == (0, 0, 1, 0)
    assert worth(shop) == (0, 5)


def test_a_line_may_move_back(shop):
    for order, stamp in (("O1", 50), ("O2", 60), ("O1", 70)):
        shop.pull("order_line", line(order, stamp))
    assert worth(shop) == (5, 0)


@pytest.mark.parametrize("before", [False, True], ids=["first load", "later"])
@pytest.mark.parametrize("apart", [False, True], ids=["one page", "two pages"])
@pytest.mark.parametrize("name", ["L1", FIRST])
@pytest.mark.parametrize(
    ("versions", "wanted"),
    [
        (((50, "O1"), (60, "O2")), (0, 5)),
        (((60, "O2"), (50, "O1")), (0, 5)),
        (((60, "O1"), (60, "O2")), (0, 5)),
        (((60, "O2"), (60, "O1")), (5, 0)),
    ],
)
def test_of_two_versions_in_one_pull_the_newest_counts(
    shop, make_batch, before, apart, name, versions, wanted
):
    if before:
        shop.pull("order_line", {"id": SECOND, "order_id": "O3", "amount": 1}, modstamp=1)
    made = [line(order, stamp, id=name) for stamp, order in versions]
    pages = [
        [one, {"id": f"{SECOND[:14]}{n}IAC", "order_id": "O3", "amount": 1}] for n, one in enumerate(made, 5)
    ]
    apply(shop, *(pages if apart else [made]), make_batch=make_batch)
    assert worth(shop) == wanted


def test_a_version_read_twice_does_not_undo_a_move(shop, make_batch):
    shop.pull("order_line", line("O1", 60))
    apply(shop, [line("O2", 60)], [line("O1", 50)], make_batch=make_batch)
    assert worth(shop) == (0, 5)


def test_a_deleted_line_counts_nowhere_wherever_its_deletion_says_that_it_lay(shop):
    shop.pull("order_line", line("O1", 50))
    shop.pull("order_line", line("O2", 60, deleted=True))
    assert worth(shop) == (0, 0)
    shop.pull("order_line", line("O1", 55))
    assert worth(shop) == (0, 0)


def test_a_deletion_without_an_order_finds_a_line_that_moved(shop):
    shop.pull("order_line", line("O1", 50))
    shop.pull("order_line", line("O2", 60))
    with shop.store.transaction() as tx:
        gone.stage(tx, 100, "order_line", pa.table([["L1"], [70], [None]], schema=GONE))
        assert staging.apply(tx, 100, "order_line", now=NOW).updated == 1
    assert worth(shop) == (0, 0)
    shop.pull("order_line", line("O1", 65))
    assert worth(shop) == (0, 0)


def test_a_line_that_is_in_two_orders_is_named_and_mended_by_reading_it_again(shop, make_batch):
    shop.pull("order_line", line("O1", 50))
    with shop.store.transaction() as tx:
        old = tx.execute(select(order_lines)).mappings().one()
        other = tx.execute(select(orders.c.pk).where(orders.c.sf_id == "O2")).scalar_one()
        tx.execute(order_lines.insert(), {**old, "order_pk": other, "modstamp": 60})
        dirty.Orders(tx).mark(select(orders.c.pk))
        fact_checks.note_rows(tx, "order_line")
    shop.compute()
    assert [one.name for one in shop.violations()] == ["a line is in two orders (I3)"]
    assert shop.violations(deep=False) == []
    apply(shop, [line("O2", 60)], run=staging.again(100), make_batch=make_batch)
    assert worth(shop) == (0, 5)


def test_no_line_is_looked_for_that_was_never_read(shop, monkeypatch):
    """Looking takes a second for ten million lines; a sync brings a thousand new ones."""
    looked = []
    finding = moved_lines._finding
    monkeypatch.setattr(moved_lines, "_finding", lambda: looked.append(1) or finding())
    shop.pull("order_line", {"id": FIRST, "order_id": "O1", "amount": 5})
    shop.pull("order_line", {"id": SECOND, "order_id": "O1", "amount": 5})
    shop.pull("order_line", {"id": FIRST, "order_id": "O1", "amount": 6})
    assert not looked
    shop.pull("order_line", {"id": FIRST, "order_id": "O2", "amount": 6})
    assert looked
    assert worth(shop) == (5, 6)


def test_a_store_that_never_noted_its_last_line_looks_once(shop):
    shop.pull("order_line", line("O1", 50))
    with shop.store.transaction() as tx:
        meta.drop(tx, moved_lines.LAST)
    shop.pull("order_line", line("O2", 60))
    assert worth(shop) == (0, 5)


def test_a_line_that_was_first_read_by_its_id_may_move_as_well(shop, make_batch):
    shop.pull("order_line", {"id": FIRST, "order_id": "O1", "amount": 1})
    apply(shop, [line("O1", 50, id=SECOND)], run=staging.again(100), make_batch=make_batch)
    shop.pull("order_line", line("O2", 60, id=SECOND))
    assert worth(shop) == (1, 5)


def test_the_copy_for_other_engines_sees_both_orders_as_changed(shop, monkeypatch, tmp_path):
    monkeypatch.setattr(parts, "ORDERS_PER_PART", 1)
    shop.pull("order_line", line("O1", 50), {"id": "L2", "order_id": "O3", "amount": 1})
    copy = Snapshot(tmp_path / "copy", now=NOW)
    copy.refresh(shop.store)
    shop.pull("order_line", line("O2", 60))
    refreshed = copy.refresh(shop.store)
    assert (refreshed.written, refreshed.lines) == (2, 2)


def test_only_the_orders_that_a_line_left_and_came_to_are_computed_again(shop):
    shop.pull("order_line", line("O1", 50), {"id": "L2", "order_id": "O3", "amount": 1})
    shop.compute()
    shop.pull("order_line", line("O2", 60))
    with shop.store.read() as tx:
        assert tx.execute(select(func.count()).select_from(dirty_orders)).scalar_one() == 2
