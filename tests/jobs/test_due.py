"""A slot that nobody could claim is still to be had; one that somebody claimed is never run twice."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from jobs import due
from jobs.app import App
from jobs.due import PUT_OFF, Job, is_owed, look, run_due
from jobs.refusals import Interrupted
from jobs.running import LEASE_TTL, running
from jobs.settings import JobSchedule
from jobs.status import status
from state import leases, pausing, runs
from state.errors import StoreLocked

NIGHTLY = JobSchedule(cron="0 2 * * *")
WEEKLY = JobSchedule(cron="0 2 * * sun")
TWO = datetime(2026, 6, 16, 2, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
def night(shop):
    """Two o'clock, and a nightly reconcile that writes down when it was done."""
    shop.account("Acme")
    shop.settings["schedule.reconcile.cron"] = NIGHTLY.cron
    shop.close()
    shop.clock.moment = TWO
    shop.done = []

    def work(app, slot):
        with running(app, "reconcile", slot):
            shop.done.append((app.clock.now(), slot))

    shop.job = Job("reconcile", NIGHTLY, work)
    return shop


def look_each_minute(shop, job, minutes):
    """As a scheduler does while the slot is put off; how often it looked, and the last outcome."""
    found = None
    for minute in range(minutes):
        found = look(shop.opened, job, told=found)
        if found.outcome != PUT_OFF:
            return minute, found.outcome
        shop.clock.moment += MINUTE
    return minutes, found.outcome


def rows(shop, job="reconcile"):
    with shop.opened.store.read() as tx:
        return [(f"{run.slot:%d %H:%M}", run.outcome) for run in reversed(runs.latest(tx, job=job, limit=50))]


def somebody_holds_the_lease(shop, since):
    with shop.opened.store.transaction() as tx:
        assert leases.acquire(tx, leases.ORG, owner="dead:1:x", ttl=LEASE_TTL, now=since)


def test_a_slot_that_met_the_lease_of_a_dead_process_is_run_once_the_lease_ends(night, monkeypatch):
    said = structlog.testing.CapturingLogger()  # whatever level an earlier command has set
    monkeypatch.setattr(due, "log", said)
    somebody_holds_the_lease(night, TWO - 2 * MINUTE)
    assert look_each_minute(night, night.job, 30) == (13, "ok")
    assert night.done == [(TWO + 13 * MINUTE, TWO)]
    assert rows(night) == [("16 02:00", "ok")], "no row a minute"
    assert [call.args[0] for call in said.calls].count("job.put_off") == 1, "nor a line a minute"
    assert run_due(night.opened, night.job) == "skipped"


def test_a_slot_that_met_a_pause_is_run_when_the_pause_ends(night):
    with night.opened.store.transaction() as tx:
        pausing.pause(tx, "freeze", actor="mia@sync-1", now=night.opened.clock.now())
    assert look_each_minute(night, night.job, 5) == (5, PUT_OFF)
    with night.opened.store.transaction() as tx:
        pausing.resume(tx, actor="mia@sync-1", now=night.opened.clock.now())
    assert look_each_minute(night, night.job, 5) == (0, "ok")


def test_a_slot_that_met_a_locked_store_is_run_when_it_is_free(night):
    tries = []

    def locked_once(app, slot):
        tries.append(slot)
        if len(tries) == 1:
            raise StoreLocked("the store is locked by another process", where="x")
        night.job.work(app, slot)

    assert look_each_minute(night, Job("reconcile", NIGHTLY, locked_once), 5) == (1, "ok")


def by_hand(shop, outcome="ok"):
    with shop.opened.store.transaction() as tx:
        now = shop.clock.now()
        runs.finish(tx, runs.start(tx, "reconcile", now, owner="o", epoch=1, now=now), outcome, now=now)


