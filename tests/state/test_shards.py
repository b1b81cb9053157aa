"""Shards of a run: each belongs to one process at a time, and dies with its leader. Lanes: one account, one sender."""

from __future__ import annotations

from datetime import timedelta

import pytest

from state import leases, outbox, outcomes, shards
from state.errors import LostLease
from state.outbox import Wanted

TTL = timedelta(seconds=30)
LATER = timedelta(seconds=31)


@pytest.fixture
def led(store, now):
    """A run with three shards, led in the first epoch of the org's lease."""
    with store.transaction() as tx:
        lease = leases.acquire(tx, "org", owner="leader", ttl=timedelta(minutes=15), now=now)
        given = [{"lanes": [n]} for n in range(3)]
        shards.cut(tx, 7, "push", given, leader_epoch=lease.epoch, rules="same", now=now)
    return store


def claim(store, owner, now, **how):
    with store.transaction() as tx:
        return shards.claim(tx, **{"rules": "same", "owner": owner, "ttl": TTL, "now": now, **how})


def test_each_shard_is_taken_once(led, now):
    taken = [claim(led, owner, now) for owner in ("one", "two", "one", "two")]
    assert [one and one.number for one in taken] == [0, 1, 2, None]
    assert [one.given["lanes"] for one in taken[:3]] == [[0], [1], [2]]


def test_workers_that_claim_at_the_same_moment_do_not_wait_for_each_other_and_get_different_shards(led, now):
    if led.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    with led.transaction() as one, led.transaction() as other:
        first = shards.claim(one, rules="same", owner="one", ttl=TTL, now=now)
        second = shards.claim(other, rules="same", owner="two", ttl=TTL, now=now)
    assert {first.number, second.number} == {0, 1}


def test_only_workers_under_the_same_rules_may_help(led, now):
    assert claim(led, "other programs", now, rules="otherwise") is None


def test_a_shard_whose_owner_fell_silent_goes_to_another_and_the_sleeper_saves_nothing(led, now):
    asleep = claim(led, "asleep", now)
    awake = [claim(led, "awake", now + LATER) for _ in range(3)]
    assert [(one.number, one.before) for one in awake] == [(0, "asleep"), (1, None), (2, None)]
    for deed in (
        lambda tx: shards.check(tx, asleep),
        lambda tx: shards.tell(tx, asleep, {"done": 5}),
        lambda tx: shards.done(tx, asleep),
        lambda tx: shards.ready(tx, asleep, {}),
    ):
        with pytest.raises(LostLease), led.transaction() as tx:
            deed(tx)
    with led.transaction() as tx:
        shards.check(tx, awake[0])
        shards.tell(tx, awake[0], {"done": 3}, calls=2)
        shards.done(tx, awake[0])
        assert [one.told for one in shards.of_run(tx, 7)] == [{"done": 3}, {}, {}]
        assert shards.calls_of(tx, 7) == 2


def test_a_worker_that_renews_keeps_its_shard(led, now):
    claim(led, "steady", now)
    with led.transaction() as tx:
        shards.renew(tx, "steady", ttl=TTL, now=now + TTL / 2)
    assert claim(led, "eager", now + LATER).number == 1


def test_shards_die_with_their_leader(led, now):
    mine = claim(led, "helper", now)
    with led.transaction() as tx:
        leases.acquire(tx, "org", owner="new leader", ttl=TTL, now=now + timedelta(hours=1))
    assert claim(led, "another", now) is None
    with pytest.raises(LostLease), led.transaction() as tx:
        shards.check(tx, mine)


def test_what_is_given_back_or_withdrawn(led, now):
    mine = claim(led, "one", now)
    with led.transaction() as tx:
        shards.give_back(tx, "one", now=now)
    assert claim(led, "two", now).number == mine.number
    with led.transaction() as tx:
        shards.withdraw(tx, 7)
    assert claim(led, "three", now + LATER) is None


def test_what_was_ready_but_never_saved_is_worked_out_again(led, now):
    for owner in ("one", "two", "three"):
        mine = claim(led, owner, now)
        with led.transaction() as tx:
            shards.ready(tx, mine, {"tasks": 1})
    late = claim(led, "four", now + LATER)
    assert late.state == "open"
    with led.transaction() as tx:
        shards.let_go(tx, 7, "push")
        assert {one.state for one in shards.of_run(tx, 7)} == {"go"}


def test_present_are_those_that_were_seen_lately(led, now):
    with led.transaction() as tx:
        shards.arrive(tx, "one", rules="same", now=now)
        shards.arrive(tx, "two", rules="otherwise", now=now)
        shards.arrive(tx, "gone", rules="same", now=now - LATER)
        shards.arrive(tx, "left", rules="same", now=now)
        shards.leave(tx, "left")
        assert shards.present(tx, since=now - TTL, rules="same") == ["one"]
        assert shards.present(tx, since=now - TTL) == ["one", "two"]


def test_all_rows_of_an_account_travel_in_one_lane(store, now):
    wanted = [
        Wanted("state", kind, f"{kind}{n}{account}", {"Amount__c": n}, account)
        for account in ("001A", "001B", "001C")
        for kind in ("Standing__c", "Account")
        for n in range(3)
    ]
    with store.transaction() as tx:
        outbox.enqueue(tx, wanted, now=now)
    lanes = {account: outbox.lane_of(account) for account in ("001A", "001B", "001C")}
    assert len(set(lanes.values())) > 1, "accounts that share a lane would prove nothing"
    for account, lane in lanes.items():
        with store.transaction() as tx:
            assert outbox.due(tx, {"Standing__c"}, now=now, lanes={lane}) >= 3
            rows = outbox.claim(tx, now=now, limit=100, owner="me", epoch=1, until=now + TTL, lanes={lane})
        assert {row.account_id for row in rows} == {a for a, its in lanes.items() if its == lane}
        assert len([row for row in rows if row.account_id == account]) in (6, 0)


def test_what_a_lost_sender_had_in_flight_is_due_at_once(store, now):
    with store.transaction() as tx:
        outbox.enqueue(tx, [Wanted("state", "Account", "001A", {"a": 1}, "001A")], now=now)
    lane = outbox.lane_of("001A")
    with store.transaction() as tx:
        [lost] = outbox.claim(tx, now=now, limit=9, owner="lost", epoch=1, until=now + TTL)
        assert outbox.free(tx, {lane}, sender="somebody else") == 0
        assert outbox.free(tx, {lane}, sender="lost") == 1
        [again] = outbox.claim(tx, now=now, limit=9, owner="heir", epoch=1, until=now + TTL)
        assert (again.ext_key, again.seq, again.attempts) == (lost.ext_key, lost.seq, 2)
        assert not outcomes.acknowledge_all(tx, [(lost, None)], now=now)
        assert outcomes.acknowledge_all(tx, [(again, None)], now=now)
