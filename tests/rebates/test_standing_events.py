"""What is worth saying when a standing moves, and that it is said once."""

from __future__ import annotations

from dataclasses import replace
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


def test_who_gets_nothing_of_a_used_up_budget_has_not_come_to_a_cap():
    earned = at("60000")
    nothing, something = (replace(earned, rebate=Decimal(left), capped=True) for left in ("0", "0.01"))
    assert kinds(earned, nothing) == []
    assert kinds(nothing, something) == [("cap_reached", "Gold")]


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


BRONZE, SILVER, GOLD, TOP = (
    f'[[tiers]]\nname = "{name}"\nthreshold = "{threshold}"\nrate = "{rate}"\n'
    for name, threshold, rate in (
        ("Bronze", "50", "0.5%"),
        ("Silver", "100", "1%"),
        ("Gold", "1000", "2%"),
        ("Top", "5000", "4%"),
    )
)


@pytest.mark.parametrize(
    ("former", "now", "amount", "told"),
    [
        (SILVER + GOLD, BRONZE + SILVER + GOLD, "500", []),
        (SILVER + GOLD, BRONZE + SILVER + GOLD, "2000", []),
        (BRONZE + SILVER + GOLD, SILVER + GOLD + TOP, "500", []),
        (SILVER + GOLD, SILVER, "2000", []),  # no Gold any more: nobody lost it
        (SILVER + GOLD, GOLD.replace("1000", "9000"), "500", []),
        (SILVER + GOLD, SILVER + GOLD.replace("1000", "400"), "500", [("tier_reached", "Gold")]),
        (SILVER + GOLD, SILVER + GOLD.replace("1000", "4000"), "2000", [("tier_lost", "Gold")]),
        (SILVER + GOLD, SILVER + GOLD + BRONZE.replace("50", "1500"), "2000", [("tier_reached", "Bronze")]),
    ],
)
def test_on_a_changed_ladder_a_tier_is_known_by_its_name(former, now, amount, told):
    head = 'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\n'
    before, after = (
        standing(parse_program(head + ladder), amount=amount, as_of=DAY) for ladder in (former, now)
    )
    assert [(event.kind, event.tier) for event in events(PROGRAM, before, after, DAY)] == told


TO_DATE = parse_program(
    'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\nperiod = "month"\n[settlement]\nwindow = "half_year"\n' + SILVER + TOP
    + '[alerts.near_tier]\nwithin = "500"\n'
)  # fmt: skip


def to_date(amount: str, day: date, **inputs):
    return standing(
        TO_DATE, TO_DATE.period_of(day), amount=amount, as_of=day, member="A1", inputs=Inputs(**inputs)
    )


def test_news_of_a_gap_in_a_window_say_until_when_it_can_be_closed():
    """The days left are the period's, as everywhere; what is bought in the months after counts toward the tier, too."""
    near = to_date("4600", date(2026, 2, 26))
    assert (near.status, near.days_left) == ("near_next_tier", 3)
    (event,) = (one for one in events(TO_DATE, None, near, date(2026, 2, 26)) if one.kind == "near_tier")
    assert event.due == date(2026, 2, 28)
    assert event.text == (
        "400 USD short of Top, 3 days left: 154.00 USD more (what is bought later counts toward it, too, until 2026-06-30)"
    )
    last = to_date("4600", date(2026, 6, 26))
    (event,) = (one for one in events(TO_DATE, None, last, date(2026, 6, 26)) if one.kind == "near_tier")
    assert event.text == "400 USD short of Top, 5 days left: 154.00 USD more"


def test_the_pace_of_a_window_is_that_of_the_window():
    """900 in the first of six months leads to some 5,400, which is Top again; 300 does not."""
    day = date(2026, 7, 31)
    assert to_date("900", day, last_tier="Top").status == "on_track"
    slow = to_date("300", day, last_tier="Top")
    assert slow.status == "at_risk"
    (event,) = (one for one in events(TO_DATE, None, slow, day) if one.kind == "at_risk")
    assert event.text == "at this pace its tier on 2026-12-31 is below Top, the tier of the period before"


def test_a_tier_is_counted_until_the_end_of_its_window_or_of_the_program():
    def until(text: str, month: int) -> date:
        program = parse_program(
            'key = "p"\nstarts = 2026-01-01\nends = 2026-11-30\nperiod = "month"\n' + text + SILVER
        )
        return program.tier_until(program.periods()[month - 1])

    assert until("", 2) == date(2026, 2, 28)
    assert until('[settlement]\nwindow = "quarter"\n', 2) == date(2026, 3, 31)
    assert until('[settlement]\nwindow = "quarter"\n', 10) == date(2026, 11, 30)
    assert until('[settlement]\nwindow = "program"\n', 1) == date(2026, 11, 30)
