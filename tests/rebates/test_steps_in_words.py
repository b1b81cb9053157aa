"""The steps of a standing tell how its terms came to be what they are, and do not contradict each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from rebates import Inputs, parse_program, standing
from rebates.totals import Tally
from rebates.versions import standing_across

HEAD = 'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\nperiod = "quarter"\n'
FIXED = '[[tiers]]\nname = "A"\nthreshold = "1000"\namount = "300"\n'


def said(at) -> list[str]:
    return [step.text for step in at.steps]


def test_a_piece_of_a_period_says_how_many_days_and_what_they_make_smaller():
    program = parse_program(
        f'{HEAD}max_payout = "500"\n{FIXED}[proration]\nby = "days"\nof = ["amount", "max_payout"]\n'
    )
    at = standing(
        program, "2026-Q1", amount=2000, as_of=date(2026, 3, 31), inputs=Inputs(active_from=date(2026, 2, 15))
    )
    told = said(at)
    assert at.rebate == 150
    assert "45 of 90 days: fixed amounts and the cap times 1/2" in told
    assert "A: 300 USD fixed, here 150.00" in told
    whole = standing(program, "2026-Q1", amount=2000, as_of=date(2026, 3, 31))
    assert "A: 300 USD fixed" in said(whole) and not any("times" in one for one in said(whole))


def test_thresholds_of_a_year_say_what_part_of_it_the_period_is():
    program = parse_program(f'{HEAD}{FIXED}[proration]\nannual = ["threshold"]\n')
    at = standing(program, "2026-Q1", amount=300, as_of=date(2026, 3, 31))
    assert "1/4 of a year: thresholds times 1/4" in said(at)


def test_a_baseline_says_that_it_is_an_average_and_what_it_was_raised_by():
    program = parse_program(
        HEAD.replace('"quarter"', '"quarter"\nqualifier = "growth"')
        + '[growth]\nbaseline = "average"\nyears = 2\nindexed = "10%"\n[[tiers]]\nname = "Up"\nthreshold = "110%"\nrate = "2%"\n'
    )
    at = standing(
        program, "2026-Q1", amount=8000, as_of=date(2026, 3, 31), inputs=Inputs(baseline=Decimal(10000))
    )
    assert "the baseline: 10000 in 2 years, 5000 on average, raised by 10% to 5500" in said(at)
    plain = replace(program, growth=replace(program.growth, baseline="fixed", indexed=Decimal(0)))
    same = standing(
        plain, "2026-Q1", amount=8000, as_of=date(2026, 3, 31), inputs=Inputs(baseline=Decimal(5500))
    )
    assert not any(one.startswith("the baseline") for one in said(same)), "it is what it says"


def test_terms_of_earlier_days_name_their_tier_and_nothing_says_that_there_is_no_rebate():
    old = parse_program(f'{HEAD}[[tiers]]\nname = "Gold"\nthreshold = "400"\nrate = "5%"\n')
    new = parse_program(
        f'{HEAD}effective_from = 2026-03-01\namendment = "as_of"\n[[tiers]]\nname = "Gold"\nthreshold = "9000"\nrate = "7%"\n'
    )
    parts = [
        (old, {"all": Tally(Decimal(500), Decimal(1), 1)}),
        (new, {"all": Tally(Decimal(10), Decimal(1), 1)}),
    ]
    at = standing_across(parts, old.period_of(date(2026, 3, 2)), as_of=date(2026, 3, 31))
    told = said(at)
    assert at.rebate == 25
    assert "500 USD on the terms from 2026-01-01: Gold, 5%: 25.00" in told
    assert "10 USD on the terms from 2026-03-01: no tier, 0.00" in told
    assert not any("there is no rebate" in one for one in told)


def test_what_could_not_be_counted_was_bought_all_the_same():
    program = parse_program(HEAD + FIXED)
    lacking = Inputs(missing=("no rate for JPY on 2026-02-03",))
    at = standing(program, "2026-Q1", {}, as_of=date(2026, 3, 31), inputs=lacking)
    assert "nothing that could be counted, so nothing is paid" in said(at)
    empty = standing(program, "2026-Q1", {}, as_of=date(2026, 3, 31))
    assert "nothing was bought, so nothing is paid" in said(empty)


def test_a_period_with_more_returns_than_purchases_says_that_nothing_is_taken_back():
    """Where returns count on their own day and no window goes on, what was settled before stays."""
    ten = '[[tiers]]\nthreshold = "0"\nrate = "10%"\n'
    words = "more was returned than bought, and that takes nothing back of what other periods paid"
    at = standing(parse_program(HEAD + ten), "2026-Q2", amount=-300)
    assert at.rebate == 0
    assert any(words in one for one in said(at))
    others = (
        standing(parse_program(HEAD + ten), "2026-Q2", amount=300),
        standing(parse_program(HEAD + '[settlement]\nwindow = "year"\n' + ten), "2026-Q2", amount=-300),
        standing(parse_program(HEAD + 'returns = "original_period"\n' + ten), "2026-Q2", amount=-300),
        standing(parse_program(HEAD + ten.replace('"0"', '"1000"')), "2026-Q2", amount=300),
    )
    assert not any(words in one for at in others for one in said(at))
