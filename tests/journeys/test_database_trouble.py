"""PostgreSQL ends connections and breaks deadlocks in the middle of a sync: it goes on, and ends right."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest
from sqlalchemy import Engine, event
from worlds import POSTGRES

from emulator.seed_story import partner_orders_again
from jobs import again
from state import outbox, runs
from state.store import Store

pytestmark = pytest.mark.postgres


@pytest.fixture
def shared(story, postgres, monkeypatch):
    """The story with its store on PostgreSQL. Nobody waits long in a test."""
    monkeypatch.setenv("REBATES_STATE_URL", postgres)
    monkeypatch.setattr(again, "PAUSES", (0.05, 0.1, 0.2, 0.4))
    story.database = postgres
    return story


@pytest.fixture
def ended():
    """`ended(at=[40])`: the server ends our connection at the 40th statement; returns what lists the ends."""
    server = psycopg.connect(POSTGRES.replace("+psycopg", ""), autocommit=True)
    asked, ends, when = [0], [], set()

    @event.listens_for(Engine, "before_cursor_execute")
    def count(connection, *_):
        if connection.dialect.name != "postgresql":
            return
        asked[0] += 1
        if asked[0] in when:
            pid = connection.connection.driver_connection.info.backend_pid
            server.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
            ends.append(asked[0])

    def arm(at=()):
        asked[0] = 0
        when.clear()
        when.update(at)
        ends.clear()
        return ends, asked

    yield arm
    event.remove(Engine, "before_cursor_execute", count)
    server.close()


def outcomes(world):
    store = Store.open(world.database)
    try:
        with store.read() as tx:
            return [run.outcome for run in reversed(runs.latest(tx, limit=100))]
    finally:
        store.close()


def arrived(world):
    store = Store.open(world.database)
    try:
        with store.read() as tx:
            return outbox.counts(tx)["done"]
    finally:
        store.close()


def assert_right(world):
    keys = [row["Rebate_Key__c"] for row in world.rows("SELECT Rebate_Key__c FROM Task")]
    assert keys
    assert len(keys) == len(set(keys)), "a task was made twice"
    verified = world("verify", "--deep", "--json")
    assert verified.code == 0, verified.text


@pytest.mark.timeout(300)
def test_a_sync_whose_connection_is_ended_again_and_again_ends_right(shared, ended):
    assert shared("db", "upgrade").code == 0
    ends, asked = ended(at=[60 * 2**n for n in range(10)])  # ever further, or no step would come to its end
    done = shared("sync", "--json")
    assert done.code == 0, (done.error, done.err)
    assert len(ends) >= 3, (ends, asked)
    ended()
    assert outcomes(shared) == ["ok"], "one run, whatever happened to its connections"
    assert done.data["pushed"] == arrived(shared), "every try counts, and each row once"
    assert_right(shared)


@pytest.mark.timeout(300)
def test_wherever_the_connection_is_ended_once_the_same_sync_goes_on(shared, ended):
    assert shared("sync").code == 0
    ended()
    step = 0
    while True:
        partner_orders_again(shared.org)
        shared.wait(minutes=15)
        at = 3 + step * 37  # the first statements only open the store
        ends, _ = ended(at=[at])
        done = shared("sync", "--json")
        if not ends:
            break  # the sync was over before
        if done.code != 0:  # nothing had begun: it says so at once, and leaves nothing behind
            assert done.error["code"] == "store_unreachable", done.text
            assert step == 0
            assert shared("sync").code == 0
        step += 1
    assert step > 5
    ended()
    assert set(outcomes(shared)) == {"ok"}
    assert_right(shared)


@pytest.mark.timeout(120)
def test_a_sync_that_postgresql_chooses_as_the_victim_of_a_deadlock_goes_on(shared, postgres):
    assert shared("sync").code == 0
    partner_orders_again(shared.org)
    shared.wait(minutes=15)
    store, holds, met = Store.open(postgres), threading.Event(), []

    def somebody():
        with store.engine.connect() as tx, store.engine.connect() as looking:
            tx.exec_driver_sql("SET deadlock_timeout = '1h'")  # so that it is not the one that is undone
            lock = "SELECT * FROM watermarks WHERE stream = '{}' FOR UPDATE"
            tx.exec_driver_sql(lock.format("order_line"))
            holds.set()
            pid, until = tx.exec_driver_sql("SELECT pg_backend_pid()").scalar_one(), time.monotonic() + 60
            blocked = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
            while time.monotonic() < until:
                if looking.exec_driver_sql(blocked, (pid,)).scalar_one():
                    met.append(1)
                    tx.exec_driver_sql(lock.format("account"))  # which the sync has moved already
                    break
                looking.rollback()
                time.sleep(0.02)
            tx.rollback()

    thread = threading.Thread(target=somebody)
    thread.start()
    try:
        assert holds.wait(10)
        done = shared("sync", "--json")
    finally:
        thread.join()
    assert done.code == 0, (done.error, done.err)
    assert met
    assert "store.step_again" in done.err
    assert "store_conflict" in done.err
    store.close()
    assert outcomes(shared) == ["ok", "ok"]
    assert_right(shared)
