"""Leases, slots, dry runs: what one run may and may not do to the store."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from jobs.app import App
from jobs.configuration import load_configuration
from jobs.refusals import AnotherRun, Paused
from jobs.rehearsal import rehearse
from jobs.running import BEAT_EVERY, DEAD_AFTER, LEASE_TTL, Interrupted, running
from state import pausing, runs


class StandingClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def at(self, real: datetime) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return StandingClock()


@pytest.fixture
def make(tmp_path, clock):
    made = []

    def build(seed: int = 1) -> App:
        configuration = load_configuration(
            start=tmp_path,
            environment={},
            flags={"state.url": f"sqlite:///{tmp_path}/r.db", "programs": str(tmp_path)},
        )
        app = App.build(configuration, clock=clock, rng=random.Random(seed))
        made.append(app)
        return app

    yield build
    for app in made:
        app.close()


def outcome_of(app, pk):
    with app.store.read() as tx:
        return runs.get(tx, pk).outcome


def test_a_slot_is_run_once_whoever_asks(make, clock):
    slot = clock.moment
    with running(make(1), "sync", slot):
        pass
    with pytest.raises(AnotherRun, match="already done"), running(make(2), "sync", slot):
        raise AssertionError("never inside")


def test_two_processes_never_work_at_once(make, clock):
    first, second = make(1), make(2)
    with running(first, "sync"):
        clock.moment += timedelta(seconds=1)
        with pytest.raises(AnotherRun, match="the lock is held by"), running(second, "sync"):
            raise AssertionError("never inside")
    clock.moment += timedelta(seconds=1)
    with running(second, "sync") as run:
        assert run.pk


def test_a_killed_run_is_ended_as_abandoned_by_the_next(make, clock):
    app = make()
    entered = running(app, "sync")
    dead = entered.__enter__()
    clock.moment += DEAD_AFTER + timedelta(minutes=1)
    with running(make(2), "sync"):
        pass
    assert outcome_of(app, dead.pk) == "abandoned"
    entered.__exit__(None, None, None)


class CountingOrg:
    """An org of which only the calls are asked."""

    def __init__(self, calls):
        self.usage = SimpleNamespace(calls=calls)


def test_what_a_killed_run_had_used_of_the_day_is_not_forgotten(make, clock):
    app = make()
    app.given_org = CountingOrg(40)
    entered = running(app, "sync", clock.moment)
    dead = entered.__enter__()
    clock.moment += timedelta(seconds=BEAT_EVERY)
    dead.counts["pulled"] = 7
    dead.beat()
    app.given_org.usage.calls = 45
    assert calls_of_the_day(make(2)) == 0, (
        "a run that is going on counts its own calls, and tells its helpers"
    )
    clock.moment += LEASE_TTL + timedelta(seconds=1)
    assert calls_of_the_day(make(3)) == 40, "up to its last sign of life"
    clock.moment += DEAD_AFTER
    with running(make(4), "sync"):
        pass
    with app.store.read() as tx:
        told = runs.get(tx, dead.pk)
    assert (told.outcome, told.counts["api_calls"], told.counts["pulled"]) == ("abandoned", 40, 7)
    assert calls_of_the_day(make(5)) == 40
    entered.__exit__(None, None, None)


def calls_of_the_day(app):
    assert app.store is not None  # commands that open no store count alone
    return app._calls_before()


def test_a_run_that_fails_says_so_and_frees_the_lock(make, clock):
    app = make()
    with pytest.raises(ZeroDivisionError), running(app, "sync") as run:
        raise ZeroDivisionError("values of a customer")
    with app.store.read() as tx:
        row = runs.get(tx, run.pk)
    assert (row.outcome, row.error) == ("failed", "ZeroDivisionError"), "and never what the error quoted"
    clock.moment += timedelta(seconds=1)
    with running(app, "sync"):
        pass


def test_asked_to_stop_it_stops_between_batches(make):
    app = make()
    with pytest.raises(Interrupted), running(app, "sync") as run:
        app.stopping.set()
        run.beat()
    assert outcome_of(app, run.pk) == "interrupted"


def test_paused_no_run_starts(make):
    app = make()
    with app.store.transaction() as tx:
        pausing.pause(tx, "freeze", actor="mia@sync-1", now=app.clock.now())
    with pytest.raises(Paused, match="freeze"), running(app, "sync"):
        raise AssertionError("never inside")


def test_a_run_whose_rules_cannot_be_read_is_written_down_and_the_log_says_why(make, monkeypatch):
    def broken(app):
        raise ZeroDivisionError("what it says may be a customer's")

    monkeypatch.setattr("jobs.rules_in_use.rules_in_use", broken)
    app = make()
    with capture_logs() as said, running(app, "sync") as run:
        pass
    assert outcome_of(app, run.pk) == "ok"
    told = [line for line in said if line["event"] == "run.rules_unread"]
    assert [(line["log_level"], line["error"]) for line in told] == [("warning", "ZeroDivisionError")]
    assert "customer" not in str(told)


def test_a_rehearsal_leaves_the_store_as_it_was(make):
    app = make()
    with rehearse(app):
        with app.store.transaction() as tx:
            pausing.pause(tx, "only rehearsed", actor="mia@sync-1", now=app.clock.now())
        with app.store.read() as tx:
            assert pausing.reason(tx) == "only rehearsed"
    with app.store.read() as tx:
        assert pausing.reason(tx) is None


def test_a_rehearsal_that_fails_leaves_the_store_as_it_was(make):
    app = make()
    with pytest.raises(ZeroDivisionError), rehearse(app):
        with app.store.transaction() as tx:
            pausing.pause(tx, "only rehearsed", actor="mia@sync-1", now=app.clock.now())
        raise ZeroDivisionError
    with app.store.read() as tx:
        assert pausing.reason(tx) is None
