"""What every test shares: no settings leak in from the environment, and what CI must not skip fails there."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings

from tests.learned_once import learned_once
from tests.postgres_schemas import PLAIN, Schemas
from tests.tables_at_once import tables_at_once

# How long an example takes says something of the machine, not of the code.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30


# Where Python may not keep what it compiled, every worker compiles every test, and every process that a test starts all of ours.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_configure() -> None:
    """Files of tests lie in memory where there is room: a store waits for the disk at every commit."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in list(os.environ):
        if name.startswith("REBATES_") and not name.startswith("REBATES_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-user-settings"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_learned_twice() -> Iterator[None]:
    with learned_once(), tables_at_once():
        yield


@pytest.fixture(scope="session")
def leaving() -> Iterator[list[Callable[[], None]]]:
    """The last steps of servers that were told to stop: the next test's end takes them, for nobody has to wait for that."""
    last_steps: list[Callable[[], None]] = []
    yield last_steps
    for step in last_steps:
        step()


@pytest.fixture(scope="session")
def postgres_schemas() -> Iterator[Schemas]:
    """Schemas to borrow; skipped by name where there is no server, except where CI says that there is."""
    schemas = Schemas()
    try:
        assert schemas.server
    except psycopg.OperationalError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no PostgreSQL server at {PLAIN}: {error}")
        pytest.skip(f"no PostgreSQL server at {PLAIN}")
    yield schemas
    schemas.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long is begun first, at either worker: each gets one half of the list, and takes over the other's last ones."""
    if not hasattr(config, "workerinput"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    short = [item for item in items if not item.get_closest_marker("long")]
    first, second = long[::2], long[1::2]
    rest = len(items) // 2 - len(first)
    items[:] = [*first, *short[:rest], *second, *short[rest:]]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """CI has PostgreSQL, Node and Chromium: there a test that skips for want of them has failed."""
    report = yield
    parts = {"postgres", "node", "browser"} & {mark.name for mark in item.iter_markers()}
    if report.skipped and parts and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"CI must have {', '.join(sorted(parts))}: {report.longrepr}"
    return report
