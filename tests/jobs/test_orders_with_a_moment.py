"""A rule about an order's day holds for orders that have a moment instead of one: a sync and a trial cut it in the program's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from jobs.explanation import explain
from jobs.trial import run_trial
from jobs.trial_files import TrialFiles, TrialLine
from rebates import parse_program

TEXT = (
    'key = "care"\nstarts = 2026-01-01\nends = 2026-12-31\ntime_zone = "America/New_York"\n'
    '[counts]\norder.ordered_on = { at_least = "2026-03-02" }\n'
    '[[tiers]]\nname = "One"\nthreshold = "0"\nrate = "10%"\n'
)
# In New York the first is of 1 March, the second of the 2nd.
MOMENTS = {"early": datetime(2026, 3, 2, 4, 30, tzinfo=UTC), "late": datetime(2026, 3, 2, 5, 30, tzinfo=UTC)}


def test_the_day_of_a_moment_is_that_of_the_programs_time_zone(shop):
    shop.program(TEXT)
    shop.today(date(2026, 3, 20))
    shop.account("Acme")
    for name, when in MOMENTS.items():
        shop.order(name, "Acme", None, {"amount": 100}, ordered_at=when)
    shop.sync()
    assert shop.rebates() == {("Acme", "2026-03"): 10}
    assert shop.broken_promises() == []
    (found,) = explain(shop.opened, "Acme", period="2026-03")
    assert [one.order_number for one in found.contributions] == ["late"]
    assert [one.line.order_number for one in found.not_counted] == ["early"]
    assert "ordered_on" in found.not_counted[0].reason
    lines = [
        TrialLine(n, name, "1", "A", when, Decimal(1), Decimal(100), None, None, None, {})
        for n, (name, when) in enumerate(MOMENTS.items())
    ]
    (row,) = run_trial([parse_program(TEXT)], TrialFiles(lines)).standings
    assert row.standing.rebate == 10
