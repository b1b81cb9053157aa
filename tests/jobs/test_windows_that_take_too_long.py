"""Counting and paging that the org is silent about: cut further, as what it gives up on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector import errors
from jobs import narrowing
from jobs.bulk_streams import BulkStreams, Stream
from mappings.soql import Window
from tests.jobs.test_narrowing import ORDERS, UNTIL, CountingOrg, app_of, spread


def silence(*, timed_out):
    error = errors.Transient("NO_ANSWER")
    error.timed_out = timed_out
    return error


class SilentOrg(CountingOrg):
    """Does not answer when it is asked to count."""

    timed_out = True

    def poll(self, queries):
        raise silence(timed_out=self.timed_out)


def test_a_count_without_an_answer_halves_the_window_by_time():
    org = SilentOrg([UNTIL - timedelta(days=1)])
    first, second = narrowing.cut(app_of(org), ORDERS, Window(UNTIL - timedelta(days=4), UNTIL))
    assert first.window.until == second.window.since == UNTIL - timedelta(days=2)
    assert (first.rows, second.rows) == (None, None)


def test_a_network_that_is_down_is_no_window_that_is_too_wide():
    org = SilentOrg([])
    org.timed_out = False
    with pytest.raises(errors.Transient, match="NO_ANSWER"):
        narrowing.cut(app_of(org), ORDERS, Window(None, UNTIL))


def pieces_of(org, *, at_most, error):
    """How many rows each query found that read a piece in pages, where the org does not do more than so many."""
    read = []

    def pages(stream):
        (rows,) = [piece.rows for piece in narrowing.cut(app_of(org), ORDERS, stream.window, 10**9)]
        if rows > at_most:
            raise error
        read.append(rows)

    streams = BulkStreams(app_of(org), 1, read=None, pages=pages, drop=None)
    assert streams._in_pieces(Stream(ORDERS, Window(None, UNTIL), first=True), None) == []
    return read


@pytest.mark.parametrize(
    "error",
    [errors.WindowTooWide("QUERY_TIMEOUT"), silence(timed_out=True)],
    ids=["QUERY_TIMEOUT", "no answer"],
)
def test_a_piece_that_is_too_much_for_one_query_is_halved_until_it_is_not(error):
    read = pieces_of(CountingOrg(spread(100)), at_most=30, error=error)
    assert sum(read) == 100
    assert max(read) <= 30


def test_an_org_that_gives_up_on_every_query_is_not_asked_for_ever():
    with pytest.raises(errors.WindowTooWide):
        pieces_of(CountingOrg(spread(100)), at_most=0, error=errors.WindowTooWide("QUERY_TIMEOUT"))
