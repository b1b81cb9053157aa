"""A statement that takes longer than its transaction may is ended, and nothing of it stays."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from jobs.clock import SystemClock
from state import meta
from state.bounds import bounded
from state.errors import StoreError

ENDLESS = text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT count(*) FROM n"
)


def test_a_statement_ends_when_its_time_is_up(store):
    clock = SystemClock()
    began = clock.monotonic()
    with pytest.raises((StoreError, DBAPIError)), store.transaction() as tx:
        meta.put(tx, "half", "done")
        with bounded(tx, 0.3, monotonic=clock.monotonic):
            tx.execute(ENDLESS)
    assert clock.monotonic() - began < 10
    with store.read() as tx:
        assert meta.get(tx, "half") is None


def test_what_comes_after_is_not_bounded(store):
    clock = SystemClock()
    with store.transaction() as tx, bounded(tx, 0.001, monotonic=clock.monotonic):
        pass
    clock.sleep(0.01)
    with store.transaction() as tx:
        meta.put(tx, "whole", "done")
        tx.execute(
            text(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT count(*) FROM n"
            )
        )
    with store.read() as tx:
        assert meta.get(tx, "whole") == "done"
