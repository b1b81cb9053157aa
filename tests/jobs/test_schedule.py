"""The scheduler outlives whatever goes wrong in one slot, catches up once, and does not hammer a refused login."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from connector.errors import AuthenticationFailed
from jobs import alarms, computing, due, helping, login_pause, schedule
from jobs.app import App
from jobs.clock import SystemClock
from jobs.compute import compute
from jobs.due import PUT_OFF, Job, run_due
from jobs.refusals import Interrupted, Refused
from jobs.running import running
from jobs.schedule import run_forever
from jobs.settings import JOBS, JobSchedule
from jobs.status import status
from mappings.problems import MappingProblems
from state import leases, runs
from state.errors import AnotherHost, OlderSchema, StoreUnreachable
from state.store import Store

PROGRAM = """
key = "care"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
[[tiers]]
threshold = "100"
rate = "10%"
"""
SECOND = JobSchedule(every="1s")
QUARTER = JobSchedule(every="15m")


def scheduled(shop, monkeypatch, work, *, build=None, rhythm=SECOND, seconds=10):
    """Run the scheduler until `work` has set its event, or for so long, by a clock that goes on from the shop's."""
    stop = threading.Event()
    shop.clock_of_the_scheduler = SystemClock(shop.opened.clock.now())
    monkeypatch.setattr(schedule, "jobs_of", lambda app: [Job("sync", rhythm, work(stop))])
    thread = threading.Thread(target=run_forever, args=(build or (lambda: shop.fresh()), stop))
    thread.start()
    happened = stop.wait(seconds)
    stop.set()
    thread.join()
    return happened


@pytest.fixture
def office(shop):
    """The shop, with an `App` of its own for whoever asks."""
    shop.account("Acme")
    opened = shop.opened
    shop.fresh = lambda: App.build(opened.configuration, clock=shop.clock_of_the_scheduler, rng=opened.rng)
    return shop


def rows(shop):
    with shop.opened.store.read() as tx:
        return [(run.job, run.outcome) for run in reversed(runs.latest(tx, limit=50))]


