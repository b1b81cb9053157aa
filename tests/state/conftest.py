"""A store of each kind for every contract test: a SQLite file, and a PostgreSQL schema of its own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from state.store import Store

SERVER = os.environ.get("REBATES_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/test")
_numbers = itertools.count()


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The server's URL; skipped by name where there is none, except where CI says that there is."""
    try:
        psycopg.connect(_plain(SERVER), connect_timeout=3).close()
    except psycopg.OperationalError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no PostgreSQL server at {SERVER}: {error}")
        pytest.skip(f"no PostgreSQL server at {SERVER}")
    return SERVER


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A fresh schema that only this test sees."""
    name = f"rebates_state_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(_plain(postgres_server), autocommit=True) as server:
        server.execute(f"CREATE SCHEMA {name}")
    yield f"{postgres_server}?options=-csearch_path%3D{name}"
    with psycopg.connect(_plain(postgres_server), autocommit=True) as server:
        server.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'rebates.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = Store.open(store_url)
    yield opened
    opened.close()
