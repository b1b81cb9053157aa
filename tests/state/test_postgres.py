"""Connections to PostgreSQL: how long each side waits for the other, and what a pooler between them may break."""

from __future__ import annotations

import os
import socket
import time

import psycopg
import pytest

from cli.errors import explain
from cli.output import Exit
from state import meta
from state.errors import BadStoreUrl, LacksRight, PooledStatements, StatementCancelled, StoreUnreachable
from state.store import Store

pytestmark = pytest.mark.postgres


@pytest.fixture
def open_at(postgres_url):
    """`open_at("&keepalives_idle=60")`: the store by a URL that says more."""
    opened = []

    def at(more="", url=postgres_url):
        opened.append(Store.open(url + more))
        return opened[-1]

    yield at
    for store in opened:
        store.close()


@pytest.fixture
def impatient_role(postgres_server):
    """A user whose statements the server ends after a tenth of a second."""
    name = f"impatient_{os.getpid()}"
    with psycopg.connect(postgres_server.replace("+psycopg", ""), autocommit=True) as server:
        server.execute(f"CREATE ROLE {name} LOGIN SUPERUSER")
        server.execute(f"ALTER ROLE {name} SET statement_timeout = '100ms'")
        yield name
        server.execute(f"DROP ROLE {name}")


def says(tx, name):
    return tx.exec_driver_sql(f"SHOW {name}").scalar_one()


def of_socket(tx):
    with socket.socket(fileno=os.dup(tx.connection.driver_connection.fileno())) as one:
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        return [one.getsockopt(socket.IPPROTO_TCP, option) for option in options]


def test_either_end_notices_within_half_a_minute_that_the_other_is_gone(open_at):
    with open_at().transaction() as tx:
        assert of_socket(tx) == [10, 5, 3, 20_000]
        assert says(tx, "tcp_keepalives_idle") == "10"
        assert says(tx, "tcp_keepalives_interval") == "5"
        assert says(tx, "tcp_keepalives_count") == "3"
        assert says(tx, "tcp_user_timeout") == "20000"
        assert says(tx, "idle_in_transaction_session_timeout") == "1h"


def test_what_the_url_says_goes_first(open_at):
    more = (
        "%20-cstatement_timeout%3D5min%20-ctcp_keepalives_idle%3D99&keepalives_idle=77&tcp_user_timeout=30000"
    )
    with open_at(more).transaction() as tx:
        assert of_socket(tx) == [77, 5, 3, 30_000]
        assert (says(tx, "statement_timeout"), says(tx, "tcp_keepalives_idle")) == ("5min", "99")


def test_a_server_that_accepts_and_says_nothing_is_given_up(open_at):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://x@127.0.0.1:{silent.getsockname()[1]}/x"
        began = time.monotonic()
        with pytest.raises(StoreUnreachable):
            open_at("?connect_timeout=2", url=url)
        assert time.monotonic() - began < 9, "the URL's seconds and not ours"


def test_a_role_with_a_statement_timeout_does_not_end_what_takes_long(open_at, postgres_url, impatient_role):
    open_at()  # so that the tables are not the role's
    url = postgres_url.replace("://postgres@", f"://{impatient_role}@")
    with open_at(url=url).transaction() as tx:
        tx.exec_driver_sql("SELECT pg_sleep(0.3)")


def test_a_cancelled_statement_is_not_told_as_another_run(open_at):
    store = open_at()
    with pytest.raises(StatementCancelled) as caught, store.transaction() as tx:
        tx.exec_driver_sql("SET LOCAL statement_timeout = 50")
        tx.exec_driver_sql("SELECT pg_sleep(5)")
    told = explain(caught.value)
    assert (told.exit_code, told.code) == (Exit.FAILED, "store_cancelled")
    assert "statement_timeout" in told.hint


def test_a_user_who_does_not_own_the_tables_is_told_which_and_who_does_it(open_at):
    store = open_at()
    modest = f"modest_{os.getpid()}"
    with (
        pytest.raises(LacksRight, match="must be owner of table outbox") as caught,
        store.transaction() as tx,
    ):
        schema = tx.exec_driver_sql("SELECT current_schema()").scalar_one()
        tx.exec_driver_sql(f"CREATE ROLE {modest}")
        tx.exec_driver_sql(f"GRANT USAGE ON SCHEMA {schema} TO {modest}")
        tx.exec_driver_sql(f"SET LOCAL ROLE {modest}")
        tx.exec_driver_sql("ALTER TABLE outbox ADD COLUMN more TEXT")  # all of it is undone, the role too
    assert "owner of the tables" in caught.value.hint


def ask_as_through_a_pooler(store):
    """Each transaction may get another connection of the server, which knows nothing of the last one's statements."""
    for _ in range(12):
        with store.transaction() as tx:
            meta.get(tx, "paused")
            tx.connection.driver_connection.pgconn.exec_(b"DEALLOCATE ALL")
            meta.get(tx, "paused")


def test_a_pooler_that_changes_connections_is_named_with_its_setting(open_at):
    with pytest.raises(PooledStatements) as caught:
        ask_as_through_a_pooler(open_at())
    assert "prepare_threshold=none" in caught.value.hint
    ask_as_through_a_pooler(open_at("&prepare_threshold=none"))
    ask_as_through_a_pooler(open_at("&prepare_threshold=500"))
    with pytest.raises(BadStoreUrl, match="a number or none"):
        open_at("&prepare_threshold=off")
