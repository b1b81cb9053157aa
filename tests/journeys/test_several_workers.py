"""Several workers on one org: real processes on one PostgreSQL, one of them killed in the middle, and it ends right."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from fractions import Fraction

import pytest
from recomputation import expected_standings
from worlds import postgres_database, raw

from emulator.fault_kinds import Fault
from emulator.seed_generated import seed_generated
from state import outbox, shards
from state.store import Store

ACCOUNTS, ORDERS = 1_600, 4_000

# A process as it is, but one that died is missed sooner than after half a minute.
PROGRAM = """
import sys
from datetime import timedelta
from cli.main import main
from jobs import shard_work
shard_work.SHARD_TTL, shard_work.BEAT_SECONDS = timedelta(seconds=12), 1.0
sys.exit(main())
"""


@pytest.fixture(scope="session")
def pulled(left_after):
    """An org with enough to share, the package deployed, everything pulled into PostgreSQL: once, for all tests that start
    there. What was left, and the URL of the database."""
    with contextmanager(postgres_database)() as url:
        left = left_after(
            "pulled",
            lambda org: seed_generated(org, ACCOUNTS, ORDERS, 5),
            ["org", "deploy"],
            ["pull"],
            environment={"REBATES_STATE_URL": url},
        )
        yield left, url


@pytest.fixture
def busy(pulled, open_copy, monkeypatch):
    """The org and the store as they were pulled, and slow answers."""
    left, url = pulled
    with contextmanager(postgres_database)(copied_from=url) as copy:
        monkeypatch.setenv("REBATES_STATE_URL", copy)
        monkeypatch.setenv("REBATES_LOGGING_FORMAT", "json")
        world = open_copy(left)
        world.wait(minutes=1)
        world.store = Store.open(copy)
        world.org.faults.add(Fault("delay", method="POST", path="composite", seconds=0.3, times=0))
        yield world
        world.store.close()


def start(world, *args):
    env = {**os.environ, "REBATES_CLOCK": world.clock().isoformat()}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *args],
        cwd=world.folder, env={**env, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_until(true, what, *processes, seconds=200.0):
    end = time.monotonic() + seconds
    while not true():
        for one in processes:
            assert one.poll() is None, (what, one.communicate())
        assert time.monotonic() < end, what
        time.sleep(0.05)


def all_shards(world):
    with world.store.read() as tx:
        newest = tx.exec_driver_sql("SELECT max(run_pk) FROM shards").scalar_one()
        return shards.of_run(tx, newest) if newest is not None else []


def owned_by(world, process, part):
    """The shards of a part that a process works on right now."""
    return [
        one
        for one in all_shards(world)
        if one.part == part and one.owner is not None and f":{process.pid}:" in one.owner
    ]


def is_there(world, process):
    def look():
        with world.store.read() as tx:
            names = tx.exec_driver_sql("SELECT owner FROM workers").scalars().all()
        return any(f":{process.pid}:" in name for name in names)

    return look


def ended(process, code=0):
    out, err = process.communicate(timeout=250)
    assert process.returncode == code, (out, err)
    return out, err


def assert_right_to_the_cent(world):
    """Every standing in the org as recomputed from the org's own rows; every task once; nothing left over."""
    org = world.org
    expected = expected_standings(
        raw(org, "Account", "Id", "Type"),
        raw(org, "Product2", "Id", "Family"),
        raw(org, "Order", "Id", "AccountId", "StatusCode", "EffectiveDate"),
        raw(org, "OrderItem", "OrderId", "Product2Id", "TotalPrice"),
    )
    names = ("Account__c", "Program_Key__c", "Period__c", "Rebate__c", "Tier__c", "Qualifying_Amount__c")
    in_org = {
        (r["Account__c"], r["Program_Key__c"], r["Period__c"]): r
        for r in raw(org, "Rebate_Standing__c", *names)
    }
    assert len(expected) > 1_000, "too little for several workers would prove nothing"
    for key, wanted in expected.items():
        record = in_org[key]
        assert (record["Rebate__c"], record["Tier__c"]) == (wanted.rebate, wanted.tier), key
        assert record["Qualifying_Amount__c"] == Fraction(wanted.amount), key
    keys = [row["Rebate_Key__c"] for row in raw(org, "Task", "Rebate_Key__c")]
    assert len(keys) == len(set(keys)), "a task was made twice"
    with world.store.read() as tx:
        left = outbox.counts(tx)
        told = tx.exec_driver_sql("SELECT count(*) FROM tasks").scalar_one()
    assert set(left) <= {"done", "superseded"}, left
    assert len(keys) == told
    verified = world("verify", "--deep", "--json")
    assert verified.code == 0, verified.text


