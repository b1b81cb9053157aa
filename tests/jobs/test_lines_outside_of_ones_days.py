"""An order that fits the rules and still counts for nobody, or for somebody else: explain says so and from which day."""

from __future__ import annotations

from datetime import date

import pytest

from jobs.explanation import explain
from tests.jobs.conftest import sf_id

TERMS = """
key = "care"
starts = 2026-01-01
ends = 2026-12-31
period = "quarter"
[[tiers]]
threshold = "100"
rate = "10%"
"""
GROUP = """
[hierarchy]
roll_up = "group"
[[hierarchy.members]]
account = "{acme}"
group = "East"
last = 2026-05-15
[[hierarchy.members]]
account = "{acme}"
group = "West"
first = 2026-05-16
[[hierarchy.members]]
account = "{bell}"
group = "West"
[hierarchy.payees]
East = "{acme}"
West = "{bell}"
"""


def reasons(shop, account):
    (found,) = explain(shop.opened, account, period="2026-Q2")
    counted = {one.order_number for one in found.contributions}
    return counted, {one.line.order_number: one.reason for one in found.not_counted}


def bought(shop, *days):
    for number, day in enumerate(days, start=1):
        shop.order(str(number), "Acme", day, {"amount": 100})


@pytest.fixture
def store(shop):
    shop.today(date(2026, 6, 20))
    return shop


def test_an_order_from_before_the_account_takes_part_says_from_when_it_does(store):
    store.program(TERMS)
    store.account("Acme", active_from="2026-05-01", active_to="2026-06-10")
    bought(store, date(2026, 4, 30), date(2026, 5, 1), date(2026, 6, 10), date(2026, 6, 11))
    store.sync()
    counted, why = reasons(store, "Acme")
    assert counted == {"2", "3"}
    assert why == {
        "1": "from before Acme takes part (2026-05-01)",
        "4": "from after Acme took part (until 2026-06-10)",
    }


def test_an_order_that_counts_for_another_groups_payee_names_it(store):
    ids = {name.lower(): sf_id("001", name) for name in ("Acme", "Bell")}
    store.program(TERMS + GROUP.format(**ids))
    store.account("Acme")
    store.account("Bell")
    bought(store, date(2026, 5, 15), date(2026, 5, 16))
    store.sync()
    counted, why = reasons(store, "Acme")
    assert (counted, why) == ({"1"}, {"2": "counts for Bell on that day"})
    counted, why = reasons(store, "Bell")
    assert (counted, why) == ({"2"}, {"1": "counts for Acme on that day"})
