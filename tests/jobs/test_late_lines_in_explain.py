"""Where late lines are ignored, what is listed as counted adds up to what was settled; the late ones are named."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from jobs.explanation import explain

PROGRAM = """
key = "care"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
late_lines = "ignore"
grace_days = 5
{more}
[[tiers]]
name = "Silver"
threshold = "100"
rate = "10%"
"""
MAY = date(2026, 5, 20)


@pytest.fixture
def settled(shop):
    """May was settled on the 10th of June: Acme bought for 600 with two orders."""

    def go(more=""):
        shop.today(date(2026, 6, 3))
        shop.program(PROGRAM.format(more=more))
        shop.account("Acme")
        shop.product("Soap", family="Care")
        shop.order("1", "Acme", MAY, {"amount": 400, "quantity": 4, "product": "Soap"})
        shop.order("2", "Acme", MAY, {"amount": 200})
        shop.sync()
        shop.today(date(2026, 6, 10))
        shop.sync()
        shop.today(date(2026, 6, 12))
        return shop

    return go


def seen(shop, account="Acme"):
    """What is listed: order → amount counted, order → reason; and what was counted otherwise."""
    (one,) = explain(shop.opened, account, period="2026-05")
    reasons = {each.line.order_number: each.reason for each in one.not_counted}
    total = sum((each.amount for each in one.contributions if each.bucket == "all"), Decimal(0))
    if one.otherwise is not None:
        total += one.otherwise.amount
    assert total == Decimal(one.document["qualifying_amount"]), "what is listed adds up"
    return {each.order_number: each.amount for each in one.contributions}, reasons, one.otherwise


def test_a_late_order_is_listed_as_late_and_not_as_counted(settled):
    shop = settled()
    shop.order("3", "Acme", MAY, {"amount": 500})
    shop.sync()
    counted, reasons, otherwise = seen(shop)
    assert counted == {"1": 400, "2": 200}
    assert reasons == {"3": "came after the period was settled on 2026-06-10: late lines do not count"}
    assert otherwise is None
    assert explain(shop.opened, "Acme", period="2026-05")[0].settled == 60


def test_a_late_line_of_an_order_that_counted_is_late_and_the_rest_of_it_is_not(settled):
    shop = settled('[measure_counts]\nproduct.family = ["Care"]')
    shop.order(
        "1", "Acme", MAY, {"amount": 400, "quantity": 4, "product": "Soap"}, {"amount": 70, "product": "Soap"}
    )
    shop.sync()
    (one,) = explain(shop.opened, "Acme", period="2026-05")
    assert {(each.order_number, each.bucket): each.amount for each in one.contributions} == {
        ("1", "all"): 400, ("1", "measure"): 400, ("2", "all"): 200,
    }  # fmt: skip
    late = [each for each in one.not_counted if "late lines" in each.reason]
    assert [(each.line.order_number, each.line.amount) for each in late] == [("1", 70)]


def test_an_order_that_was_only_looked_at_again_counted_and_is_listed_so(settled):
    shop = settled()
    shop.order("2", "Acme", MAY, {"amount": 200})
    shop.sync()
    assert seen(shop) == ({"1": 400, "2": 200}, {}, None)


def test_what_was_changed_after_the_closing_stands_beside_the_lines_as_it_was_counted(settled):
    shop = settled()
    shop.order("2", "Acme", MAY, {"amount": 350})
    shop.sync()
    counted, reasons, otherwise = seen(shop)
    assert counted == {"1": 400}
    assert reasons == {
        "2": "came or was changed after the period was settled on 2026-06-10, which stays as it was"
    }
    assert otherwise == (200, 1, 1)


def test_what_was_deleted_after_the_closing_is_still_in_what_was_counted(settled):
    shop = settled()
    shop.order("2", "Acme", MAY, {"amount": 200, "deleted": True})
    shop.sync()
    counted, reasons, otherwise = seen(shop)
    assert (counted, otherwise) == ({"1": 400}, (200, 1, 1))
    assert reasons == {"2": "deleted in Salesforce"}


def test_of_whose_first_line_came_late_nothing_is_listed_as_counted(settled):
    shop = settled()
    shop.account("Bell")
    shop.order("9", "Bell", MAY, {"amount": 500})
    shop.sync()
    counted, reasons, _ = seen(shop, "Bell")
    assert (counted, list(reasons)) == ({}, ["9"])


def test_late_lines_that_become_adjustments_are_counted_as_ever(settled):
    shop = settled()
    shop.program(PROGRAM.format(more="").replace('late_lines = "ignore"\n', ""))
    shop.order("3", "Acme", MAY, {"amount": 500})
    shop.sync()
    assert seen(shop) == ({"1": 400, "2": 200, "3": 500}, {}, None)
