"""Which standing an account shows when it takes part in several programs."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.primary import primary, score
from rebates.periods import Period

TODAY = date(2026, 11, 24)


def shown(key, *, status="on_track", rebate="0", uplift=None, to_next=None, period=None, units=None):
    document = {"status": status, "rebate": rebate, "uplift": uplift, "to_next_tier": to_next}
    document |= {"ladder": {"qualifier": "quantity" if units else "amount"}}
    document |= {"qualifying_quantity": units or "1", "qualifying_amount": "50000"}
    found = period or Period(date(2026, 11, 1), date(2026, 12, 1), "2026-11")
    return SimpleNamespace(document=document, period=found, program=SimpleNamespace(key=key))


def chosen(*candidates):
    best = primary([(one, TODAY) for one in candidates])
    return best.program.key if best else None


def test_the_one_that_is_near_its_next_tier_comes_first():
    rich = shown("rich", rebate="90000", uplift="50000", to_next="100")
    near = shown("near", status="near_next_tier", rebate="10", uplift="5", to_next="4000")
    assert chosen(rich, near) == "near"


def test_then_the_one_with_most_extra_rebate_for_each_dollar_and_day():
    cheap = shown("cheap", rebate="1", uplift="100", to_next="1000")
    dear = shown("dear", rebate="5000", uplift="100", to_next="50000")
    assert chosen(dear, cheap) == "cheap"


def test_a_quantity_that_is_missing_counts_at_its_average_price():
    money = shown("money", status="near_next_tier", uplift="5240.60", to_next="4812")
    units = shown(
        "units", status="near_next_tier", uplift="59.28", to_next="8", units="1000"
    )  # 8 for about 400
    assert chosen(units, money) == "money"


def test_then_the_larger_rebate_and_at_last_the_key_so_that_it_never_flickers():
    assert chosen(shown("b", rebate="5"), shown("a", rebate="7")) == "a"
    assert chosen(shown("b", rebate="7"), shown("a", rebate="7")) == "a"


def test_a_period_that_is_over_or_has_not_begun_is_not_shown():
    over = shown("over", period=Period(date(2026, 10, 1), date(2026, 11, 1), "2026-10"))
    coming = shown("coming", period=Period(date(2026, 12, 1), date(2027, 1, 1), "2026-12"))
    assert chosen(over, coming) is None
    assert chosen() is None


@given(st.permutations(["a", "b", "c", "d"]))
def test_the_order_of_programs_does_not_matter(order):
    every = {
        key: shown(key, rebate=str(number % 3), uplift="1", to_next="10") for number, key in enumerate("abcd")
    }
    assert chosen(*[every[key] for key in order]) == chosen(*every.values())


@pytest.mark.parametrize(
    ("uplift", "to_next", "days"),
    [(None, "5", 3), ("5", None, 3), ("5", "0", 3), ("5", "5", 0), ("0", "5", 3)],
)
def test_nothing_to_reach_scores_nothing(uplift, to_next, days):
    as_decimal = [Decimal(value) if value is not None else None for value in (uplift, to_next)]
    assert score(*as_decimal, days) == 0
