"""How many records may go from the org without a person being asked, in one night and in thirty days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from jobs.lost_lately import allowed_lately
from state import buried


@pytest.mark.parametrize(
    ("live", "may_go"), [(0, 1), (2, 1), (5, 1), (9, 1), (20, 2), (50, 5), (999, 5), (1_000, 5), (10_000, 50)]
)
def test_of_few_records_fewer_may_go_than_of_many(live, may_go):
    assert allowed_lately(live, 0.005) == may_go


def test_what_was_buried_is_counted_together_for_thirty_days_or_until_a_person_says_it_was_deleted(shop):
    first = date(2026, 6, 1)
    with shop.opened.store.transaction() as tx:
        for night, rows in enumerate((1, 0, 2)):
            buried.note(tx, "order", first + timedelta(days=night), rows)
        buried.note(tx, "account", first, 4)
        days = [first + timedelta(days=passed) for passed in (2, 29, 30, 31, 32)]
        assert [buried.lately(tx, "order", day) for day in days] == [3, 3, 2, 2, 0]
        buried.forget(tx, "order")
        assert [buried.lately(tx, name, first) for name in ("order", "account")] == [0, 4]
