"""The orders behind a standing are those of its whole window, so that they add up to what it says."""

from __future__ import annotations

from datetime import date

import pytest

from jobs.explanation import explain

PROGRAM = """
key = "care"
starts = 2026-01-01
ends = 2026-12-31
[counts]
order.type = {{ not_in = ["Sample"] }}
[settlement]
window = "{}"
[[tiers]]
name = "One"
threshold = "0"
rate = "10%"
"""


@pytest.fixture
def shop(make_shop):
    shop = make_shop()
    shop.today(date(2026, 6, 15))
    shop.account("Acme")
    for number, (month, amount) in enumerate([(2, 7000), (4, 40), (6, 300)]):
        shop.order(f"o{number}", "Acme", date(2026, month, 2), {"amount": amount})
    shop.order("given", "Acme", date(2026, 2, 3), {"amount": 11}, type="Sample")
    return shop


@pytest.mark.parametrize(
    ("window", "listed", "left_out"),
    [("year", [7000, 40, 300], [11]), ("quarter", [40, 300], []), ("period", [300], [])],
)
def test_the_orders_of_a_standing_add_up_to_its_qualifier(shop, window, listed, left_out):
    shop.program(PROGRAM.format(window))
    shop.sync()
    (june,) = explain(shop.opened, "Acme", program="care", period="2026-06")
    assert [one.amount for one in june.contributions] == listed
    assert june.standing.qualifier == sum(listed)
    assert [one.line.amount for one in june.not_counted] == left_out