@pytest.mark.postgres
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", ["compute", "push"])
def test_a_helper_that_is_killed_in_the_middle_is_taken_over_and_it_ends_right(busy, part):
    helper = start(busy, "work")
    leader = None
    try:
        wait_until(is_there(busy, helper), "the helper did not come", helper)
        leader = start(busy, "sync", "--json")
        wait_until(lambda: owned_by(busy, helper, part), "the helper took nothing", leader)
        if part == "push":
            wait_until(
                lambda: any(one.told.get("done") for one in owned_by(busy, helper, part)),
                "the helper sent nothing",
                leader,
            )
        helper.send_signal(signal.SIGKILL)
        out, err = ended(leader)
    finally:
        for one in (helper, leader):
            if one is not None:
                one.kill()
                one.communicate()
    assert "shard.taken_over" in err
    with busy.store.read() as tx:
        done = outbox.counts(tx)["done"]
    assert json.loads(out)["data"]["pushed"] == done, "counted once, whoever sent it"
    assert_right_to_the_cent(busy)


@pytest.mark.postgres
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_leader_that_is_killed_loses_nothing_and_the_next_run_ends_right(busy):
    helper, leader = start(busy, "work"), None
    try:
        wait_until(is_there(busy, helper), "the helper did not come", helper)
        leader = start(busy, "sync", "--json")
        wait_until(
            lambda: any(one.told.get("done") for one in owned_by(busy, helper, "push")),
            "the helper sent nothing",
            leader,
        )
        leader.send_signal(signal.SIGKILL)
        leader.communicate()
        assert busy("sync").code == 6, "the dead one may still be alive as far as anybody knows"
    finally:
        for one in (helper, leader):
            if one is not None:
                one.kill()
                one.communicate()
    busy.wait(minutes=31)
    done = busy("sync", "--json")
    assert done.code == 0, done.text
    assert_right_to_the_cent(busy)


@pytest.mark.postgres
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_helper_that_is_asked_to_stop_ends_its_batch_and_gives_its_shards_back(busy):
    helper, leader = start(busy, "work"), None
    try:
        wait_until(is_there(busy, helper), "the helper did not come", helper)
        leader = start(busy, "sync", "--workers", "1", "--json")
        wait_until(lambda: owned_by(busy, helper, "push"), "the helper took nothing", leader)
        helper.send_signal(signal.SIGTERM)
        _, said = ended(helper)
        assert not owned_by(busy, helper, "push"), said
        assert not is_there(busy, helper)()
        _, err = ended(leader)
    finally:
        for one in (helper, leader):
            if one is not None:
                one.kill()
                one.communicate()
    assert "shard.taken_over" not in err, "what is given back is free at once"
    assert_right_to_the_cent(busy)


@pytest.mark.postgres
@pytest.mark.long
@pytest.mark.timeout(900)
def test_one_command_starts_its_own_helpers_and_ends_them(busy):
    leader = start(busy, "sync", "--workers", "2", "--json")
    try:
        wait_until(
            lambda: (
                {one.owner for one in all_shards(busy) if one.owner} - {None}
                and len({one.owner for one in all_shards(busy) if one.owner}) == 2
            ),
            "only one process worked",
        )
        out, _ = ended(leader)
    finally:
        leader.kill()
        leader.communicate()
    data = json.loads(out)["data"]
    with busy.store.read() as tx:
        assert outbox.counts(tx)["done"] == data["pushed"]
        [run] = list(tx.exec_driver_sql("SELECT counts FROM runs WHERE job = 'sync'").scalars())
        assert tx.exec_driver_sql("SELECT count(*) FROM workers").scalar_one() == 0
    assert json.loads(run)["api_calls"] == data["api_calls"] > 0
    assert_right_to_the_cent(busy)


def test_several_workers_on_a_sqlite_file_are_refused_before_anything_is_done(story):
    refused = story("sync", "--workers", "2", "--json")
    assert refused.code == 2
    assert "PostgreSQL" in refused.error["message"]
    assert story("work").code == 2
