"""A standing whose rebate others decide says so: its steps end on what it gets, and nothing is promised that others take."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import select

from state.tables.work import events

LADDER = """
[[tiers]]
name = "Silver"
threshold = "100"
rate = "1%"
[[tiers]]
name = "Gold"
threshold = "1000"
rate = "10%"
[alerts.near_tier]
days_left = 30
within = "5000"
"""
HEAD = 'key = "{}"\nstarts = 2026-01-01\nends = 2026-12-31\n'
EXCLUSIVE = '[stacking]\nmode = "exclusive"\ngroup = "g"\n'
FLAT = '[[tiers]]\nname = "One"\nthreshold = "0"\nrate = "{}%"\n'


@pytest.fixture
def shop(make_shop):
    shop = make_shop()
    shop.today(date(2026, 6, 15))
    for name in ("Acme", "Bell"):
        shop.account(name)
    return shop


def bought(shop, account, amount, day):
    shop.order(f"of {account}", account, date(2026, 6, day), {"amount": amount})


def told(shop):
    with shop.opened.store.read() as tx:
        return list(tx.execute(select(events.c.kind, events.c.tier).where(events.c.kind == "near_tier")))


def last_steps(document, *kinds):
    return [(step["kind"], Decimal(step["amount"])) for step in document["steps"] if step["kind"] in kinds]


def test_the_steps_of_a_standing_end_on_what_the_budget_leaves_it(shop):
    shop.program(HEAD.format("p") + 'budget = "250"\n' + LADDER)
    bought(shop, "Acme", 2000, 2)
    bought(shop, "Bell", 3000, 3)
    shop.sync()
    bell = shop.standings()["p", "Bell", "2026-06"]
    assert bell["rebate"] == "50.00"
    assert last_steps(bell, "rounded", "budget") == [("rounded", 300), ("budget", 50)]
    assert bell["steps"][-1]["text"] == "the budget leaves 50.00 of 300.00"
    assert shop.broken_promises() == []


def test_the_steps_of_a_beaten_standing_end_on_nothing(shop):
    shop.program(HEAD.format("p") + LADDER + EXCLUSIVE)
    shop.program(HEAD.format("q") + FLAT.format(50) + EXCLUSIVE, "q")
    bought(shop, "Acme", 2000, 2)
    shop.sync()
    beaten = shop.standings()["p", "Acme", "2026-06"]
    assert last_steps(beaten, "rounded", "beaten") == [("rounded", 200), ("beaten", 0)]
    assert shop.broken_promises() == []


def test_the_shares_of_a_group_follow_what_the_budget_leaves_it(shop):
    shop.account("Child", parent="Acme")
    shared = '[hierarchy]\nroll_up = "parent"\npay = "share"\n'
    shop.program(HEAD.format("p") + 'budget = "10"\n' + LADDER + shared)
    bought(shop, "Acme", 1000, 2)
    bought(shop, "Child", 1000, 3)
    shop.sync()
    child = shop.standings()["p", "Child", "2026-06"]
    assert child["rebate"] == "5.00"
    assert last_steps(child, "rounded", "budget", "share") == [("rounded", 200), ("budget", 10), ("share", 5)]
    assert shop.broken_promises() == []


def test_a_used_up_budget_makes_nobody_near_the_next_tier(shop):
    shop.program(HEAD.format("p") + 'budget = "200"\n' + LADDER)
    bought(shop, "Acme", 2000, 2)
    bought(shop, "Bell", 900, 3)
    shop.sync()
    bought(shop, "Bell", 950, 3)
    shop.sync()
    bell = shop.standings()["p", "Bell", "2026-06"]
    assert (bell["status"], bell["rebate"], bell["rebate_at_next_tier"], bell["uplift"]) == (
        "on_track", "0.00", "0.00", "0.00",
    )  # fmt: skip
    assert told(shop) == []


def test_what_is_left_of_a_budget_is_what_the_next_tier_brings(shop):
    shop.program(HEAD.format("p") + 'budget = "230"\n' + LADDER)
    bought(shop, "Acme", 2000, 2)
    bought(shop, "Bell", 900, 3)
    shop.sync()
    bell = shop.standings()["p", "Bell", "2026-06"]
    assert (bell["status"], bell["rebate"], bell["uplift"]) == ("near_next_tier", "9.00", "21.00")


def test_nobody_is_called_for_a_tier_of_a_beaten_program(shop):
    shop.program(HEAD.format("p") + LADDER + EXCLUSIVE)
    shop.program(HEAD.format("q") + FLAT.format(50) + EXCLUSIVE, "q")
    bought(shop, "Acme", 900, 2)
    shop.sync()
    bought(shop, "Acme", 950, 2)
    shop.sync()
    beaten = shop.standings()["p", "Acme", "2026-06"]
    assert (beaten["status"], beaten["rebate_at_next_tier"], beaten["uplift"]) == ("on_track", None, None)
    assert told(shop) == []


def test_a_winner_is_near_its_next_tier(shop):
    shop.program(HEAD.format("p") + LADDER + EXCLUSIVE)
    shop.program(HEAD.format("q") + FLAT.format("0.5") + EXCLUSIVE, "q")
    bought(shop, "Acme", 900, 2)
    shop.sync()
    winner = shop.standings()["p", "Acme", "2026-06"]
    assert (winner["status"], winner["uplift"]) == ("near_next_tier", "91.00")