@pytest.mark.parametrize(("outcome", "then"), [("ok", "skipped"), ("failed", "ok")])
def test_a_run_by_hand_stands_for_a_slot_that_was_put_off_when_it_worked(night, outcome, then):
    somebody_holds_the_lease(night, TWO)
    told = look(night.opened, night.job)
    assert told.outcome == PUT_OFF
    night.clock.moment += 20 * MINUTE
    by_hand(night, outcome)
    assert look(night.opened, night.job, told=told).outcome == then


def test_two_hosts_that_put_off_one_slot_do_not_both_run_it(night):
    somebody_holds_the_lease(night, TWO)
    other = App.build(night.opened.configuration, clock=night.clock, rng=random.Random(2))
    told = [look(app, night.job) for app in (night.opened, other)]
    assert [one.outcome for one in told] == [PUT_OFF, PUT_OFF]
    night.clock.moment += LEASE_TTL

    def meanwhile(app, slot):
        """The other one looks while the first one works."""
        with running(app, "reconcile", slot):
            assert look(other, night.job, told=told[1]).outcome == "skipped"

    assert look(night.opened, Job("reconcile", NIGHTLY, meanwhile), told=told[0]).outcome == "ok"
    assert look(other, night.job, told=told[1]).outcome == "skipped"
    assert rows(night) == [("16 02:00", "ok")]
    other.close()


def test_nights_in_which_a_job_was_never_run_are_missed_and_it_is_called_late(night):
    for _ in range(4):
        somebody_holds_the_lease(night, night.clock.now())
        assert run_due(night.opened, night.job) == PUT_OFF
        night.clock.moment += DAY
    night.clock.moment += 7 * timedelta(hours=1) - DAY
    assert rows(night) == [("16 02:00", "missed"), ("17 02:00", "missed"), ("18 02:00", "missed")]
    assert [one["job"] for one in status(night.opened)["late"]] == ["reconcile"]


def test_a_job_that_never_ran_is_late_two_slots_after_a_scheduler_first_had_it(night):
    night.clock.moment = TWO + MINUTE
    assert status(night.opened)["late"] == [], "no scheduler promised it"
    assert not is_owed(night.opened, night.job), "its first slot is still to come"
    night.clock.moment += DAY
    assert status(night.opened)["late"] == []
    assert is_owed(night.opened, night.job), "a scheduler had it, and the night passed"
    night.clock.moment += DAY
    assert [one["job"] for one in status(night.opened)["late"]] == ["reconcile"]


def test_a_weekly_slot_that_passed_days_before_the_scheduler_came_is_run_at_once(night):
    night.settings = {"schedule.reconcile.cron": WEEKLY.cron}
    night.close()
    night.clock.moment = datetime(2026, 6, 7, 2, tzinfo=UTC)
    job = Job("reconcile", WEEKLY, night.job.work)
    assert run_due(night.opened, job) == "ok"
    night.clock.moment = datetime(2026, 6, 17, 10, tzinfo=UTC)
    assert is_owed(night.opened, job)
    assert run_due(night.opened, job) == "ok"
    assert rows(night) == [("07 02:00", "ok"), ("14 02:00", "ok")]
    assert not is_owed(night.opened, job)


def test_whoever_is_asked_to_stop_claims_nothing_more(night):
    night.opened.stopping.set()
    assert run_due(night.opened, night.job) == "interrupted"
    with pytest.raises(Interrupted), running(night.opened, "reconcile", TWO):
        raise AssertionError("never inside")
    assert rows(night) == []
    with night.opened.store.read() as tx:
        assert leases.held(tx, night.clock.now()) == []
    night.opened.stopping = threading.Event()
    assert run_due(night.opened, night.job) == "ok", "the slot is still to be had"


def test_a_run_that_broke_off_in_the_middle_failed_and_was_not_put_off(night):
    def breaks_off(app, slot):
        with running(app, "reconcile", slot):
            raise StoreLocked("the store is busy", where=app.store.where)

    found = look(night.opened, Job("reconcile", NIGHTLY, breaks_off))
    assert found.outcome == "failed"
    assert rows(night) == [("16 02:00", "failed")]
