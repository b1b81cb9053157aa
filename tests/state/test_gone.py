"""Deletions of records of which nothing else can be read: the last values that could be read stay, and count no more."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from sqlalchemy import select

from mappings.canonical import GONE
from state import gone, rejected, runs, staging
from state.tables.facts import accounts

DAY = date(2026, 5, 1)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def shop(scene, program):
    """Two accounts; ACME has an order of two lines, computed."""
    scene.pull("account", {"id": "ACME"}, {"id": "ZETA"})
    scene.pull("order", {"id": "O1", "account_id": "ACME", "ordered_on": DAY})
    scene.pull(
        "order_line",
        {"id": "L1", "order_id": "O1", "amount": 1},
        {"id": "L2", "order_id": "O1", "amount": 2},
        modstamp=10,
    )
    scene.compute(program())
    return scene


def take(shop, entity, *rows, run=100):
    """A pull that brings deletions: (id, stamp, winner of a merge)."""
    table = pa.table(list(zip(*rows, strict=True)), schema=GONE)
    with shop.store.transaction() as tx:
        gone.stage(tx, run, entity, table)
    with shop.store.transaction() as tx:
        return staging.apply(tx, run, entity, now=NOW)


def worth(shop):
    shop.compute()
    assert not shop.violations()
    return shop.amounts().get(("ACME", "2026-05"), Decimal(0))


def set_aside(shop, *ids, run=None):
    rows = [rejected.RejectedRow("order_line", one, "quantity", "is empty") for one in ids]
    with shop.store.transaction() as tx:
        rejected.set_aside(tx, rows, now=NOW, run_pk=run)


def waiting(shop):
    with shop.store.read() as tx:
        return rejected.ids(tx, "order_line")


def test_a_deleted_line_counts_no_more_and_is_not_waited_for(shop):
    set_aside(shop, "L1", "L2")
    applied = take(shop, "order_line", ("L1", 11, None))
    assert (applied.rows, applied.updated) == (1, 1)
    assert worth(shop) == 2
    assert waiting(shop) == {"L2"}
    assert take(shop, "order_line", ("L1", 11, None)).updated == 0, (
        "the overlap of two windows changes nothing"
    )


@pytest.mark.parametrize(("entity", "one"), [("order", "O1"), ("account", "ACME"), ("product", "P1")])
def test_any_record_may_be_gone(shop, entity, one):
    if entity == "product":
        shop.pull("product", {"id": one})
    assert take(shop, entity, (one, 50, None)).updated == 1
    assert worth(shop) == (3 if entity == "product" else 0)


def test_a_deletion_never_beats_a_newer_version_and_an_older_one_never_brings_back(shop):
    take(shop, "order_line", ("L1", 9, None))
    assert worth(shop) == 3
    take(shop, "order_line", ("L1", 12, None))
    shop.pull("order_line", {"id": "L1", "order_id": "O1", "amount": 1}, modstamp=11)
    assert worth(shop) == 2
    shop.pull("order_line", {"id": "L1", "order_id": "O1", "amount": 7}, modstamp=13)
    assert worth(shop) == 9, "undeleted and mended"


def test_what_was_never_known_is_nothing_and_is_not_waited_for(shop):
    set_aside(shop, "L9")
    applied = take(shop, "order_line", ("L9", 11, None))
    assert (applied.rows, applied.updated) == (1, 0)
    assert waiting(shop) == set()
    assert worth(shop) == 3


def test_what_the_same_run_sets_aside_waits_on(shop):
    """It may have come back while that run read."""
    with shop.store.transaction() as tx:
        run = runs.start(tx, "sync", NOW, owner="us", epoch=1, now=NOW)
    set_aside(shop, "L1", run=run)
    take(shop, "order_line", ("L1", 11, None), run=run)
    assert waiting(shop) == {"L1"}
    take(shop, "order_line", ("L1", 11, None), run=run + 1)
    assert waiting(shop) == set()


def test_a_merged_account_says_who_took_it_over(shop):
    take(shop, "account", ("ACME", 50, "ZETA"))
    winner = accounts.alias("winner")
    query = select(winner.c.sf_id).join(accounts, accounts.c.master_pk == winner.c.pk)
    with shop.store.read() as tx:
        row = tx.execute(select(accounts.c.name, accounts.c.deleted).where(accounts.c.sf_id == "ACME")).one()
        assert tx.execute(query.where(accounts.c.sf_id == "ACME")).scalars().all() == ["ZETA"]
    assert (row.name, row.deleted) == ("ACME", True), "its last name that could be read stays"


def test_what_a_stream_that_stopped_had_staged_is_dropped_with_its_pages(shop):
    with shop.store.transaction() as tx:
        gone.stage(tx, 100, "order_line", pa.table([["L1"], [50], [None]], schema=GONE))
        gone.stage(tx, 100, "order", pa.table([["O1"], [50], [None]], schema=GONE))
        assert staging.discard(tx, 100, "order_line") == 1
        staging.apply(tx, 100, "order_line", now=NOW)
    assert worth(shop) == 3
