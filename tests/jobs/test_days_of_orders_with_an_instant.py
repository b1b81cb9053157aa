"""`order.ordered_on` asks for the order's day in the program's time zone, also where the org has an instant and no day."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from jobs.explanation import explain
from jobs.trial import run_trial
from jobs.trial_files import TrialFiles, TrialLine
from rebates import parse_program

PROGRAM = """key = "care"
starts = 2026-01-01
ends = 2026-12-31
time_zone = "America/New_York"
[counts]
order.ordered_on = {}
[[tiers]]
name = "One"
threshold = "0"
rate = "10%"
"""
INSTANTS = {  # New York is four hours behind
    "31 May": datetime(2026, 6, 1, 3, 59, tzinfo=UTC),
    "1 June": datetime(2026, 6, 1, 4, 0, tzinfo=UTC),
    "2 June": datetime(2026, 6, 3, 3, 59, tzinfo=UTC),
    "3 June": datetime(2026, 6, 3, 4, 0, tzinfo=UTC),
}


@pytest.mark.parametrize(
    ("asked", "counted"),
    [
        ('{ at_least = "2026-06-01" }', {"1 June", "2 June", "3 June"}),
        ('{ above = "2026-06-01", at_most = "2026-06-02" }', {"2 June"}),
        ('{ below = "2026-06-02" }', {"31 May", "1 June"}),
        ('["2026-05-31", "2026-06-03"]', {"31 May", "3 June"}),
        ('{ not_in = ["2026-06-01"] }', {"31 May", "2 June", "3 June"}),
        ("{ present = true }", set(INSTANTS)),
        ("{ present = false }", set()),
    ],
)
def test_an_order_with_an_instant_has_the_day_that_it_is_there(shop, asked, counted):
    text = PROGRAM.format(asked)
    shop.today(date(2026, 7, 1))
    shop.program(text)
    shop.account("Acme")
    lines = []
    for number, (name, at) in enumerate(INSTANTS.items()):
        amount = 10 ** (number + 2)
        shop.order(
            name.replace(" ", ""), "Acme", at.date(), {"amount": amount}, ordered_on=None, ordered_at=at
        )
        line = TrialLine(
            number, name, name, shop.id_of("Acme"), at, Decimal(1), Decimal(amount), None, None, None, {}
        )
        lines.append(line)
    assert not shop.sync().refused
    due = Decimal(sum(10 ** (n + 1) for n, name in enumerate(INSTANTS) if name in counted))
    assert sum(shop.rebates().values()) == due
    trial = run_trial([parse_program(text, "p")], TrialFiles(lines=lines), as_of=date(2026, 7, 1))
    assert sum(row.standing.rebate for row in trial.standings) == due


def test_what_does_not_count_says_which_day_it_is_of(shop):
    shop.today(date(2026, 6, 10))
    shop.program(PROGRAM.format('{ at_least = "2026-06-02" }'))
    shop.account("Acme")
    early, late = datetime(2026, 6, 2, 3, 0, tzinfo=UTC), datetime(2026, 6, 2, 5, 0, tzinfo=UTC)
    for name, at in (("early", early), ("late", late)):
        shop.order(name, "Acme", at.date(), {"amount": 100}, ordered_on=None, ordered_at=at)
    shop.sync()
    (found,) = explain(shop.opened, "Acme", period="2026-06")
    assert [one.line.order_number for one in found.not_counted] == ["early"]
    assert "ordered_on is 2026-06-01, below 2026-06-02" in found.not_counted[0].reason
