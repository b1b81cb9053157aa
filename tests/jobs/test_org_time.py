"""How far the org's clock is ahead of ours: nearer is believed at once, further only after a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.org_time import Distance, judged, learned

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
