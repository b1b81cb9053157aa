"""Of exclusive programs only the better pays: what the other earned is not carried into a later payout either."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D

import pytest

from jobs.trial import run_trial
from jobs.trial_files import TrialFiles
from rebates import InvalidProgram, parse_program
from rebates.settle import Due, payouts_beside_rivals
from tests.jobs.test_every_kind_of_program import BUYERS, HEAD, LADDER, Sales, furnish

EXCLUSIVE = '[stacking]\nmode = "exclusive"\ngroup = "g"\n'
FLAT = "[[tiers]]\nname = 'Base'\nthreshold = '0'\nrate = '4%'\n"


def paid(*dues: Due, minimum: str | None = None) -> list[tuple[D, D]]:
    """(paid, carried) of each period."""
    least = None if minimum is None else D(minimum)
    made = payouts_beside_rivals(dues, min_payout=least, claw_back="next_payout")
    return [(one.paid, one.carried) for _, one in made]


def test_what_a_beaten_period_earned_is_lost_and_what_was_carried_before_stays():
    """Minimum 100: 40 is carried, 50 is beaten, 70 wins: 110 is paid, not 160."""
    dues = Due(D(40), D(0)), Due(D(50), D(0), beaten=True), Due(D(70), D(0))
    assert paid(*dues, minimum="100") == [(0, 40), (0, 40), (110, 0)]


def test_what_was_carried_is_paid_in_the_last_period_though_it_is_beaten():
    dues = Due(D(40), D(0)), Due(D(50), D(0), beaten=True, last=True)
    assert paid(*dues, minimum="100") == [(0, 40), (40, 0)]


def test_a_period_that_was_paid_before_is_not_held_back_by_the_minimum():
    assert paid(Due(D(40), D(0), paid_before=True), minimum="100") == [(40, 0)]


def test_in_a_year_to_date_program_the_better_deal_has_paid_for_the_beaten_month():
    dues = Due(D(10), D(0)), Due(D(25), D(10), beaten=True), Due(D(45), D(25))
    assert paid(*dues) == [(10, 0), (0, 0), (20, 0)]


def test_what_was_paid_too_much_is_taken_back_though_the_month_is_beaten():
    """100 was paid; returns bring the year down to 60 in a month that another program wins."""
    dues = Due(D(100), D(0)), Due(D(60), D(100), beaten=True), Due(D(90), D(60)), Due(D(130), D(90))
    assert paid(*dues) == [(100, 0), (0, -40), (0, -10), (30, 0)]


def test_what_was_never_paid_is_not_taken_back():
    dues = Due(D(100), D(0), beaten=True), Due(D(60), D(100), beaten=True), Due(D(70), D(60))
    assert paid(*dues) == [(0, 0), (0, 0), (10, 0)]


def test_the_store_says_what_the_trial_says(shop):
    ids = {buyer: shop.id_of(buyer) for buyer in BUYERS}
    texts = [
        'min_payout = "90"\n' + HEAD.format(key=key, period="month") + tiers + EXCLUSIVE
        for key, tiers in (("steep", LADDER), ("flat", FLAT))
    ]
    sales, today = Sales(11, currencies=False), date(2026, 11, 24)
    shop.today(today)
    for number, text in enumerate(texts):
        shop.program(text, f"p{number}")
    furnish(shop, currencies=False)
    sales.into(shop)
    for _ in range(3):
        assert not shop.sync().refused
        trial = run_trial([parse_program(text, "p") for text in texts], sales.files(ids), as_of=today)
        store = {(p, ids[name], period): doc for (p, name, period), doc in shop.standings().items()}
        beaten = 0
        for row in trial.standings:
            at = row.standing
            doc = store[at.program, at.member or "", at.period.key]
            assert D(doc["rebate"]) == at.rebate
            assert (D(doc["payout"]["paid"]), D(doc["payout"]["carried"])) == (row.paid, row.carried), (
                at.program, at.member, at.period.key,
            )  # fmt: skip
            beaten += bool(row.remarks)
        assert beaten > 3
        sales.into(shop, {sales.add(), sales.change(), sales.change()})
    assert shop.broken_promises() == []


@pytest.mark.parametrize("windows", [("year", "year"), ("year", "period"), ("period", "quarter")])
def test_a_deal_that_counts_over_several_months_has_no_rival(shop, windows):
    """Two months paid by one and the year by the other is more than the better deal: 130 on what is worth 90."""
    texts = [
        HEAD.format(key=key, period="month") + tiers + EXCLUSIVE + f'[settlement]\nwindow = "{window}"\n'
        for (key, tiers), window in zip((("steep", LADDER), ("flat", FLAT)), windows, strict=True)
    ]
    for number, text in enumerate(texts):
        shop.program(text, f"p{number}")
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 1, 5), {"amount": 1000})
    shop.today(date(2026, 1, 20))
    refused = shop.sync().refused
    assert {one.key for one in refused} == {"steep", "flat"}
    assert all("window = " in one.reason and "both would pay" in one.reason for one in refused)
    assert shop.rebates() == {}
    with pytest.raises(InvalidProgram, match="no \\[settlement\\] window over several of them"):
        run_trial([parse_program(text, "p") for text in texts], TrialFiles())


def test_rivals_whose_window_is_one_period_are_compared(shop):
    for key, tiers in (("steep", LADDER), ("flat", FLAT)):
        shop.program(
            HEAD.format(key=key, period="year") + tiers + EXCLUSIVE + '[settlement]\nwindow = "year"\n', key
        )
    assert not shop.sync().refused
