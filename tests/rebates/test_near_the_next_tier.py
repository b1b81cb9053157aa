"""Who is near the next tier: somebody who can buy it, in time, for more than nothing. Else no gap is claimed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from jobs.documents import document_of
from rebates import parse_program, standing

HEAD = """
key = "p"
starts = 2026-01-01
ends = 2026-12-31
"""
LADDER = """
[[tiers]]
name = "Silver"
threshold = "10000"
rate = "5%"
[[tiers]]
name = "Gold"
threshold = "50000"
rate = "15%"
[alerts.near_tier]
within = "5000"
"""
GATE = '[[gates]]\nname = "pieces"\nof = "quantity"\nat_least = "20000"\n'
TWO = """
join = "all"
[[qualifiers]]
name = "spend"
of = "amount"
[[qualifiers]]
name = "pieces"
of = "quantity"
[[tiers]]
name = "Silver"
threshold = { spend = "10000", pieces = "1" }
rate = "5%"
[[tiers]]
name = "Gold"
threshold = { spend = "50000", pieces = "20" }
rate = "15%"
[alerts.near_tier]
within = "5000"
"""
DAY = date(2026, 11, 24)


def at(text, amount, quantity="1", day=DAY):
    program = parse_program(HEAD + text)
    return standing(program, "2026-11", amount=amount, quantity=quantity, as_of=day, member="A1")


def test_a_gap_within_reach_is_near():
    near = at(LADDER, "45188")
    assert (near.status, near.to_next_tier) == ("near_next_tier", 4812)


@pytest.mark.parametrize("amount", ["45188", "52000"])
def test_behind_a_closed_gate_no_purchase_of_the_first_kind_reaches_the_tier(amount):
    held = at(GATE + LADDER, amount, quantity="1474")
    assert (held.tier, held.status, held.to_next_tier) == (None, "on_track", None)
    document = document_of(held)
    wanted = ("Gold", "50000", "15%") if amount == "52000" else ("Silver", "10000", "5%")
    assert (document["next_tier"], document["next_threshold"], document["next_benefit"]) == wanted
    assert document["rebate_at_next_tier"] is not None, "what the gate holds back is still said"


@pytest.mark.parametrize(
    ("amount", "quantity", "status", "gap"),
    [
        ("52000", "12", "on_track", None),  # 8 pieces short: no sum of money reaches it
        ("46000", "12", "on_track", None),  # both are short
        ("46000", "20", "near_next_tier", Decimal(4000)),
    ],
)
def test_with_two_qualifiers_the_gap_is_one_that_reaches_the_tier_alone(amount, quantity, status, gap):
    found = at(TWO, amount, quantity)
    assert (found.tier, found.status, found.to_next_tier) == ("Silver", status, gap)
    assert [level.need for level in found.higher_tiers] == [gap]


def test_any_of_two_qualifiers_is_enough():
    found = at(TWO.replace('"all"', '"any"'), "46000", "12")
    assert (found.status, found.to_next_tier) == ("near_next_tier", 4000)


def test_nobody_is_called_for_a_tier_that_brings_nothing_more():
    capped = at('max_payout = "2000"\n' + LADDER, "45188")
    assert (capped.uplift, capped.status, capped.to_next_tier) == (0, "on_track", 4812)


@pytest.mark.parametrize("text", [LADDER, TWO])
@pytest.mark.parametrize(
    ("day", "status"), [(date(2026, 11, 30), "near_next_tier"), (date(2026, 12, 1), "on_track")]
)
def test_in_its_days_of_grace_a_period_is_near_nothing(text, day, status):
    assert at("grace_days = 5\n" + text, "45188", "20", day).status == status


def test_the_steps_of_a_window_name_all_its_days():
    found = at('[settlement]\nwindow = "year"\n' + LADDER, "45188")
    assert found.steps[0].text.endswith("2026-01-01 to 2026-11-30")
