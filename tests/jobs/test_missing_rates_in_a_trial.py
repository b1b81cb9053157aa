"""What a missing rate leaves open is said by `program try` wherever a sync says it."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

import pytest

from jobs.trial import run_trial
from jobs.trial_files import TrialFiles, TrialLine
from rebates import parse_program

TIERS = """
[[tiers]]
name = "One"
threshold = "0"
rate = "10%"
[[tiers]]
name = "Two"
threshold = "1000"
rate = "20%"
"""
HEAD = 'key = "{key}"\nstarts = 2026-01-01\nends = 2026-12-31\nperiod = "month"\n'
TODAY = date(2026, 4, 20)
SALES = [  # account, day, amount, currency
    ("Acme", date(2025, 3, 5), "50", "GBP"),
    ("Acme", date(2025, 3, 6), "50", ""),
    ("Acme", date(2026, 1, 5), "400", ""),
    ("Acme", date(2026, 2, 5), "300", "GBP"),
    ("Acme", date(2026, 3, 5), "200", ""),
    ("Bell", date(2026, 2, 6), "100", ""),
    ("Bell", date(2026, 4, 6), "100", ""),
    ("Cove", date(2026, 2, 7), "500", "GBP"),
]
EXCLUSIVE = '[stacking]\nmode = "exclusive"\ngroup = "g"\n'
SEQUENCE = '[stacking]\nmode = "sequential"\ngroup = "s"\norder = {order}\n'
GROWTH = '[growth]\nbaseline = "same_period_last_year"\ncompare = "index"\n[[tiers]]\nname = "One"\nthreshold = "100%"\nrate = "10%"\n'
PROGRAMS = {
    "plain": [HEAD.format(key="p") + TIERS],
    "of units": [HEAD.format(key="p") + 'qualifier = "quantity"\n' + TIERS.replace("1000", "2")],
    "a year to date": [HEAD.format(key="p") + TIERS + '[settlement]\nwindow = "year"\n'],
    "a quarter to date": [HEAD.format(key="p") + TIERS + '[settlement]\nwindow = "quarter"\n'],
    "a minimum payout": [HEAD.format(key="p") + 'min_payout = "30"\n' + TIERS],
    "a guarantee": [HEAD.format(key="p") + 'guarantee = "30"\n' + TIERS],
    "a budget": [HEAD.format(key="p") + 'budget = "35"\n' + TIERS],
    "a budget that is enough": [HEAD.format(key="p") + 'budget = "3500"\n' + TIERS],
    "two of which one pays": [
        HEAD.format(key="p") + TIERS + EXCLUSIVE,
        HEAD.format(key="q") + TIERS.replace("10%", "9%") + EXCLUSIVE,
    ],
    "growth": [HEAD.format(key="p") + GROWTH],
    "one after the other": [
        HEAD.format(key="p") + TIERS + SEQUENCE.format(order=1),
        HEAD.format(key="q") + TIERS + SEQUENCE.format(order=2),
    ],
}


def spread(missing) -> set[str]:
    """Where something is missing, without which order and day; of its own rate the store names the currency once."""
    found = {re.sub(r"(order \d+: )?no rate for (\w+) on [-\d]+", r"\2", said) for said in missing}
    found = {re.sub(r"001(\w+?)z+\b", r"\1", said) for said in found}
    return {"GBP"} if "GBP" in found else found


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_missing_rate_is_told_where_a_sync_tells_it(shop, name):
    shop.today(TODAY)
    for number, text in enumerate(PROGRAMS[name]):
        shop.program(text, f"p{number}")
    for account in ("Acme", "Bell", "Cove"):
        shop.account(account)
    shop.rate("USD", "1")
    lines = []
    for number, (account, day, amount, currency) in enumerate(SALES):
        shop.order(
            str(number), account, day, {"amount": int(amount), "quantity": 2}, currency=currency or "USD"
        )
        lines.append(
            TrialLine(
                number,
                str(number),
                str(number),
                account,
                day,
                Decimal(2),
                Decimal(amount),
                currency or None,
                None,
                None,
                {},
            )
        )
    assert not shop.sync().refused
    store = {
        (program, account, period): (Decimal(doc["rebate"]), Decimal(doc["qualifying_quantity"]), spread(doc["incomplete"]))
        for (program, account, period), doc in shop.standings().items()
    }  # fmt: skip
    trial = run_trial(
        [parse_program(text, "p") for text in PROGRAMS[name]], TrialFiles(lines=lines), as_of=TODAY
    )
    told = {
        (row.standing.program, row.standing.member, row.standing.period.key): (
            row.standing.rebate, row.standing.qualifying_quantity, spread(row.standing.incomplete),
        )
        for row in trial.standings
    }  # fmt: skip
    assert told == {key: store[key] for key in told}
    assert any(missing for _, _, missing in told.values())
