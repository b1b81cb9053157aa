"""What a member bought before it took part is what its growth is measured against, and earns nothing itself."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

HEAD = """key = "growing"
starts = 2026-01-01
ends = {ends}
qualifier = "growth"
[growth]
baseline = {baseline}
[[tiers]]
name = "Grown"
threshold = "110%"
rate = "10%"
"""
LAST_YEAR, FIXED = '"same_period_last_year"', '"1000"'


def sold(shop, text, *orders):
    shop.today(date(2026, 5, 20))
    shop.program(text)
    shop.account("Acme", active_from="2026-04-16")
    for number, (day, amount) in enumerate(orders):
        shop.order(str(number), "Acme", day, {"amount": amount})
    assert not shop.sync().refused
    assert shop.broken_promises() == []
    return {period: amount for (_, period), amount in shop.rebates("growing").items()}


@pytest.mark.parametrize("baseline", [LAST_YEAR, FIXED])
def test_days_before_joining_earn_nothing_and_are_no_growth(shop, baseline):
    before = [(date(2025, month, 10), 1000) for month in (3, 4, 5)]
    within = [(date(2026, 3, 10), 5000), (date(2026, 4, 10), 1000), (date(2026, 4, 20), 500)]
    text = HEAD.format(ends="2026-12-31", baseline=baseline)
    found = sold(shop, text, *before, *within, (date(2026, 5, 10), 2000))
    assert found == {"2026-04": 0, "2026-05": Decimal(200)}
