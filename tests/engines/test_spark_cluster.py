"""One statement, four engines, one answer: SQLite, PostgreSQL, DuckDB, and Spark on a cluster of two workers."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select

from benchmarks import computing
from state import contributions, staging
from state.engines import IN_THE_STORE
from state.engines.duck import Duck
from state.engines.outside import EngineFailed
from state.engines.spark import Spark
from state.snapshot import Snapshot
from state.store import Store
from state.tables.work import contributions as contribution_table
from state.tables.work import totals as total_table

pytestmark = [pytest.mark.spark, pytest.mark.timeout(900)]

LINES = 40_000
NOW = datetime(2026, 11, 24, tzinfo=UTC)
SERVER = os.environ.get("REBATES_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/test")


@pytest.fixture(autouse=True)
def _on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'rebates.db'}")
    computing.fill(opened, LINES)
    yield opened
    opened.close()


@pytest.fixture
def postgres() -> Iterator[Store]:
    name = f"rebates_engines_{os.getpid()}"
    plain = SERVER.replace("+psycopg", "")
    try:
        psycopg.connect(plain, connect_timeout=3).close()
    except psycopg.OperationalError:
        pytest.skip(f"no PostgreSQL server at {SERVER}")
    with psycopg.connect(plain, autocommit=True) as server:
        server.execute(f"CREATE SCHEMA {name}")
    opened = Store.open(f"{SERVER}?options=-csearch_path%3D{name}")
    computing.fill(opened, LINES)
    yield opened
    opened.close()
    with psycopg.connect(plain, autocommit=True) as server:
        server.execute(f"DROP SCHEMA {name} CASCADE")


def digest(store: Store) -> str:
    """Of every contribution and every total, to the last digit."""
    sum_ = hashlib.sha256()
    with store.read() as tx:
        for table in (contribution_table, total_table):
            for row in tx.execute(select(*table.columns).order_by(*table.primary_key.columns)):
                sum_.update(repr(tuple(row)).encode())
    return sum_.hexdigest()


def settings(options: tuple[str, ...]) -> dict[str, str]:
    return dict(one.split("=", 1) for one in options)


def computed(store: Store, engine: object) -> str:
    with store.transaction() as tx:
        tx.execute(contribution_table.delete())
        tx.execute(total_table.delete())
        assert contributions.rebuild(tx, engine=engine) > 1_000
    return digest(store)


def test_four_engines_give_one_answer_to_the_last_digit(store, postgres, cluster, options, tmp_path):
    here, there = (Snapshot(tmp_path / name, now=NOW) for name in ("facts", "facts-of-postgres"))
    expected = computed(store, IN_THE_STORE)
    assert computed(postgres, IN_THE_STORE) == expected
    assert computed(store, Duck(here, "512MB")) == expected
    assert computed(postgres, Duck(there, "512MB")) == expected
    assert computed(store, Spark(here, cluster, settings(options))) == expected
    assert computed(postgres, Spark(there, cluster, settings(options))) == expected


def test_a_sum_that_does_not_fit_is_an_error_on_spark_too_and_saves_nothing(
    store, cluster, options, tmp_path
):
    before = digest(store)
    with store.transaction() as tx:
        huge = computing.line_batch(range(LINES), random.Random(1), modstamp=9)
        at = huge.schema.get_field_index("amount")
        full = [2**63 - 1] * huge.num_rows
        huge = huge.set_column(at, huge.schema.field(at), [full])
        staging.stage(tx, 3, "order_line", huge)
        staging.apply(tx, 3, "order_line", now=NOW)
    spark = Spark(Snapshot(tmp_path / "facts", now=NOW), cluster, settings(options))
    with pytest.raises(EngineFailed, match=r"(?i)overflow"), store.transaction() as tx:
        contributions.rebuild(tx, engine=spark)
    assert digest(store) == before


def test_spark_connect_gives_the_same_answer(store, connect, tmp_path):
    """The session is the server's; the client needs no Java."""
    spark = Spark(Snapshot(tmp_path / "facts", now=NOW), connect, {})
    assert computed(store, spark) == computed(store, IN_THE_STORE)


def test_a_server_that_is_not_there_is_named(store, spark_home, tmp_path):
    spark = Spark(Snapshot(tmp_path / "facts", now=NOW), "sc://127.0.0.1:9", {})
    with (
        pytest.raises(EngineFailed, match=r"sc://127\.0\.0\.1:9: .*nobody answers"),
        store.transaction() as tx,
    ):
        contributions.rebuild(tx, engine=spark)
