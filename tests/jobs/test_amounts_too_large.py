"""Amounts that the store cannot hold stop a compute with words, not with a traceback, and it goes on once they are mended."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from state.errors import AmountsTooLarge

PROGRAM = """
key = "care"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
currency = "VND"
[[tiers]]
threshold = "100"
rate = "10%"
"""
TRILLIONS = "5000000000000"


@pytest.mark.parametrize("many", [0, 20], ids=["everything again", "the difference"])
def test_a_sum_that_does_not_fit_says_whose_it_may_be(make_shop, many):
    shop = make_shop()
    shop.today(date(2026, 5, 21))
    shop.program(PROGRAM)
    shop.account("Acme")
    shop.account("Bell")
    shop.orders([(f"9{n}", "Bell", date(2026, 5, 20), [{"amount": "900"}], {}) for n in range(1 + many)])
    shop.order("1", "Acme", date(2026, 5, 20), {"amount": TRILLIONS})
    shop.sync()
    shop.order("3", "Acme", date(2026, 5, 20), {"amount": TRILLIONS})
    with pytest.raises(AmountsTooLarge, match=r"Acme \(001Acme.*about 1e\+13") as found:
        shop.sync()
    assert "correct the order" in found.value.hint
    shop.order("3", "Acme", date(2026, 5, 20), {"amount": "5"})
    shop.sync()
    assert shop.rebates()["Acme", "2026-05"] == (Decimal(TRILLIONS) + 5) / 10 // 1 + 1
    assert shop.broken_promises() == []
