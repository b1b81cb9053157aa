"""A program that the store cannot compute is refused by name: no wrong number, and the others go on."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from jobs.refused_programs import why_refused
from rebates import parse_program

PLAIN = """
key = "plain"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
[[tiers]]
threshold = "0"
rate = "10%"
"""
NUMBERED = '[counts]\norder.number = {at_least = "100"}\n'
REFUSED = PLAIN.replace("plain", "numbered").replace("[[tiers]]", NUMBERED + "[[tiers]]")


def test_a_refused_program_says_why_and_the_others_are_computed(shop):
    shop.program(PLAIN, "a")
    shop.program(REFUSED, "b")
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 6, 2), {"amount": 500})
    done = shop.sync()
    (refused,) = done.refused
    assert refused.key == "numbered"
    assert "order.number" in refused.reason
    assert shop.rebates() == {("Acme", "2026-06"): Decimal(50)}


def test_terms_that_are_refused_leave_the_standings_of_the_last_accepted_version(shop):
    shop.program(PLAIN, "a")
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 6, 2), {"amount": 500})
    shop.sync()
    shop.program(PLAIN.replace("[[tiers]]", NUMBERED + "[[tiers]]"), "a")
    shop.order("2", "Acme", date(2026, 6, 3), {"amount": 100})
    assert [one.key for one in shop.sync().refused] == ["plain"]
    assert shop.rebates() == {("Acme", "2026-06"): Decimal(50)}
    shop.program(PLAIN, "a")
    assert not shop.sync().refused
    assert shop.rebates() == {("Acme", "2026-06"): Decimal(60)}, "what was missed is made up"
    assert shop.broken_promises() == []


def test_another_rate_moves_standings_whose_totals_stay_the_same(shop):
    shop.program(PLAIN, "a")
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 5, 2), {"amount": 500})
    shop.sync()
    shop.program(PLAIN.replace("10%", "15%"), "a")
    shop.sync()
    assert shop.rebates()["Acme", "2026-05"] == 75


def test_exclusive_programs_whose_periods_differ_are_refused_and_do_not_both_pay(shop):
    exclusive = PLAIN.replace("[[tiers]]", 'stacking = "exclusive"\n[[tiers]]')
    shop.program(exclusive, "a")
    shop.program(exclusive.replace('"plain"', '"quarterly"').replace('"month"', '"quarter"'), "b")
    shop.program(PLAIN.replace('"plain"', '"beside"'), "c")
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 6, 2), {"amount": 500})
    done = shop.sync()
    assert {one.key: "both would pay" in one.reason for one in done.refused} == {
        "plain": True,
        "quarterly": True,
    }
    assert shop.rebates() == {("Acme", "2026-06"): Decimal(50)}, "the third goes on"


def exclusive(key, rate, group="g", mode="exclusive"):
    stacking = f'stacking = {{ mode = "{mode}", group = "{group}" }}\n[[tiers]]'
    return PLAIN.replace("plain", key).replace("10%", f"{rate}%").replace("[[tiers]]", stacking)


def rebates(shop):
    return {key[0]: int(Decimal(doc["rebate"])) for key, doc in shop.standings().items()}


def test_when_one_of_an_exclusive_group_is_refused_the_others_are_too_and_say_because_of_whom(shop):
    gold = exclusive("gold", 10)
    shop.program(gold, "a")
    shop.program(exclusive("base", 5), "b")
    shop.program(exclusive("other", 1, group="h"), "c")
    shop.program(exclusive("beside", 2, mode="parallel"), "d")
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 6, 2), {"amount": 500})
    shop.sync()
    assert rebates(shop) == {"gold": 50, "base": 0, "other": 5, "beside": 10}
    shop.order("2", "Acme", date(2026, 6, 3), {"amount": 500})
    shop.program(gold.replace("[[tiers]]", NUMBERED + "[[tiers]]"), "a")
    why = {one.key: one.reason for one in shop.sync().refused}
    assert why.keys() == {"gold", "base"}
    assert "order.number" in why["gold"]
    assert why["base"] == "it and gold exclude each other, and gold is not computed: both would pay"
    assert rebates(shop) == {"gold": 50, "base": 0, "other": 10, "beside": 20}, "the others go on"
    shop.program(gold, "a")
    assert not shop.sync().refused
    assert rebates(shop) == {"gold": 100, "base": 0, "other": 10, "beside": 20}, "what was missed is made up"
    assert shop.broken_promises() == []


@pytest.mark.parametrize(
    "chained", ['min_payout = "5"', 'max_payout_program = "500"', 'settlement = { window = "year" }']
)
def test_a_budget_with_payouts_over_several_periods_is_refused_by_name(chained):
    """What a member is left of it moves all that follows for it: the store shares a budget period by period."""
    assert why_refused(parse_program('budget = "100"\n' + PLAIN)) is None
    assert why_refused(parse_program(chained + "\n" + PLAIN)) is None
    assert "a budget together with" in (
        why_refused(parse_program(f'budget = "100"\n{chained}\n{PLAIN}')) or ""
    )


@pytest.mark.parametrize(
    "chained", ['min_payout = "5"', 'max_payout_program = "500"', 'settlement = { window = "year" }']
)
def test_ignoring_late_lines_with_payouts_over_several_periods_is_refused_by_name(chained):
    """The late line would be left out of the period that it came too late for, and counted by all after it."""
    ignoring = 'late_lines = "ignore"\n' + PLAIN
    assert why_refused(parse_program(ignoring)) is None
    both = parse_program(chained + "\n" + ignoring)
    assert 'late_lines = "ignore" together with' in (why_refused(both) or "")


def test_who_bought_first_while_a_program_was_refused_has_a_standing_when_it_is_mended(shop):
    shop.program(PLAIN, "a")
    shop.account("Acme")
    shop.account("Beta")
    shop.order("1", "Acme", date(2026, 6, 2), {"amount": 500})
    shop.sync()
    shop.program(PLAIN.replace("[[tiers]]", NUMBERED + "[[tiers]]"), "a")
    shop.order("2", "Beta", date(2026, 6, 3), {"amount": 700})
    shop.sync()
    shop.program(PLAIN, "a")
    shop.sync()
    assert shop.rebates() == {("Acme", "2026-06"): Decimal(50), ("Beta", "2026-06"): Decimal(70)}
    assert shop.broken_promises() == []