@pytest.mark.parametrize(
    "trouble",
    [
        StoreUnreachable("no answer", where="x"),
        MappingProblems([]),
        KeyError("a bug"),
        Refused("not now"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_the_next_slot_comes_whatever_became_of_this_one(office, monkeypatch, trouble):
    tries = []

    def work(stop):
        def go(app, slot):
            tries.append(slot)
            if len(tries) == 1:
                raise trouble
            stop.set()

        return go

    assert scheduled(office, monkeypatch, work)


def test_a_store_that_cannot_be_opened_in_one_slot_is_opened_in_the_next(office, monkeypatch):
    built = []

    def build():
        built.append(1)
        if len(built) == 2:
            raise StoreUnreachable("no answer", where="x")
        return office.fresh()

    assert scheduled(office, monkeypatch, lambda stop: lambda app, slot: stop.set(), build=build)
    assert len(built) >= 3


@pytest.mark.postgres
@pytest.mark.parametrize("make_shop", ["postgresql"], indirect=True)
def test_a_scheduler_waits_for_a_database_that_is_not_up_yet_and_then_runs_what_it_owes(
    make_shop, monkeypatch, capsys
):
    shop = make_shop()
    clock, configuration = SystemClock(shop.opened.clock.now()), shop.opened.configuration
    ran(shop, clock.now() - timedelta(minutes=40))
    built, real = [], Store.open

    def not_up_yet(url, **named):
        built.append(1)
        return real("postgresql+psycopg://postgres@127.0.0.1:1/test" if len(built) <= 4 else url, **named)

    monkeypatch.setattr(Store, "open", not_up_yet)
    monkeypatch.setattr(alarms, "LOOK_AGAIN", timedelta(seconds=0.3))
    monkeypatch.setattr(helping, "IDLE_SECONDS", 0.1)

    def build():
        return App.build(configuration, clock=clock, rng=shop.opened.rng)

    work = lambda stop: lambda app, slot: stop.set()  # noqa: E731
    assert scheduled(shop, monkeypatch, work, build=build, rhythm=QUARTER, seconds=20)
    assert "schedule.no_store_yet" in "".join(capsys.readouterr())


@pytest.mark.parametrize("trouble", [OlderSchema, AnotherHost])
def test_a_scheduler_whose_store_wants_a_person_says_so_at_once(office, monkeypatch, trouble):
    def refuse(url, **named):
        raise trouble("not like this", where="x")

    monkeypatch.setattr(Store, "open", refuse)
    monkeypatch.setattr(schedule, "jobs_of", lambda app: [Job("sync", QUARTER, lambda app, slot: None)])
    office.clock_of_the_scheduler = office.clock
    with pytest.raises(trouble):
        run_forever(office.fresh, threading.Event())


def ran(shop, slot, outcome="ok", error=None):
    with shop.opened.store.transaction() as tx:
        now = shop.opened.clock.now()
        pk = runs.start(tx, "sync", slot, owner="o", epoch=1, now=now)
        runs.finish(tx, pk, outcome, now=now, error=error)


def test_a_slot_that_passed_while_nobody_was_there_is_run_at_once(office, monkeypatch):
    clock = office.opened.clock
    ran(office, clock.now())
    clock.moment += timedelta(minutes=40)
    assert scheduled(
        office, monkeypatch, lambda stop: lambda app, slot: stop.set(), rhythm=QUARTER, seconds=5
    )


def test_nothing_is_owed_when_the_newest_slot_was_done(office, monkeypatch):
    ran(office, office.opened.clock.now())
    work = lambda stop: lambda app, slot: stop.set()  # noqa: E731
    assert not scheduled(office, monkeypatch, work, rhythm=QUARTER, seconds=1.5)


def test_a_refused_login_is_not_asked_again_for_a_quarter_of_an_hour_whatever_the_rhythm(office):
    asked = []

    def refuse(app, slot):
        asked.append(slot)
        with running(app, "sync", slot):
            raise AuthenticationFailed("invalid_grant", status=400)

    job, clock = Job("sync", JobSchedule(every="5m"), refuse), office.opened.clock
    said = []
    for _ in range(7):
        said.append(run_due(office.opened, job))
        clock.moment += timedelta(minutes=5)
    assert said == ["failed", PUT_OFF, PUT_OFF, "failed", PUT_OFF, PUT_OFF, "failed"]
    assert len(asked) == 3


def refused_login(office):
    with pytest.raises(AuthenticationFailed), running(office.opened, "sync"):
        raise AuthenticationFailed("invalid_grant", status=400)


def test_a_login_that_a_person_mended_is_used_at_once(office):
    job = Job("sync", JobSchedule(every="5m"), lambda app, slot: None)
    refused_login(office)
    office.opened.clock.moment += timedelta(minutes=6)
    assert run_due(office.opened, job) == PUT_OFF
    with office.opened.store.transaction() as tx:
        login_pause.note_worked(tx)
    assert run_due(office.opened, job) == "ok"


def test_a_run_that_needs_no_login_does_not_end_the_pause(office):
    refused_login(office)
    office.opened.clock.moment += timedelta(minutes=1)
    office.sync()
    ran(office, office.opened.clock.now())
    office.opened.clock.moment += timedelta(minutes=5)
    assert run_due(office.opened, Job("sync", JobSchedule(every="5m"), lambda app, slot: None)) == PUT_OFF


def test_a_slot_that_ended_partial_is_not_told_as_ok(office):
    def half(app, slot):
        with running(app, "sync", slot) as run:
            run.partial = True

    assert run_due(office.opened, Job("sync", QUARTER, half)) == "partial"


def test_a_broken_promise_is_a_failed_run(office, monkeypatch):
    from state.invariants import Violation

    office.sync()
    verify = Job("verify", QUARTER, due._verify)
    assert run_due(office.opened, verify) == "ok"
    assert run_due(office.opened, verify) == "skipped", "once a slot"
    monkeypatch.setattr("state.invariants.check", lambda tx, deep: [Violation("a total is wrong", 1, "x")])
    office.opened.clock.moment += timedelta(minutes=15)
    assert run_due(office.opened, verify) == "failed"
    assert rows(office)[-1] == ("verify", "failed")


def test_why_a_slot_was_missed(office):
    store, clock = office.opened.store, office.opened.clock
    ran(office, clock.now())
    with store.transaction() as tx:
        pk = runs.start(tx, "reconcile", clock.now(), owner="o", epoch=1, now=clock.now())
        runs.finish(tx, pk, "ok", now=clock.now() + timedelta(minutes=20))
    clock.moment += timedelta(minutes=45)
    run_due(office.opened, Job("sync", QUARTER, lambda app, slot: None))
    with store.read() as tx:
        why = [run.error for run in runs.latest(tx, job="sync", outcome="missed")]
    assert why == ["no scheduler was running, or it was held back", "another run was still going on"]


def test_slots_that_a_clock_ten_hours_ahead_wrote_off_are_run_when_they_come(office):
    """Our clock jumped, and was put right: what had been marked as missed had not come yet."""
    clock, noon, done = office.opened.clock, office.opened.clock.now(), []

    def work(app, slot):
        done.append(f"{slot:%H:%M}")
        with running(app, "sync", slot):
            pass

    job = Job("sync", QUARTER, work)
    assert run_due(office.opened, job) == "ok"
    clock.moment = noon + timedelta(hours=10, minutes=1)
    assert run_due(office.opened, job) == "ok"
    clock.moment = noon + timedelta(minutes=15)
    assert [run_due(office.opened, job)] == ["ok"]
    clock.moment = noon + timedelta(minutes=61)
    assert run_due(office.opened, job) == "ok"
    assert done == ["12:00", "22:00", "12:15", "13:00"]
    with office.opened.store.read() as tx:
        missed = sorted(
            f"{run.slot:%H:%M}" for run in runs.latest(tx, job="sync", outcome="missed", limit=50)
        )
        assert missed == ["12:30", "12:45"], "while nobody was there, by the clock that is right"


def test_a_slot_that_a_clock_that_was_ahead_has_run_is_run_when_it_comes(office):
    """It ran ten hours early, on what was in the org then: its own hour must not find it done."""
    clock, noon, done = office.opened.clock, office.opened.clock.now(), []

    def work(app, slot):
        done.append(f"{slot:%H:%M}")
        with running(app, "sync", slot):
            pass

    job = Job("sync", QUARTER, work)
    clock.moment = noon + timedelta(hours=10)
    assert run_due(office.opened, job) == "ok"
    clock.moment = noon
    assert run_due(office.opened, job) == "ok"
    clock.moment = noon + timedelta(hours=10)
    assert run_due(office.opened, job) == "ok"
    assert run_due(office.opened, job) == "skipped"
    assert done == ["22:00", "12:00", "22:00"]
    with office.opened.store.read() as tx:
        assert len([run for run in runs.latest(tx, job="sync", limit=200) if run.outcome == "ok"]) == 3
    assert not office.broken_promises()


def test_a_nightly_slot_that_was_run_ahead_is_given_back_by_any_run_of_that_day(office):
    clock, noon = office.opened.clock, office.opened.clock.now()
    nightly, tonight, done = JobSchedule(cron="0 2 * * *"), noon + timedelta(hours=14), []

    def work(app, slot):
        with running(app, "reconcile", slot):
            done.append(slot)

    clock.moment = tonight
    assert run_due(office.opened, Job("reconcile", nightly, work)) == "ok"
    clock.moment = noon
    office.sync()
    with running(office.opened, "sync"):
        pass
    clock.moment = tonight
    assert run_due(office.opened, Job("reconcile", nightly, work)) == "ok"
    assert done == [tonight, tonight]


@pytest.mark.parametrize("seconds", [1, 45])
def test_a_clock_that_was_a_little_ahead_or_is_a_little_behind_runs_no_slot_twice(office, seconds):
    clock, noon = office.opened.clock, office.opened.clock.now()
    job = Job("sync", QUARTER, lambda app, slot: ran(office, slot))
    clock.moment = noon + timedelta(minutes=15)
    assert run_due(office.opened, job) == "ok"
    clock.moment -= timedelta(seconds=seconds)
    with running(office.opened, "compute"):
        pass
    clock.moment = noon + timedelta(minutes=15)
    assert run_due(office.opened, job) == "skipped"


def test_a_run_that_is_under_way_keeps_its_slot_whatever_the_clock_says(office):
    clock, noon = office.opened.clock, office.opened.clock.now()
    slot = noon + timedelta(hours=1)
    with office.opened.store.transaction() as tx:
        runs.start(tx, "sync", slot, owner="o", epoch=1, now=noon)
        assert runs.give_back_slots(tx, JOBS, to_come=noon, now=noon) == []
        assert runs.start(tx, "sync", slot, owner="other", epoch=1, now=clock.now()) is None


def test_a_scheduler_that_starts_after_a_clock_was_put_right_owes_the_newest_slot(office, monkeypatch):
    clock = office.opened.clock
    ran(office, clock.now() + timedelta(hours=10))
    assert not due.is_owed(office.opened, Job("sync", QUARTER, lambda app, slot: None)), "it never ran before"
    ran(office, clock.now() - timedelta(minutes=30))
    assert due.is_owed(office.opened, Job("sync", QUARTER, lambda app, slot: None))


def test_a_job_that_last_succeeded_in_the_future_may_be_late(office):
    """A run of a clock that was ahead says nothing about the slots that were due since."""
    office.settings = {"schedule.sync.every": "15m"}
    office.close()
    clock = office.opened.clock
    ran(office, clock.now() - timedelta(hours=2))
    ran(office, clock.now() + timedelta(hours=10))
    assert [one["job"] for one in status(office.opened)["late"]] == ["sync"]


def test_a_scheduled_run_ends_when_its_time_is_up_and_gives_the_lock_back(office):
    clock = office.opened.clock

    def slowly(app, slot):
        with running(app, "sync", slot) as run:
            for _ in range(10):
                run.beat()
                clock.moment += timedelta(hours=1)

    assert run_due(office.opened, Job("sync", QUARTER, slowly)) == "failed"
    with office.opened.store.read() as tx:
        (run,) = runs.latest(tx)
        assert (run.outcome, "6:00:00" in run.error) == ("failed", True)
        assert leases.held(tx, clock.now()) == []
    with running(office.opened, "sync") as by_hand:
        clock.moment += timedelta(days=1)
        by_hand.beat()


def test_a_compute_that_takes_too_long_ends_between_two_batches(office, monkeypatch):
    for name in ("Bell", "Coda", "Dune"):
        office.account(name)
    office.program(PROGRAM)
    monkeypatch.setattr("jobs.computing.CELLS_PER_BATCH", 1)
    clock, batches = office.opened.clock, []
    for name in ("Acme", "Bell", "Coda", "Dune"):
        office.order(name, name, clock.now().date(), {"amount": 100})
    real = computing.save_standings

    def slowly(*args, **named):
        batches.append(1)
        clock.moment += timedelta(hours=4)
        return real(*args, **named)

    monkeypatch.setattr(computing, "save_standings", slowly)

    def work(app, slot):
        with running(app, "sync", slot) as run:
            compute(app, run.pk, run)

    assert run_due(office.opened, Job("sync", QUARTER, work)) == "failed"
    assert len(batches) == 2
    with office.opened.store.read() as tx:
        (run,) = runs.latest(tx)
        assert run.error.startswith("TookTooLong")
        assert leases.held(tx, clock.now()) == []
    assert office.standings() == {}, "nothing is half computed"
    monkeypatch.setattr(computing, "save_standings", real)
    office.sync()
    assert len(office.standings()) == 4


def test_whoever_waits_keeps_the_lease_once_a_minute_and_only_in_its_own_thread(office):
    clock = office.opened.clock
    with running(office.opened, "sync") as run:
        before = run.lease.expires_at
        run.attend()
        assert run.lease.expires_at == before
        clock.moment += timedelta(minutes=1)
        other = threading.Thread(target=run.attend)
        other.start()
        other.join()
        assert run.lease.expires_at == before
        run.attend()
        assert run.lease.expires_at == before + timedelta(minutes=1)
        office.opened.stopping.set()
        with pytest.raises(Interrupted):
            run.attend()
        office.opened.stopping.clear()


def test_where_a_job_hangs_is_in_the_log(office, capsys):
    waiting = threading.Event()
    with schedule._watched(Job("sync", QUARTER, lambda app, slot: None), timedelta(seconds=0.1)):
        waiting.wait(0.5)
    said = capsys.readouterr()
    assert "job.hangs" in said.out + said.err
    assert "test_schedule.py" in said.out + said.err
