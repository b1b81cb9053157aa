"""What a settlement leaves over or takes back is said in words, billed by a record, and named until it is paid."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from jobs import payouts as work
from jobs.explanation import explain
from tests.jobs.test_payouts_in_the_store import waiting

LADDER = """
[[tiers]]
name = "Silver"
threshold = "10000"
rate = "5%"
[[tiers]]
name = "Gold"
threshold = "50000"
rate = "15%"
"""
HEAD = 'key = "care"\nstarts = 2026-01-01\nends = 2026-06-30\nperiod = "month"\ncurrency = "USD"\n'
JANUARY, FEBRUARY, JUNE = date(2026, 1, 20), date(2026, 2, 20), date(2026, 6, 20)


def to_date(claw_back):
    return HEAD + f'[settlement]\nwindow = "program"\nclaw_back = "{claw_back}"' + LADDER


def at_least(amount):
    return HEAD + f'min_payout = "{amount}"' + LADDER


@pytest.fixture
def opened(make_shop):
    """Opens a shop with a program that is known since January; Acme buys for 55,600 then."""

    def make(program, amount=55600):
        shop = make_shop()
        shop.today(date(2026, 1, 2))
        shop.program(program)
        shop.account("Acme")
        shop.sync()
        shop.today(JANUARY)
        shop.order("1", "Acme", JANUARY, {"amount": amount})
        shop.sync()
        return shop

    return make


def on(shop, day):
    shop.today(day)
    shop.sync()
    assert shop.broken_promises() == []
    return shop


def payouts(shop):
    return [(one.due.type, one.due.period, one.due.amount) for one in work.listed(shop.opened)]


def step(shop, period):
    document = shop.standings()["care", "Acme", period]
    return next((one["text"] for one in document["steps"] if one["kind"] == "payout"), None)


def parts(shop, period):
    (found,) = explain(shop.opened, "Acme", period=period)
    return [
        (one.amount, one.prior_period, one.rate) if one.told_apart else (one.amount, None, None)
        for one in found.postings
        if one.period == period and one.kind == "adjustment"
    ]


def paid_then_returned(opened, claw_back):
    """January is paid 8,340, and returns in February bring the year to 52,388 at Gold."""
    shop = on(opened(to_date(claw_back)), date(2026, 2, 1))
    shop.order("2", "Acme", FEBRUARY, {"amount": -3212})
    return on(shop, date(2026, 3, 1))


def test_what_is_invoiced_is_a_record_below_zero_of_its_own_type(opened):
    shop = paid_then_returned(opened, "invoice")
    assert payouts(shop) == [
        ("settled", "2026-01", Decimal(8340)),
        ("invoice", "2026-02", Decimal("-481.80")),
    ]
    (bill,) = [row for row in waiting(shop).values() if row["Period__c"] == "2026-02"]
    assert (bill["Type__c"], bill["Amount__c"]) == ("Invoice", Decimal("-481.80"))
    assert step(shop, "2026-02") == (
        "payout 0.00 USD: 7858.20 USD to date less 8340.00 USD to date in the period before; "
        "481.80 USD was paid too much and is to be invoiced"
    )
    shop.order("3", "Acme", date(2026, 3, 5), {"amount": 1000})
    on(shop, date(2026, 4, 1))
    assert payouts(shop)[2:] == [("settled", "2026-03", Decimal(150))], "what was billed is not taken twice"


def test_what_is_waived_or_taken_from_the_next_payout_is_said_and_no_record(opened):
    waived = paid_then_returned(opened, "waive")
    assert payouts(waived) == [("settled", "2026-01", Decimal(8340))]
    assert step(waived, "2026-02").endswith("481.80 USD was paid too much and is waived")
    taken = paid_then_returned(opened, "next_payout")
    assert payouts(taken) == [("settled", "2026-01", Decimal(8340))]
    assert step(taken, "2026-02").endswith(
        "481.80 USD was paid too much, and it is taken from the next payout"
    )
    assert "481.80 USD still to be taken back from the periods before" in step(taken, "2026-03")


def test_what_was_waived_is_not_paid_again_when_it_is_earned_again(opened):
    """8,340 were paid for January; 481.80 of it are waived in February, and March earns 781.80 more: 300 of them are new."""
    shop = paid_then_returned(opened, "waive")
    shop.order("3", "Acme", date(2026, 3, 5), {"amount": 5212})
    on(shop, date(2026, 4, 1))
    assert payouts(shop)[1:] == [("settled", "2026-03", Decimal(300))]
    assert step(shop, "2026-03") == (
        "payout 300.00 USD: 8640.00 USD to date less 7858.20 USD to date in the period before and 481.80 USD that was waived"
    )


def test_what_was_waived_stays_waived_while_it_is_not_earned_again(opened):
    """February waives 481.80, and March another 150; April earns back 150 of what was paid: nothing is owed yet."""
    shop = paid_then_returned(opened, "waive")
    shop.order("3", "Acme", date(2026, 3, 5), {"amount": -1000})
    on(shop, date(2026, 4, 1))
    shop.order("4", "Acme", date(2026, 4, 5), {"amount": 1000})
    on(shop, date(2026, 5, 1))
    assert payouts(shop) == [("settled", "2026-01", Decimal(8340))]


def test_what_is_carried_is_said_with_the_minimum_and_paid_in_the_last_period(opened):
    shop = on(opened(at_least("2300"), 20040), date(2026, 2, 1))
    assert payouts(shop) == []
    assert step(shop, "2026-01") == (
        "payout 0.00 USD: 1002.00 USD is below the minimum payout of 2300.00 USD, carried forward"
    )
    assert "1002.00 USD carried in from the periods before" in step(shop, "2026-02")
    for month in range(3, 8):
        on(shop, date(2026, month, 1))
    assert payouts(shop) == [("settled", "2026-06", Decimal(1002))], "carried forward, never lost"
    assert step(shop, "2026-06").endswith(
        "below the minimum payout of 2300.00 USD, paid because no payout follows"
    )


def test_a_period_that_was_paid_does_not_fall_below_the_minimum(opened):
    shop = opened(at_least("2300"), 42600)
    shop.order("2", "Acme", JANUARY, {"amount": 13000})
    on(shop, date(2026, 2, 1))
    assert payouts(shop) == [("settled", "2026-01", Decimal(8340))]
    shop.order("2", "Acme", JANUARY, {"amount": 13000}, deleted=True)
    on(shop, date(2026, 2, 3))
    # 42,600 at Silver is 2,130: the minimum was reached once, and the difference is all that comes back.
    assert payouts(shop)[1:] == [("adjustment", "2026-01", Decimal(-6210))]
    assert parts(shop, "2026-01") == [(-6210, -1950, -4260)]
    assert step(shop, "2026-01").endswith(
        "below the minimum payout of 2300.00 USD, which the period reached before"
    )
    assert step(shop, "2026-02") is None, "nothing is carried into the next period"


def test_a_correction_in_a_window_is_told_apart_as_in_a_plain_program(opened):
    shop = opened(to_date("next_payout"), 42600)
    shop.order("2", "Acme", JANUARY, {"amount": 13000})
    on(shop, date(2026, 2, 1))
    shop.order("3", "Acme", FEBRUARY, {"amount": 20000})
    on(shop, date(2026, 3, 1))
    assert payouts(shop) == [
        ("settled", "2026-01", Decimal(8340)),
        ("settled", "2026-02", Decimal(3000)),
    ]
    shop.order("2", "Acme", JANUARY, {"amount": 13000}, deleted=True)
    on(shop, date(2026, 3, 3))
    # January falls to Silver (2,130). To date February stays at Gold: what it pays rises by what January's tier took.
    assert parts(shop, "2026-01") == [(-6210, -1950, -4260)]
    assert parts(shop, "2026-02") == [(4260, 0, 4260)]


def test_what_cannot_be_told_apart_says_nothing_instead_of_something_wrong(opened):
    shop = on(opened(at_least("2300"), 20040), date(2026, 2, 1))
    shop.order("2", "Acme", FEBRUARY, {"amount": 40000})
    on(shop, date(2026, 3, 1))
    assert payouts(shop) == [("settled", "2026-02", Decimal(3002))]
    shop.order("1", "Acme", JANUARY, {"amount": 60000})
    on(shop, date(2026, 3, 3))
    assert parts(shop, "2026-02") == [(-1002, None, None)], "it moved because less is carried into it"
    (row,) = [
        one
        for one in waiting(shop).values()
        if one["Type__c"] == "Adjustment" and one["Period__c"] == "2026-02"
    ]
    assert (row.get("Late_Lines__c"), row.get("Tier_and_Terms__c")) == (None, None)


def test_terms_that_change_in_a_window_are_told_as_terms(opened):
    shop = on(opened(to_date("next_payout")), date(2026, 2, 1))
    shop.program(to_date("next_payout").replace("15%", "16%"))
    on(shop, date(2026, 2, 3))
    assert parts(shop, "2026-01") == [(556, 0, 556)]


def test_what_a_trial_nets_a_sync_pays_one_by_one(make_shop):
    """The example of docs/programs.md 2.17, whose February "pays 26.00"."""
    shop = make_shop()
    shop.today(date(2026, 1, 2))
    shop.program(
        'key = "care"\nstarts = 2026-01-01\nends = 2026-12-31\ngrace_days = 5\n'
        '[[tiers]]\nname = "One"\nthreshold = "0"\nrate = "1%"\n[[tiers]]\nname = "Two"\nthreshold = "2000"\nrate = "2%"\n'
    )
    shop.account("Acme")
    shop.sync()
    shop.order("1", "Acme", date(2026, 1, 10), {"amount": 1500})
    on(shop, date(2026, 2, 6))
    shop.order("2", "Acme", JANUARY, {"amount": 500})
    shop.order("3", "Acme", date(2026, 2, 10), {"amount": 100})
    on(shop, date(2026, 3, 6))
    assert payouts(shop) == [
        ("settled", "2026-01", Decimal(15)),
        ("adjustment", "2026-01", Decimal(25)),
        ("settled", "2026-02", Decimal(1)),
    ]


def test_a_deleted_order_is_an_adjustment_below_zero_whatever_the_claw_back(opened):
    shop = opened(to_date("waive"), 42600)
    shop.order("2", "Acme", JANUARY, {"amount": 13000})
    on(shop, date(2026, 2, 1))
    shop.order("2", "Acme", JANUARY, {"amount": 13000}, deleted=True)
    on(shop, date(2026, 2, 3))
    assert payouts(shop)[1:] == [("adjustment", "2026-01", Decimal(-6210))]
