"""A surplus above a cumulative guarantee is counted with the late lines of its period from the day on which they are there."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from jobs import payouts
from jobs.trial import run_trial
from jobs.trial_files import TrialFiles, TrialLine
from rebates import parse_program

TEXT = (
    'key = "care"\nstarts = 2026-01-01\nends = 2026-12-31\nguarantee = "100"\nguarantee_cumulative = true\n'
    '[[tiers]]\nname = "One"\nthreshold = "0"\nrate = "10%"\n'
)
JANUARY, FEBRUARY, MARCH = date(2026, 1, 5), date(2026, 2, 10), date(2026, 3, 10)


@pytest.mark.parametrize(
    ("late", "february", "march"),
    [
        (-2000, 100, 100),  # nothing of January is above its guarantee any more
        (-1500, 50, 100),
        (1000, 10, 60),
    ],
)
def test_a_trial_counts_it_as_a_sync_does(shop, late, february, march):
    sales = [
        ("a", JANUARY, 3000, JANUARY),
        ("b", date(2026, 1, 20), late, FEBRUARY),
        ("c", FEBRUARY, 100, FEBRUARY),
        ("d", MARCH, 600, MARCH),
    ]
    shop.program(TEXT)
    shop.today(JANUARY)
    shop.account("Acme")
    for today in (JANUARY, FEBRUARY, MARCH, date(2026, 4, 2)):
        shop.today(today)
        for name, day, amount, received in sales:
            if received == today:
                shop.order(name, "Acme", day, {"amount": amount})
        shop.sync()
    synced = shop.rebates()
    assert (synced["Acme", "2026-02"], synced["Acme", "2026-03"]) == (february, march)
    lines = [
        TrialLine(n, name, "1", "A", day, Decimal(1), Decimal(amount), None, None, received, {})
        for n, (name, day, amount, received) in enumerate(sales)
    ]
    rows = run_trial([parse_program(TEXT)], TrialFiles(lines), as_of=date(2026, 4, 2)).standings
    tried = {row.standing.period.key: row for row in rows}
    assert [tried[key].standing.rebate for key in ("2026-02", "2026-03")] == [february, march]
    ledger = sum(one.due.amount for one in payouts.listed(shop.opened))
    assert sum(row.paid for row in rows) + rows[-1].carried == ledger
