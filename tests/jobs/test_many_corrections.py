"""Most of what closed periods were settled at is not corrected at once unless somebody says so."""

from __future__ import annotations

from datetime import date

import pytest

from jobs.compute import compute
from jobs.refusals import TooSurprising
from state import audit, payouts_listed

PROGRAM = """
key = "care"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
[counts]
product.family = ["Care"]
[[tiers]]
name = "Silver"
threshold = "100"
rate = "10%"
"""
ACCOUNTS = 25  # more than the few that late orders may move
JUNE = date(2026, 6, 10)


@pytest.fixture
def settled(shop):
    """Five and twenty accounts whose June was settled at 60 each."""
    shop.today(date(2026, 6, 12))
    shop.program(PROGRAM)
    shop.product("Cream", family="Care")
    for number in range(ACCOUNTS):
        shop.account(f"Shop{number}")
        shop.order(f"{number}", f"Shop{number}", JUNE, {"amount": 600, "product": "Cream"})
    shop.sync()
    shop.today(date(2026, 7, 2))
    shop.sync()
    shop.today(date(2026, 7, 4))
    assert booked(shop) == [60] * ACCOUNTS
    return shop


def booked(shop):
    with shop.opened.store.read() as tx:
        return [one.due.amount for one in payouts_listed.listed(tx)]


@pytest.mark.parametrize("how", ["a mistyped rate", "a renamed family"])
def test_a_change_that_corrects_most_of_them_is_refused_and_books_nothing(settled, how):
    if how == "a mistyped rate":
        settled.program(PROGRAM.replace("10%", "50%"))
    else:
        settled.product("Cream", family="Cares")
    with pytest.raises(
        TooSurprising, match="correct 25 amounts of care in 1 closed period, where 25 were settled"
    ) as caught:
        settled.sync()
    assert "--allow-many-corrections" in caught.value.hint
    assert booked(settled) == [60] * ACCOUNTS
    with settled.opened.store.read() as tx:
        assert audit.verify(tx) is None


def test_it_is_done_when_somebody_says_so(settled):
    settled.program(PROGRAM.replace("10%", "12%"))
    settled.close()
    settled.read_until(settled.clock.now())
    settled.opened.allow_many_corrections = True
    compute(settled.opened, 99)
    assert sorted(booked(settled)) == [12] * ACCOUNTS + [60] * ACCOUNTS


def test_late_orders_of_a_few_are_corrected_as_ever(settled):
    for number in range(5):
        settled.order(f"late {number}", f"Shop{number}", JUNE, {"amount": 100, "product": "Cream"})
    settled.sync()
    assert sorted(booked(settled)) == [10] * 5 + [60] * ACCOUNTS


def test_what_was_never_settled_for_somebody_is_counted_too_and_each_program_by_itself(settled):
    """A widened filter books first amounts into a closed period; a larger program beside it hides nothing."""
    settled.program(
        PROGRAM.replace('key = "care"', 'key = "all"').replace('[counts]\nproduct.family = ["Care"]\n', ""),
        "all",
    )
    settled.settings["payouts.settle_from"] = "2026-06-01"
    settled.sync()
    settled.program(PROGRAM.replace('["Care"]', '["Tools"]'))
    with pytest.raises(TooSurprising, match="correct 25 amounts of care"):
        settled.sync()
