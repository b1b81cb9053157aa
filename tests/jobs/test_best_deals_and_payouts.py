"""Of exclusive programs only the better pays: what the other earned is not carried into a later payout either."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D

import pytest

from jobs.trial import run_trial
from rebates import parse_program
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


@pytest.mark.parametrize(
    "terms",
    ['min_payout = "90"\n', '[settlement]\nwindow = "year"\n'],
    ids=["minimum payout", "year to date"],
)
def test_the_store_says_what_the_trial_says(make_shop, terms):
    shop = make_shop()
    ids = {buyer: shop.id_of(buyer) for buyer in BUYERS}
    head, tail = (terms, "") if "=" in terms.split("\n")[0] else ("", terms)
    texts = [
        head + HEAD.format(key=key, period="month") + tiers + EXCLUSIVE + tail
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


def test_the_steps_of_a_beaten_period_in_a_window_add_up_in_words(shop):
    """100 is paid in January; returns bring the year down to 60 in a February that the rival wins; March brings it to 90."""
    to_date = (
        '[counts]\nproduct.family = ["A"]\n' + FLAT.replace("4%", "10%") + '[settlement]\nwindow = "year"\n'
    )
    rival = '[counts]\nproduct.family = ["B"]\n' + FLAT
    shop.program(HEAD.format(key="todate", period="month") + to_date + EXCLUSIVE, "p0")
    shop.program(HEAD.format(key="rival", period="month") + rival + EXCLUSIVE, "p1")
    shop.account("Acme")
    for family in "AB":
        shop.product(family, family=family)
    shop.order("1", "Acme", date(2026, 1, 5), {"amount": 1000, "product": "A"})
    shop.order(
        "2", "Acme", date(2026, 2, 5), {"amount": -400, "product": "A"}, {"amount": 5000, "product": "B"}
    )
    shop.order("3", "Acme", date(2026, 3, 5), {"amount": 300, "product": "A"})
    shop.today(date(2026, 3, 20))
    shop.sync()
    found = {period: doc for (_, _, period), doc in shop.standings("todate").items()}
    last = {period: [(s["text"], D(s["amount"])) for s in doc["steps"]][-2:] for period, doc in found.items()}
    assert last["2026-02"] == [
        ("not paid: rival is the better deal of the group g", D(0)),
        (
            "payout 0.00 USD: 40.00 USD of what was paid in the periods before is not earned any more; 40.00 USD was paid too much, "
            "and it is taken from the next payout",
            D(0),
        ),
    ]
    assert last["2026-03"] == [
        ("rebate 90.00 USD (exact)", D(90)),
        (
            "payout 0.00 USD: 90.00 USD to date less 60.00 USD to date in the period before; 40.00 USD still to be taken "
            "back from the periods before; 10.00 USD was paid too much, and it is taken from the next payout",
            D(0),
        ),
    ]


def test_a_beaten_period_in_a_window_that_takes_nothing_back_says_why_nothing_is_paid(shop):
    window = FLAT + '[settlement]\nwindow = "year"\n' + EXCLUSIVE
    shop.program(HEAD.format(key="todate", period="month") + window, "p0")
    shop.program(HEAD.format(key="rival", period="month") + FLAT.replace("4%", "9%") + EXCLUSIVE, "p1")
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 1, 5), {"amount": 1000})
    shop.order("2", "Acme", date(2026, 2, 5), {"amount": 1000})
    shop.today(date(2026, 2, 20))
    shop.sync()
    step = shop.standings("todate")["todate", "Acme", "2026-02"]["steps"][-1]
    assert (step["text"], step["amount"]) == (
        "payout 0.00 USD: another program of the group is the better deal",
        "0",
    )
