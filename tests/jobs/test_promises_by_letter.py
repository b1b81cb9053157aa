"""Each promise about what was read, what runs and what is sent is broken by hand once, and is named with its row."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from jobs import counting, slot_checks
from jobs.due import Job, run_due
from jobs.settings import JobSchedule
from state import invariants, inventory, outbox, runs, watermarks
from state.outbox import Wanted

PROGRAM = """
key = "care"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
[[tiers]]
threshold = "100"
rate = "10%"
"""
JUNE = date(2026, 6, 10)


@pytest.fixture
def known(shop):
    """Two orders were read and counted, and one row is in the outbox."""
    shop.program(PROGRAM)
    shop.account("Acme")
    for name in ("first", "second"):
        shop.order(name, "Acme", JUNE, {"amount": 600})
    shop.sync()
    with shop.opened.store.transaction() as tx:
        now = shop.clock.now()
        for stream in ("account", "order", "order_line"):
            watermarks.advance(tx, stream, floor=now - timedelta(hours=1), ceiling=now, now=now)
        counting.note_counted(tx)
        outbox.enqueue(tx, [Wanted("state", "Rebate_Standing__c", "RB-1", {"a": 1}, None)], now=now)
    assert broken(shop) == {}
    return shop


def run(shop, *statements):
    with shop.opened.store.transaction() as tx:
        for statement in statements:
            tx.execute(text(statement))


def broken(shop):
    """Promise → the row that is named."""
    with shop.opened.store.read() as tx:
        return {one.name: one.example for one in invariants.check(tx)}


def test_an_order_that_vanished_from_the_store_is_missed(known):
    run(known, f"DELETE FROM orders WHERE sf_id = '{known.order_id('second')}'")
    found = broken(known)
    assert found["records of order that were read are no longer in the store (I5)"] == "('2', '1')"


def test_a_record_that_vanished_stays_missed_until_it_is_read_again(known):
    run(known, f"DELETE FROM orders WHERE sf_id = '{known.order_id('second')}'")
    with known.opened.store.transaction() as tx:
        counting.note_counted(tx)
    assert "records of order that were read are no longer in the store (I5)" in broken(known)


def test_an_order_that_is_marked_as_deleted_and_still_counts_is_named(known):
    run(known, "UPDATE orders SET deleted = true WHERE pk = 1")
    assert broken(known) == {"a deleted order still counts (I5)": f"('{known.order_id('first')}',)"}


def test_an_order_that_was_buried_waits_to_be_taken_back_and_breaks_nothing(known):
    with known.opened.store.transaction() as tx:
        inventory.bury(tx, "order", [known.order_id("first")])
    assert broken(known) == {}
    known.sync()
    assert broken(known) == {}


def test_a_record_that_no_newer_version_can_beat_is_named(known):
    run(known, f"UPDATE orders SET modstamp = modstamp + {30 * 86_400_000_000} WHERE pk = 2")
    (name,) = broken(known)
    assert name == (
        "a record of order is stamped later than the org's clock, so no newer version beats it (I3)"
    )
    assert broken(known)[name] == f"('{known.order_id('second')}',)"


def test_a_watermark_that_runs_backward_is_named(known):
    run(known, "UPDATE watermarks SET floor = ceiling + 1 WHERE stream = 'order'")
    assert broken(known) == {"a watermark runs backward (I2)": "('order',)"}


@pytest.mark.parametrize("table", ["outbox", "acknowledged"])
def test_a_number_that_was_never_given_out_is_named(known, table):
    if table == "acknowledged":
        run(known, "INSERT INTO acknowledged VALUES ('Rebate_Standing__c', 'RB-1', 1, 'x', NULL, 1)")
    run(known, f"UPDATE {table} SET seq = 9000000000000 WHERE ext_key = 'RB-1'")
    assert broken(known) == {
        f"a number in {table} is above all that were given out (X5)": (
            "('Rebate_Standing__c', 'RB-1', 9000000000000)"
        )
    }


def test_two_runs_of_one_slot_are_named_and_so_is_the_guard_that_is_gone(known):
    slot = datetime(2026, 6, 15, 12, tzinfo=UTC)
    ran(known, slot)
    run(
        known, "CREATE TABLE kept AS SELECT * FROM runs", "DROP TABLE runs", "ALTER TABLE kept RENAME TO runs",
        "INSERT INTO runs SELECT pk + 1, job, slot_utc, owner, epoch, started_at, heartbeat_at, finished_at, outcome, "
        "counts, error FROM runs",
    )  # fmt: skip
    micros = int(slot.timestamp() * 1_000_000)
    assert broken(known) == {
        "a slot was run twice (S1)": f"('sync', {micros}, 2)",
        "the database no longer keeps a slot from being run twice (S1)": "(2,)",
    }


# --- S3 ---------------------------------------------------------------------------------------------------
QUARTER = JobSchedule(every="15m")


def ran(shop, slot, rhythm=None):
    with shop.opened.store.transaction() as tx:
        now = shop.clock.now()
        pk = runs.start(tx, "sync", slot, owner="o", epoch=1, now=now)
        runs.finish(tx, pk, "ok", now=now, counts={"rhythm": rhythm} if rhythm else {})


def lost(shop):
    """As somebody sees it who looks when all of that has passed."""
    now, shop.clock.moment = shop.clock.moment, shop.clock.moment + timedelta(hours=2)
    found = lost_by_now(shop)
    shop.clock.moment = now
    return found


def lost_by_now(shop):
    with shop.opened.store.read() as tx:
        return [(one.count, one.example) for one in slot_checks.check(shop.opened, tx)]


@pytest.fixture
def scheduled(shop):
    """A sync every quarter of an hour, since noon."""
    shop.settings = {"schedule.sync.every": "15m"}
    for minutes in (0, 15):
        ran(shop, shop.clock.now() + timedelta(minutes=minutes), "every 0:15:00")
    assert lost(shop) == []
    return shop


def test_a_slot_that_nothing_tells_of_is_named(scheduled):
    ran(scheduled, scheduled.clock.now() + timedelta(minutes=60), "every 0:15:00")
    assert lost(scheduled) == [(2, "the sync of 2026-06-15 12:30:00 UTC")]


def test_slots_that_the_scheduler_wrote_down_as_missed_are_told_of(scheduled):
    scheduled.clock.moment += timedelta(minutes=61)
    job = Job("sync", QUARTER, lambda app, slot: ran(scheduled, slot, app.settings.schedule.rhythm("sync")))
    assert run_due(scheduled.opened, job) == "ok"
    assert lost(scheduled) == []


def test_a_run_by_hand_stands_for_the_slot_before_it_and_for_no_other(scheduled):
    """The scheduler did not know of the slots before a run by hand: it looked only behind the newest run."""
    noon = scheduled.clock.now()
    ran(scheduled, noon + timedelta(minutes=50))
    scheduled.clock.moment = noon + timedelta(minutes=61)
    job = Job("sync", QUARTER, lambda app, slot: ran(scheduled, slot, app.settings.schedule.rhythm("sync")))
    run_due(scheduled.opened, job)
    with scheduled.opened.store.read() as tx:
        missed = [run.slot for run in runs.latest(tx, job="sync", outcome="missed")]
    assert missed == [noon + timedelta(minutes=30)]
    assert lost(scheduled) == []


def test_slots_that_have_not_come_are_not_missed_where_a_clock_that_was_ahead_ran_one(scheduled):
    ran(scheduled, scheduled.clock.now() + timedelta(hours=10), "every 0:15:00")
    scheduled.clock.moment += timedelta(minutes=20)
    assert lost_by_now(scheduled) == []


def test_what_was_due_under_another_schedule_is_not_asked(scheduled):
    noon = scheduled.clock.now()
    ran(scheduled, noon + timedelta(minutes=60), "every 1:00:00")
    ran(scheduled, noon + timedelta(minutes=75), "every 0:15:00")
    assert lost(scheduled) == []
