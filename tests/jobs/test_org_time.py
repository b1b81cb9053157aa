"""How far the org's clock is ahead of ours: nearer is believed at once, further only after a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from jobs.org_time import Distance, certain, heard, judged, learned, note

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


@pytest.mark.parametrize("off", [-60, -3, 0, 7, 60])
def test_servers_of_one_org_differ_by_seconds(off):
    found = judged(NOON, HOUR + off * SECOND, Distance(HOUR))
    assert (found.excess, found.sure) == (timedelta(0), NOON)
    assert learned(Distance(HOUR), HOUR + off * SECOND, NOON) == Distance(HOUR + off * SECOND)


def test_a_date_far_ahead_is_certain_only_as_far_as_was_known():
    found = judged(NOON, 3 * HOUR, Distance(timedelta(0)))
    assert found.sure == NOON - 3 * HOUR


def test_a_date_far_behind_ends_a_window_early_and_no_more():
    assert judged(NOON, -3 * HOUR, Distance(timedelta(0))).sure == NOON
    assert learned(Distance(timedelta(0)), -3 * HOUR, NOON) == Distance(-3 * HOUR)


@pytest.mark.parametrize(
    ("told_since", "come"),
    [
        (None, NOON),  # no other header in this run
        (-50 * SECOND, NOON),  # servers differ by seconds
        (-290 * SECOND, NOON - 290 * SECOND),  # ours had run ahead, and the first header did not tell
        (2 * HOUR, NOON),
    ],
)
def test_a_later_header_of_the_run_tells_how_far_the_org_had_come_before(told_since, come):
    app = SimpleNamespace(org_ahead=told_since)
    assert certain(app, NOON, ours=NOON) == come


def test_a_larger_distance_is_believed_once_it_has_lasted_a_day():
    known = Distance(timedelta(0))
    for hour in range(25):
        assert known.ahead == timedelta(0)
        known = learned(known, 3 * HOUR + (hour % 3) * SECOND, NOON + hour * HOUR)
    assert known == Distance(3 * HOUR)


def test_a_larger_distance_that_passes_is_forgotten():
    known = learned(Distance(timedelta(0)), 3 * HOUR, NOON)
    known = learned(known, timedelta(0), NOON + HOUR)
    assert known == Distance(timedelta(0))


def test_a_day_that_our_clock_jumped_over_does_not_count():
    known = learned(Distance(timedelta(0)), 3 * HOUR, NOON)
    known = learned(known, 5 * HOUR, NOON + 30 * HOUR)
    assert known == Distance(timedelta(0), 5 * HOUR, NOON + 30 * HOUR)
    assert learned(known, 5 * HOUR, NOON) == Distance(timedelta(0), 5 * HOUR, NOON), (
        "set back: it begins again"
    )


class Org:
    """An org of which only the time is asked."""

    def __init__(self):
        self.time = NOON

    def server_time(self):
        return self.time


def test_a_nearer_distance_that_one_header_of_a_run_showed_bounds_a_later_one_that_is_wrong(shop):
    """Our clock was set ahead since the last run, and then a header is hours ahead: what is certain is the first one."""
    app = shop.opened
    object.__setattr__(app, "given_org", Org())
    app.org = app.given_org
    shop.clock.moment = NOON + 5 * 60 * SECOND
    assert heard(app).sure == NOON
    app.org.time = NOON + 3 * HOUR
    shop.clock.moment += 2 * SECOND
    found = heard(app)
    assert found.sure == NOON + 2 * SECOND
    with app.store.transaction() as tx:
        note(app, tx, found, now=shop.clock.now())
    assert app.org_ahead is None, "the next run begins with what is remembered"
