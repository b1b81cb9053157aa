"""A window that is too much for one query is cut so that each piece has at most half of its rows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import errors
from connector.port import Page, Usage
from jobs import narrowing
from mappings.file import read_mapping
from mappings.soql import Window

UNTIL = datetime(2026, 6, 15, tzinfo=UTC)
BOUND = re.compile(r"SystemModstamp (>=|<) (\S+)")
ORDERS = read_mapping("standard").pull["order"]


@dataclass
class CountingOrg:
    """Knows when its records were last touched, and counts them unless there are too many to count."""

    stamps: list[datetime]
    countable: int = 10**9
    failing: int = 10**9  # a bulk query of more rows fails
    left: int | None = None
    polls: int = 0
    read: list[tuple[str, int]] = field(default_factory=list)

    @property
    def usage(self) -> Usage:
        return Usage(budget_left=self.left)

    def rows(self, query: str) -> int:
        bounds = {sign: datetime.fromisoformat(at) for sign, at in BOUND.findall(query)}
        low, high = bounds.get(">=", datetime.min.replace(tzinfo=UTC)), bounds["<"]
        return sum(low <= stamp < high for stamp in self.stamps)

    def poll(self, queries: list[str]) -> list[Page]:
        self.polls += 1
        pages = []
        for at, query in enumerate(queries):
            if (rows := self.rows(query)) > self.countable:
                refused = errors.WindowTooWide("QUERY_TIMEOUT")
                refused.at = at
                raise refused
            pages.append(Page(pa.table({}), rows))
        return pages

    def bulk_query(self, query: str, *, include_deleted: bool) -> list[Page]:
        rows = self.rows(query)
        if rows > self.failing:
            raise errors.BulkJobFailed("JOB_FAILED", job_id="750")
        self.read.append(("bulk", rows))
        return [Page(pa.table({}), rows)]

    def query(self, query: str, *, include_deleted: bool) -> list[Page]:
        self.read.append(("rest", self.rows(query)))
        return [Page(pa.table({}), self.rows(query))]


def app_of(org: CountingOrg) -> SimpleNamespace:
    return SimpleNamespace(org=org)


STAMPS = st.lists(
    st.integers(0, 10**9).map(lambda seconds: UNTIL - timedelta(seconds=seconds + 1)), min_size=1, max_size=40
)


@given(stamps=STAMPS, most=st.integers(1, 20))
def test_the_pieces_hold_every_row_once_and_none_has_more_than_it_may(stamps, most):
    org = CountingOrg(stamps)
    pieces = narrowing.cut(app_of(org), ORDERS, Window(None, UNTIL), most)
    assert sum(piece.rows for piece in pieces) == len(stamps)
    assert all(piece.rows <= most or not piece.may_be_cut for piece in pieces)
    ends = [(piece.window.since or narrowing.EARLIEST, piece.window.until) for piece in pieces]
    assert all(before[1] <= after[0] for before, after in pairwise(ends))


def test_rows_that_were_loaded_in_one_hour_are_found_with_a_call_a_cut():
    loaded = [UNTIL - timedelta(days=200, seconds=n) for n in range(1000)]
    org = CountingOrg(loaded)
    pieces = narrowing.cut(app_of(org), ORDERS, Window(None, UNTIL))
    assert all(piece.rows <= 500 for piece in pieces)
    assert org.polls < 30, "27 years are halved to minutes"


def test_what_the_org_cannot_count_in_time_is_halved_by_time():
    org = CountingOrg([UNTIL - timedelta(days=1)] * 10, countable=5)
    first, second = narrowing.cut(app_of(org), ORDERS, Window(UNTIL - timedelta(days=4), UNTIL))
    assert first.window.until == second.window.since == UNTIL - timedelta(days=2)


def test_an_empty_window_has_no_pieces():
    assert narrowing.cut(app_of(CountingOrg([])), ORDERS, Window(None, UNTIL)) == []


def ask(window, ordered):
    from mappings import soql

    return soql.select(ORDERS, window=window, order=ordered)


def spread(count):
    return [UNTIL - timedelta(hours=n + 1) for n in range(count)]


def test_a_query_that_fails_over_so_many_rows_is_read_in_pieces_that_do_not(monkeypatch):
    monkeypatch.setattr("connector.limits.REST_READ_ROWS", 5)
    org = CountingOrg(spread(100), failing=30)
    list(narrowing.read_in_pieces(app_of(org), ORDERS, Window(None, UNTIL), ask))
    assert sum(rows for _, rows in org.read) == 100
    assert {way for way, _ in org.read} == {"bulk"}
    assert max(rows for _, rows in org.read) <= 30


def test_what_fits_into_a_few_pages_is_read_in_pages():
    org = CountingOrg(spread(100), failing=0)
    list(narrowing.read_in_pieces(app_of(org), ORDERS, Window(None, UNTIL), ask))
    assert sum(rows for way, rows in org.read if way == "rest") == 100


def test_an_org_that_gives_up_whatever_it_is_asked_is_not_asked_for_ever(monkeypatch):
    monkeypatch.setattr("connector.limits.REST_READ_ROWS", 0)
    org = CountingOrg(spread(100), failing=0)
    with pytest.raises(errors.BulkJobFailed, match="JOBS_KEEP_FAILING"):
        list(narrowing.read_in_pieces(app_of(org), ORDERS, Window(None, UNTIL), ask))
    assert "bulk" not in {way for way, _ in org.read}
