"""Hosts whose clocks differ: on PostgreSQL a lease is held and lost by the database's clock, whatever a host's own shows."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta

import pytest

from jobs.app import App
from jobs.clock import SystemClock
from jobs.refusals import AnotherRun
from jobs.rehearsal import rehearse
from jobs.running import BEAT_EVERY, DEAD_AFTER, LEASE_TTL, RENEW_AFTER, running
from jobs.shard_work import PRESENT_FOR, SHARD_TTL, hands
from state import leases, runs, shards
from state.dialects import database_time
from state.errors import LostLease
from state.tables.running import leases as lease_rows

HOUR = timedelta(hours=1)
on_postgresql = [
    pytest.mark.postgres,
    pytest.mark.parametrize("make_shop", ["postgresql"], indirect=True),
]


class WrongClock(SystemClock):
    """Of a host whose clock is wrong by so much, which it cannot know."""

    def __init__(self, wrong: timedelta) -> None:
        super().__init__()
        self.wrong = wrong

    def now(self) -> datetime:
        return super().now() + self.wrong


@pytest.fixture
def hosts(make_shop):
    """`hosts(HOUR)`: an application on another host, with a clock that is an hour ahead."""
    shop, opened = make_shop(), []

    def host(wrong=timedelta(0)):
        configuration = shop.opened.configuration
        app = App.build(configuration, clock=WrongClock(wrong), rng=random.Random(len(opened)))
        opened.append(app)
        return app

    yield host
    for app in opened:
        app.close()


def beat_after_a_while(run):
    run.beaten_at -= BEAT_EVERY
    run.beat()


def expire(app):
    """As if the lease's time had passed."""
    with app.store.aside() as tx:
        tx.execute(lease_rows.update().values(expires_at=lease_rows.c.expires_at - 901_000_000))


@pytest.mark.postgres
class TestOnPostgresql:
    pytestmark = on_postgresql

    @pytest.mark.parametrize("wrong", [HOUR, -HOUR], ids=["ahead", "behind"])
    def test_a_live_lease_is_not_taken_by_a_host_whose_clock_is_wrong(self, hosts, wrong):
        holder, other = hosts(), hosts(wrong)
        with running(holder, "sync") as run:
            with pytest.raises(AnotherRun, match="the lock is held by"), running(other, "sync"):
                raise AssertionError("never inside")
            beat_after_a_while(run)
            assert run.lease.expires_at - datetime.now(UTC) <= LEASE_TTL, "by the clock that everybody asks"

    @pytest.mark.parametrize("over", [False, True], ids=["within its time", "longer than its time"])
    def test_a_run_in_a_long_transaction_is_told_of_and_not_waited_for(self, hosts, over):
        """Or one whose host is gone, and the server does not know it yet."""
        holder, other = hosts(), hosts()
        with running(holder, "sync"):
            if over:
                expire(holder)
            with holder.store.transaction():
                began = time.monotonic()
                with (
                    pytest.raises(AnotherRun, match=r"a transaction of .* holds the lock"),
                    running(other, "sync"),
                ):
                    raise AssertionError("never inside")
                assert time.monotonic() - began < 10

    def test_a_dry_run_is_told_of_and_not_waited_for(self, hosts):
        holder, other = hosts(), hosts()
        told = pytest.raises(AnotherRun, match="of a dry run")
        with rehearse(holder), running(holder, "sync"), told, running(other, "sync"):
            raise AssertionError("never inside")
        with running(other, "sync"):
            pass

    def test_a_transaction_that_takes_longer_than_the_lease_keeps_it(self, hosts):
        holder, other = hosts(), hosts()
        with running(holder, "sync") as run:
            expire(holder)
            run.beaten_at -= RENEW_AFTER
            with holder.store.transaction():
                pass  # a compute of a quarter of an hour
            with pytest.raises(AnotherRun, match="the lock is held by"), running(other, "sync"):
                raise AssertionError("never inside")

    @pytest.mark.parametrize("wrong", [HOUR, -HOUR], ids=["ahead", "behind"])
    def test_the_lease_of_a_host_whose_clock_is_wrong_ends_when_it_should(self, hosts, wrong):
        holder, other = hosts(wrong), hosts()
        with pytest.raises(LostLease), running(holder, "sync") as run:
            with pytest.raises(AnotherRun), running(other, "sync"):
                raise AssertionError("never inside")
            expire(other)
            with running(other, "reconcile"):
                pass
            beat_after_a_while(run)

    def test_a_run_on_a_host_whose_clock_is_behind_is_not_called_dead(self, hosts):
        holder, other = hosts(-DEAD_AFTER - HOUR), hosts()
        with running(holder, "sync") as run:
            beat_after_a_while(run)
            with other.store.transaction() as tx:
                late = other.lease_time(tx) - DEAD_AFTER
                assert runs.abandon(tx, older_than=late, now=other.clock.now()) == []

    def test_a_helper_whose_clock_is_behind_is_seen_and_keeps_its_shard(self, hosts):
        leader, helper = hosts(), hosts(-HOUR)
        from jobs.rules_in_use import rules_in_use

        with running(leader, "sync") as run:
            with helper.store.aside() as tx:
                shards.arrive(tx, "elsewhere:1:x", rules=rules_in_use(helper), now=helper.lease_time(tx))
            assert hands(leader) == 2
            with leader.store.transaction() as tx:
                now = leader.lease_time(tx)
                shards.cut(tx, run.pk, "push", [{}], leader_epoch=run.lease.epoch, rules="r", now=now)
            claim = {"rules": "r", "ttl": SHARD_TTL}
            with helper.store.aside() as tx:
                assert shards.claim(tx, owner="helper", now=helper.lease_time(tx), **claim)
            with leader.store.transaction() as tx:
                assert shards.claim(tx, owner="leader", now=leader.lease_time(tx), **claim) is None
        assert PRESENT_FOR < HOUR

    def test_a_clock_that_was_shifted_on_purpose_stays_shifted(self, hosts):
        app = hosts()
        app.clock = SystemClock(datetime(2030, 1, 1, tzinfo=UTC))
        with app.store.read() as tx:
            assert abs(app.lease_time(tx) - datetime(2030, 1, 1, tzinfo=UTC)) < timedelta(minutes=1)
            assert abs(database_time(tx) - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("make_shop", ["sqlite"], indirect=True)
def test_a_file_has_no_clock_but_its_hosts(hosts):
    app = hosts(HOUR)
    with app.store.read() as tx:
        assert database_time(tx) is None
        assert abs(app.lease_time(tx) - app.clock.now()) < timedelta(minutes=1)
    with running(app, "sync") as run, app.store.read() as tx:
        assert leases.held(tx, app.clock.now())
        assert run.lease.expires_at > app.clock.now()
