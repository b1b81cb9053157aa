"""What is worth saying when a standing moves, and that it is said once."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from rebates import Inputs, events, parse_program, standing

PROGRAM = parse_program(
    'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\nmax_payout = "9000"\n[[tiers]]\nname = "Silver"\nthreshold = "10000"\nrate = "5%"\n'
    '[[tiers]]\nname = "Gold"\nthreshold = "50000"\nrate = "15%"\n[alerts.near_tier]\ndays_left = 7\nwithin = "5000"\n[alerts.period_closing]\ndays_left = 2\n'
)
DAY = date(2026, 11, 24)


def at(amount: str, day: date = DAY, **inputs):
    return standing(PROGRAM, amount=amount, as_of=day, member="A1", inputs=Inputs(**inputs))


def kinds(before, after, day: date = DAY) -> list[tuple[str, str]]:
    return [(event.kind, event.tier) for event in events(PROGRAM, before, after, day)]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, "100", []),
        (None, "45100", [("tier_reached", "Silver"), ("near_tier", "Gold")]),
        ("45100", "45200", [("near_tier", "Gold")]),
        ("44000", "50000", [("tier_reached", "Gold")]),
        (None, "50000", [("tier_reached", "Gold")]),  # not Silver, too: its benefit is not what holds
        ("50000", "9999.99", [("tier_lost", "Silver"), ("near_tier", "Silver")]),
        ("50000", "70000", [("cap_reached", "Gold")]),
        ("70000", "80000", []),
    ],
)
def test_a_movement_is_told_in_its_own_words(before, after, told):
    assert kinds(None if before is None else at(before), at(after)) == told


def test_near_tier_news_say_how_much_is_missing_and_what_it_brings():
    event = events(PROGRAM, None, at("45100"), DAY)[-1]
    assert event.text == "4900 USD short of Gold, 7 days left: 5245.00 USD more"
    assert (event.amount, event.due) == (Decimal(4900), date(2026, 11, 30))


def test_the_identity_of_news_holds_no_amount_and_no_day():
    first, second = (events(PROGRAM, None, at(amount), DAY)[-1] for amount in ("45100", "46000"))
    assert first.identity == second.identity == ("p", "A1", "2026-11", "near_tier", "Gold")


def test_a_period_that_is_about_to_close_is_told():
    assert ("period_closing", "") in kinds(None, at("100", date(2026, 11, 29)), date(2026, 11, 29))
    assert ("period_closing", "") not in kinds(None, at("100", date(2026, 11, 28)), date(2026, 11, 28))


def test_a_pace_below_the_last_periods_tier_is_at_risk():
    slow = at("4000", date(2026, 11, 20), last_tier="Silver")
    assert slow.status == "at_risk"
    assert ("at_risk", "Silver") in kinds(None, slow, date(2026, 11, 20))
    assert at("8000", date(2026, 11, 15), last_tier="Silver").status == "on_track"


def test_a_status_follows_the_calendar():
    assert standing(PROGRAM, "2026-11", {}, as_of=date(2026, 11, 24)).status == "not_started"
    assert at("60000").status == "top_tier"
    assert standing(PROGRAM, "2026-10", amount="60000", as_of=date(2026, 11, 24)).status == "closed"
