"""A ladder changes under standings that have a tier of the former one: tiers come and go, members change markets."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select

from state.tables.work import events as told

HEAD = 'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\n'
BRONZE = '[[tiers]]\nname = "Bronze"\nthreshold = "50"\nrate = "0.5%"\n'
SILVER = '[[tiers]]\nname = "Silver"\nthreshold = "100"\nrate = "1%"\n'
GOLD = '[[tiers]]\nname = "Gold"\nthreshold = "1000"\nrate = "2%"\n'
ONLY = (
    '[market.EMEA]\nregion = ["EMEA"]\n[[market.EMEA.tiers]]\nname = "Only"\nthreshold = "100"\nrate = "3%"\n'
)


def news(shop) -> list[tuple[str, str]]:
    with shop.opened.store.read() as tx:
        return [(row.kind, row.tier) for row in tx.execute(select(told.c.kind, told.c.tier))]


@pytest.fixture
def acme(shop):
    """Acme is in Gold, its market is the US."""
    shop.program(HEAD + SILVER + GOLD + ONLY)
    shop.account("Acme", region="US")
    shop.order("1", "Acme", date(2026, 6, 2), {"amount": 2000})
    shop.sync()
    return shop


def where(shop):
    found = shop.standings("p")["p", "Acme", "2026-06"]
    return found["tier"], found["rebate"]


def test_a_tier_that_is_taken_away_is_no_tier_that_somebody_lost(acme):
    acme.program(HEAD + SILVER)
    acme.sync()
    assert (where(acme), news(acme)) == (("Silver", "20.00"), [])


def test_a_member_moves_to_a_market_with_a_shorter_ladder(acme):
    acme.account("Acme", region="EMEA")
    acme.sync()
    assert (where(acme), news(acme)) == (("Only", "60.00"), [])


def test_a_tier_that_is_inserted_below_is_no_tier_that_somebody_reached(acme):
    acme.program(HEAD + BRONZE + SILVER + GOLD)
    acme.sync()
    assert (where(acme), news(acme)) == (("Gold", "40.00"), [])
