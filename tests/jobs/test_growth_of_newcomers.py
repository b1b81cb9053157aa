"""Where growth is measured a newcomer is paid from the day on which it joins, in a sync and in a trial alike; what it bought
before is its baseline, as far as that lies before the program."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from jobs.explanation import explain
from jobs.trial import run_trial
from jobs.trial_files import TrialFiles, TrialLine
from rebates import parse_program
from rebates.totals import Target

HEAD = 'key = "care"\nstarts = 2026-01-01\nends = {ends}\nqualifier = "growth"\n'
TIER = '[[tiers]]\nname = "Grown"\nthreshold = "110%"\nrate = "10%"\n'
FIXED = HEAD.format(ends="2026-12-31") + '[growth]\nbaseline = "1000"\nnew_members = "prorate"\n' + TIER
LAST_YEAR = HEAD.format(ends="2026-12-31") + '[growth]\nbaseline = "same_period_last_year"\n' + TIER
TWO_YEARS = LAST_YEAR.replace("ends = 2026", "ends = 2027")
JOINED = date(2026, 4, 16)


def both(shop, text, sales, today, joined=JOINED, targets=()):
    """Period → (rebate, what it lacks), as a sync and a trial say alike."""
    shop.program(text)
    acme = shop.id_of("Acme")
    shop.today(today)
    shop.account("Acme", active_from=joined.isoformat())
    shop.account("Bell")
    for number, (day, amount) in enumerate(sales):
        shop.order(f"o{number}", "Acme", day, {"amount": amount})
    shop.order("bell", "Bell", date(2025, 1, 1), {"amount": 1})
    shop.sync()
    found = {
        period: (Decimal(one["rebate"]), tuple(one["incomplete"]))
        for (_, member, period), one in shop.standings().items()
        if member == "Acme" and one["lines"]
    }
    lines = [
        TrialLine(n, f"o{n}", "1", acme, day, Decimal(1), Decimal(amount), None, None, None, {})
        for n, (day, amount) in enumerate([*sales, (date(2025, 1, 1), 0)])
    ]
    accounts = {acme: {"active_from": joined.isoformat()}}
    trial = run_trial([parse_program(text)], TrialFiles(lines, accounts, targets=list(targets)), as_of=today)
    tried = {
        row.standing.period.key: (row.standing.rebate, row.standing.incomplete)
        for row in trial.standings
        if row.standing.lines
    }
    assert {period: rebate for period, (rebate, _) in tried.items()} == {
        period: rebate for period, (rebate, _) in found.items()
    }
    return found


def rebates(found):
    return {period: rebate for period, (rebate, _) in found.items()}


def test_days_before_joining_are_not_paid_and_do_not_grow_a_shortened_baseline(shop):
    # 15 of 30 days of 1000 are the baseline, so that 550 reach the tier.
    sales = [(date(2026, 3, 5), 5000), (date(2026, 4, 5), 1000), (date(2026, 4, 20), 540)]
    assert rebates(both(shop, FIXED, sales, date(2026, 5, 20))) == {"2026-04": 0}
    shop.order("more", "Acme", date(2026, 4, 21), {"amount": 10})
    shop.sync()
    assert shop.rebates()["Acme", "2026-04"] == 55


def test_what_was_bought_before_the_program_is_the_baseline_of_who_joins_later(shop):
    sales = [(date(2025, 5, 5), 1000), (date(2026, 3, 5), 5000), (date(2026, 5, 5), 1100)]
    assert rebates(both(shop, LAST_YEAR, sales, date(2026, 5, 20))) == {"2026-05": 110}


def test_days_of_the_program_before_joining_are_no_baseline_and_it_is_said_what_to_do(shop):
    sales = [
        (date(2025, 4, 17), 400),
        (date(2026, 4, 10), 900),
        (date(2026, 4, 20), 500),
        (date(2027, 4, 5), 1200),
    ]
    found = both(shop, TWO_YEARS, [*sales, (date(2027, 5, 5), 10)], date(2027, 5, 20))
    assert found["2026-04"] == (50, ())
    rebate, lacks = found["2027-04"]
    assert rebate == 0
    assert "before the member joined on 2026-04-16" in lacks[0]
    assert "targets file" in lacks[0]


def test_a_given_baseline_takes_the_place_of_days_before_joining(shop):
    text = TWO_YEARS
    given = Target(shop.id_of("Acme"), "2027-04", None, Decimal(1000))
    (shop.folder / "programs" / "program.targets.csv").write_text(
        f"account_id,period,baseline\n{shop.id_of('Acme')},2027-04,1000\n"
    )
    sales = [(date(2026, 4, 10), 900), (date(2026, 4, 20), 500), (date(2027, 4, 5), 1200)]
    found = both(shop, text, sales, date(2027, 4, 20), targets=[given])
    assert found["2027-04"] == (120, ())


@pytest.mark.parametrize("text", [FIXED, LAST_YEAR])
def test_explain_says_of_an_order_from_before_when_the_account_joined(shop, text):
    sales = [(date(2025, 4, 20), 100), (date(2026, 4, 15), 900), (date(2026, 4, 16), 2000)]
    both(shop, text, sales, date(2026, 4, 20))
    (found,) = explain(shop.opened, "Acme", period="2026-04")
    assert [one.order_number for one in found.contributions] == ["o2"]
    assert [(one.line.order_number, one.reason) for one in found.not_counted] == [
        ("o1", "from before Acme takes part (2026-04-16)")
    ]


@pytest.mark.parametrize("joined", [date(2025, 6, 1), date(2026, 1, 1)])
def test_who_joined_before_the_program_is_counted_from_its_first_day(shop, joined):
    sales = [(date(2025, 1, 5), 1000), (date(2026, 1, 1), 1100)]
    assert rebates(both(shop, LAST_YEAR, sales, date(2026, 1, 20), joined)) == {"2026-01": 110}
