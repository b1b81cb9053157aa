"""Steps that the database undid: which are begun again, how often, and what a run's first transaction makes of a lost answer."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from jobs import again as again_module
from jobs import due
from jobs.again import PAUSES, again
from jobs.due import PUT_OFF, Job, run_due
from jobs.refusals import AnotherRun
from jobs.rehearsal import rehearse
from jobs.running import running
from jobs.settings import JobSchedule
from state import leases, runs
from state.errors import Conflict, ConnectionLost, DiskFull, LostLease, StoreError, StoreLocked
from state.store import Store


def failing(times, error=ConnectionLost):
    """A step that is undone so many times, and the list of its tries."""
    tries = []

    def step():
        tries.append(1)
        if len(tries) <= times:
            raise error("undone", where="x")
        return "done"

    return step, tries


@pytest.mark.parametrize("error", [Conflict, ConnectionLost])
def test_a_step_that_is_undone_is_begun_again_after_a_pause(shop, error):
    step, tries = failing(len(PAUSES), error)
    before = shop.clock.now()
    assert again(shop.opened, step) == "done"
    assert len(tries) == len(PAUSES) + 1
    waited = (shop.clock.now() - before).total_seconds()
    assert sum(PAUSES) / 2 <= waited <= sum(PAUSES)


def test_it_is_not_begun_again_for_ever(shop):
    step, tries = failing(99)
    with pytest.raises(ConnectionLost):
        again(shop.opened, step)
    assert len(tries) == len(PAUSES) + 1


@pytest.mark.parametrize("error", [DiskFull, LostLease, StoreLocked, StoreError])
def test_what_does_not_pass_by_itself_is_told_at_once(shop, error):
    step, tries = failing(1, error)
    with pytest.raises(error):
        again(shop.opened, step)
    assert len(tries) == 1


def test_a_step_of_a_rehearsal_is_not_begun_again_alone(shop):
    step, tries = failing(1)
    with pytest.raises(ConnectionLost), rehearse(shop.opened):
        again(shop.opened, step)
    assert len(tries) == 1, "what came before it in the rehearsal was undone with it"


def test_whoever_is_asked_to_stop_does_not_begin_again(shop):
    step, tries = failing(9)
    shop.opened.stopping.set()
    with pytest.raises(ConnectionLost):
        again(shop.opened, step)
    assert len(tries) == 1


@pytest.fixture
def answer_is_lost(monkeypatch):
    """The next commit of a store is kept, and nobody hears of it."""

    def arm():
        original, armed = Store.transaction, [True]

        @contextmanager
        def losing(self):
            with original(self) as tx:
                yield tx
            if armed:
                armed.clear()
                raise ConnectionLost("the answer to COMMIT is lost", where=self.where)

        monkeypatch.setattr(Store, "transaction", losing)

    return arm


def test_a_slot_that_was_claimed_by_a_commit_nobody_heard_of_is_ours(shop, answer_is_lost):
    slot = shop.clock.now()
    assert shop.opened.store.where
    answer_is_lost()
    with running(shop.opened, "sync", slot) as run:
        with shop.opened.store.read() as tx:
            (lease,) = leases.held(tx, shop.clock.now())
        assert lease.epoch == run.lease.epoch
    with shop.opened.store.read() as tx:
        assert [one.outcome for one in runs.latest(tx)] == ["ok"]
    with pytest.raises(AnotherRun, match="already done"), running(shop.opened, "sync", slot):
        raise AssertionError("never inside")


def test_how_a_run_ended_is_written_down_although_the_first_answer_is_lost(shop, answer_is_lost):
    with running(shop.opened, "sync"):
        answer_is_lost()
    with shop.opened.store.read() as tx:
        assert [one.outcome for one in runs.latest(tx)] == ["ok"]
        assert not leases.held(tx, shop.clock.now())


def test_a_slot_for_which_the_store_was_not_there_is_tried_again_before_the_next_one(shop, monkeypatch):
    job = Job("sync", JobSchedule(every="15m"), lambda app, slot: None)

    def gone(*_, **__):
        raise ConnectionLost("no answer", where="x")

    monkeypatch.setattr(due, "_note_missed", gone)
    assert run_due(shop.opened, job) == PUT_OFF
    monkeypatch.undo()
    assert run_due(shop.opened, job) == "ok"


def test_the_pauses_outlast_a_failover():
    assert sum(again_module.PAUSES) / 2 >= 30
