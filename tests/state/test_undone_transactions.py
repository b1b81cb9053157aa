"""What PostgreSQL itself undoes: a deadlock, a connection that somebody ended, a transaction that slept too long. Real ones."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import psycopg
import pytest

from state import bulk, meta
from state.errors import Conflict, ConnectionLost, Demoted, StoreUnreachable
from state.store import Store
from state.tables.running import meta as meta_table

pytestmark = pytest.mark.postgres


@pytest.fixture
def store(postgres_url):
    opened = Store.open(postgres_url)
    with opened.transaction() as tx:
        for key in ("a", "b"):
            meta.put(tx, key, "0")
    yield opened
    opened.close()


def backend(tx):
    return tx.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()


def end(postgres_server, pid):
    with psycopg.connect(postgres_server.replace("+psycopg", ""), autocommit=True) as server:
        server.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


@contextmanager
def somebody_crosswise(store):
    """Another session that holds `b` and wants `a` as soon as we wait for `b`; PostgreSQL then undoes us, not it."""
    holds = threading.Event()

    def other():
        with store.engine.connect() as tx:
            tx.exec_driver_sql("SET deadlock_timeout = '1h'")
            meta.put(tx, "b", "theirs")
            holds.set()
            pid, until = backend(tx), time.monotonic() + 20
            with store.engine.connect() as looking:
                blocked = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
                while not looking.exec_driver_sql(blocked, (pid,)).scalar_one():
                    assert time.monotonic() < until
                    looking.rollback()
            meta.put(tx, "a", "theirs")
            tx.rollback()

    thread = threading.Thread(target=other)
    thread.start()
    assert holds.wait(10)
    yield
    thread.join()


def test_a_deadlock_is_a_conflict_that_passes_and_the_same_work_then_succeeds(store):
    def work():
        with store.transaction() as tx:
            meta.put(tx, "a", "ours")
            meta.put(tx, "b", "ours")

    with somebody_crosswise(store):
        with pytest.raises(Conflict) as caught:
            work()
        assert caught.value.passes
    work()
    with store.read() as tx:
        assert (meta.get(tx, "a"), meta.get(tx, "b")) == ("ours", "ours")


def test_a_deadlock_under_a_copy_is_the_same_conflict(store):
    """COPY speaks to the driver itself, past SQLAlchemy's errors."""
    with store.transaction() as tx:
        meta.drop(tx, "b")
    with somebody_crosswise(store), pytest.raises(Conflict), store.transaction() as tx:
        meta.put(tx, "a", "ours")
        bulk.fill_tuples(tx, meta_table, ("key", "value"), [("b", "ours")])


def test_whatever_isolation_is_the_default_a_writer_is_read_committed_and_a_reader_sees_one_snapshot(store):
    level = "SELECT current_setting('transaction_isolation')"
    with store.transaction() as tx:
        tx.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE")
    with store.transaction() as tx:
        assert tx.exec_driver_sql(level).scalar_one() == "read committed"
    with store.read() as tx:
        assert tx.exec_driver_sql(level).scalar_one() == "repeatable read"


@pytest.mark.parametrize("when", ["in the middle", "before the commit", "in a copy"])
def test_a_connection_that_an_administrator_ends_undoes_the_transaction_and_the_next_one_has_another(
    store, postgres_server, when
):
    with pytest.raises(ConnectionLost) as caught, store.transaction() as tx:
        meta.put(tx, "a", "1")
        mine = backend(tx)
        end(postgres_server, mine)
        if when == "in the middle":
            meta.put(tx, "b", "1")
        elif when == "in a copy":
            bulk.fill_tuples(tx, meta_table, ("key", "value"), [("c", "1")])
    assert caught.value.passes
    assert isinstance(caught.value, StoreUnreachable)
    with store.transaction() as tx:
        assert backend(tx) != mine
        assert [meta.get(tx, key) for key in ("a", "b", "c")] == ["0", "0", None]


def test_a_connection_that_was_ended_between_two_transactions_is_not_noticed(store, postgres_server):
    with store.transaction() as tx:
        mine = backend(tx)
    end(postgres_server, mine)
    with store.transaction() as tx:
        assert meta.get(tx, "a") == "0"
    with store.read() as tx:
        mine = backend(tx)
    end(postgres_server, mine)
    with store.read() as tx:
        assert meta.get(tx, "a") == "0"


def test_a_transaction_that_slept_too_long_is_a_lost_connection(store):
    with pytest.raises(ConnectionLost, match="asked for too long"), store.transaction() as tx:
        tx.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '100ms'")
        time.sleep(0.4)
        meta.put(tx, "a", "1")


def test_a_server_that_became_a_standby_is_left_for_the_one_that_leads(store):
    with pytest.raises(Demoted), store.transaction() as tx:
        mine = backend(tx)
        tx.exec_driver_sql("SET TRANSACTION READ ONLY")
        meta.put(tx, "a", "1")
    with store.transaction() as tx:
        assert backend(tx) != mine
