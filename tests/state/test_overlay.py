"""What a second process writes over a store is seen by it alone, until the one writer lays it down."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from state import meta, outbox, overlay, standings
from state.outbox import Wanted
from state.overlay import Overlay
from state.store import Store
from state.tables.facts import accounts
from state.tables.work import dirty_cells
from state.tables.work import outbox as outbox_rows

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    with_blank = tmp_path / "a folder?"
    with_blank.mkdir()
    opened = Store.open(f"sqlite:///{with_blank}/rebates.db")
    with opened.transaction() as tx:
        meta.put(tx, "next_seq", "40")
        tx.execute(dirty_cells.insert(), [{"member_pk": 1, "period_pk": 2}])
    yield opened
    opened.close()


@pytest.fixture
def over(store):
    opened = Overlay.open(store.path)
    yield opened
    opened.close()


def wish(number):
    return Wanted("state", "Rebate_Standing__c", f"key{number}", {"A__c": str(number)}, "001A")


def count(tx, table):
    return tx.execute(select(func.count()).select_from(table)).scalar_one()


def test_marks_begin_as_they_are_in_the_store_and_change_in_memory_only(store, over):
    standings.clear(over.tx, [standings.Cell(1, 2)])
    meta.put(over.tx, "next_seq", "99")
    assert count(over.tx, dirty_cells) == 0
    with store.read() as tx:
        assert count(tx, dirty_cells) == 1
        assert meta.get(tx, "next_seq") == "40"


def test_an_error_in_the_second_process_holds_no_customers_values(over):
    with pytest.raises(OperationalError) as caught:
        over.tx.execute(accounts.update().values(name="Erika Mustermann"))
    assert "Erika" not in str(caught.value)


def test_anything_else_cannot_be_written(over):
    with pytest.raises(OperationalError, match="readonly"):
        over.tx.execute(accounts.delete())


def test_it_works_while_the_store_is_being_written(store, over):
    with store.transaction() as tx:
        outbox.enqueue(over.tx, [wish(1)], now=NOW)
        outbox.enqueue(tx, [wish(2)], now=NOW)
        assert count(over.tx, outbox_rows) == 1


def test_what_is_laid_down_is_numbered_after_what_is_there(store, over):
    outbox.enqueue(over.tx, [wish(1), wish(2)], now=NOW)
    with store.transaction() as tx:
        outbox.enqueue(tx, [wish(0)], now=NOW)
        overlay.lay_down(tx, over.take())
        rows = outbox.listed(tx)
        assert [(row.ext_key, row.seq % meta.SEQUENCES_PER_EPOCH) for row in rows] == [
            ("key0", 40),
            ("key1", 41),
            ("key2", 42),
        ]
        assert meta.get(tx, "next_seq") == "43"
    outbox.enqueue(over.tx, [wish(1)], now=NOW)
    assert [row[2] for row in over.take()["outbox"]] == ["key1"], "what was taken is forgotten"


def test_a_store_says_whether_anything_was_computed_in_it(store):
    with store.transaction() as tx:
        assert overlay.uncomputed(tx, orders=0) and not overlay.uncomputed(tx, orders=1)
        outbox.enqueue(tx, [wish(0)], now=NOW)
        assert not overlay.uncomputed(tx, orders=0)
