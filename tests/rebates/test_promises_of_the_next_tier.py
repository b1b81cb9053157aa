"""What is promised for the next tier comes true when just that is bought; where it would not, nothing is promised."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from rebates import Tally, parse_program, standing
from rebates.totals import Inputs

HEAD = 'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\n'
LOW = '[[tiers]]\nname = "Low"\nthreshold = "0"\nrate = "10%"\n'
HIGH = '[[tiers]]\nname = "High"\nthreshold = "{}"\nrate = "20%"\n'
CARE = 'product.family = "Care"\n'
SPEND = f"[qualifier_counts]\n{CARE}{LOW}{HIGH.format(200)}"
MIX = (
    '[[qualifiers]]\nname = "care"\nof = "mix"\n'
    + "counts.product.family = 'Care'\n"
    + LOW
    + HIGH.format("{}")
)
DAY = date(2026, 1, 20)


def at(text, inputs=None, **totals):
    tallies = {name: Tally(Decimal(amount), Decimal(units), 1) for name, (amount, units) in totals.items()}
    return standing(parse_program(HEAD + text), "2026-01", tallies, as_of=DAY, inputs=inputs or Inputs())


def test_what_decides_the_tier_brings_itself_to_what_is_paid_on():
    now = at(SPEND, all=(1150, 10), qualifier=(150, 2))
    assert (now.rebate, now.to_next_tier, now.rebate_at_next_tier) == (115, 50, 240)
    then = at(SPEND, all=(1200, 11), qualifier=(200, 3))
    assert then.rebate == 240


def test_what_is_paid_on_may_stay_as_it_is_while_the_tier_is_reached():
    text = f"[measure_counts]\n{CARE}{LOW}{HIGH.format(2000)}"
    now = at(text, all=(1500, 15), measure=(300, 3))
    assert (now.rebate, now.to_next_tier, now.rebate_at_next_tier) == (30, 500, 60)


def test_units_bring_their_own_price_and_not_that_of_everything():
    text = f'qualifier = "quantity"\n[qualifier_counts]\n{CARE}{LOW}{HIGH.format(4)}'
    now = at(text, all=(1150, 100), qualifier=(150, 3))  # one more of them is worth 50
    assert (now.to_next_tier, now.rebate_at_next_tier) == (1, 240)


def test_one_more_category_says_nothing_of_how_much_is_bought():
    text = (
        '[[qualifiers]]\nname = "breadth"\nof = "categories"\nfield = "product.family"\nvalues = ["Care", "Color"]\n'
        '[[tiers]]\nname = "One"\nthreshold = "1"\nrate = "5%"\n[[tiers]]\nname = "Two"\nthreshold = "2"\nrate = "10%"\n'
    )
    now = at(text, **{"all": (1000, 10), "breadth:Care": (1000, 10)})
    assert (now.rebate, now.to_next_tier, now.rebate_at_next_tier) == (50, 1, 100)


def test_what_is_bought_for_a_mix_is_part_of_the_whole_too():
    now = at(MIX.format("50%"), all=(2000, 20), care=(600, 6))
    assert (now.to_next_tier, now.rebate_at_next_tier) == (800, 560)
    then = at(MIX.format("50%"), all=(2800, 28), care=(1400, 14))
    assert (then.tier, then.rebate) == ("High", 560)


def test_the_gap_of_a_mix_is_a_sum_that_can_be_bought_and_is_enough():
    now = at(MIX.format("70%"), all=(1000, 10), care=(100, 1))
    gap = now.to_next_tier
    assert gap == 2000
    odd = at(MIX.format("70%"), all=("1000.01", 10), care=(100, 1)).to_next_tier
    then = at(MIX.format("70%"), all=(Decimal("1000.01") + odd, 10), care=(100 + odd, 1))
    assert (odd, then.tier) == (Decimal("2000.03"), "High")


def test_no_purchase_makes_a_mix_of_everything_out_of_less():
    now = at(MIX.format("100%"), all=(2000, 20), care=(600, 6))
    assert (now.next_tier, now.to_next_tier) == ("High", None)


@pytest.mark.parametrize(("care", "gap"), [(1000, 500), (700, None)])
@pytest.mark.parametrize("kind", ["gate", "qualifier"])
def test_a_share_that_other_goods_could_water_down_keeps_the_promise_back(care, gap, kind):
    mix = 'name = "care"\nof = "mix"\ncounts.product.family = "Care"\n'
    tiers = LOW + HIGH.format(2000)
    if kind == "gate":
        text = f'[[gates]]\n{mix}at_least = "45%"\n{tiers}'
    else:
        tiers = tiers.replace('threshold = "0"', 'threshold = { spend = "0", care = "10%" }')
        tiers = tiers.replace('threshold = "2000"', 'threshold = { spend = "2000", care = "45%" }')
        text = f'[[qualifiers]]\nname = "spend"\nof = "amount"\n[[qualifiers]]\n{mix}{tiers}'
    now = at(text, all=(1500, 15), care=(care, 10))
    assert (now.tier, now.to_next_tier) == ("Low", gap)


def test_who_is_its_own_baseline_never_grows_by_buying_more():
    text = (
        'qualifier = "growth"\n[growth]\nbaseline = "fixed"\nzero = "as_100_percent"\n'
        '[[tiers]]\nname = "Kept"\nthreshold = "100%"\nrate = "1%"\n[[tiers]]\nname = "Grown"\nthreshold = "110%"\nrate = "2%"\n'
    )
    now = at(text, Inputs(baseline=Decimal(0)), all=(1000, 10))
    assert (now.tier, now.next_tier, now.to_next_tier) == ("Kept", "Grown", None)
    grows = at(text, Inputs(baseline=Decimal(1000)), all=(1000, 10))
    assert (grows.to_next_tier, grows.rebate_at_next_tier) == (100, 22)


def test_what_an_earlier_program_takes_it_takes_of_the_purchase_too():
    now = at(LOW + HIGH.format(2000), Inputs(reduction=Decimal(100)), all=(1000, 10))
    assert (now.rebate, now.to_next_tier, now.rebate_at_next_tier) == (90, 1000, 360)
