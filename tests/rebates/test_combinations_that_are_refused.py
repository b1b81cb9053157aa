"""Keys that would pay something wrong together are refused by name, with what to write instead; their neighbors are not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from rebates import Inputs, InvalidProgram, Program, parse_program, standing
from rebates.amendments import why_not_added
from rebates.totals import Tally, Target
from rebates.versions import in_order

HEAD = 'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\n'
TIER = '[[tiers]]\nthreshold = "0"\nrate = "10%"\n'
YEAR = '[settlement]\nwindow = "year"\n'
MONTHLY_OR_YEARLY = 'leave [settlement] window out, or settle once for all of it: period = "year"'
GROWTH = '[growth]\nbaseline = "{}"\n[[tiers]]\nthreshold = "110%"\nrate = "3%"\n'
ATTAINMENT = 'qualifier = "attainment"\n[targets]\nA = "1000"\n[[tiers]]\nthreshold = "100%"\nrate = "2%"\n'
RETAIL = 'key = "p"\nstarts = 2026-02-01\nends = 2027-01-30\nperiod = "4-5-4"\nfirst_week = 2026-02-01\n'


def refused(text: str) -> dict[str, tuple[str, str]]:
    """Key → what is wrong, and what to write instead."""
    with pytest.raises(InvalidProgram) as caught:
        parse_program(text, "p.toml")
    assert all(one.line for one in caught.value.problems)
    return {one.key: (one.message, one.suggestion or "") for one in caught.value.problems}


@pytest.mark.parametrize(
    ("text", "key", "message", "instead"),
    [
        (
            HEAD + 'max_payout = "100"\n' + YEAR + TIER,
            "max_payout",
            "of the whole year",
            "max_payout_program",
        ),
        (HEAD + 'guarantee = "100"\n' + YEAR + TIER, "guarantee", "paid once", MONTHLY_OR_YEARLY),
        (
            HEAD + YEAR + TIER + '[market.APAC]\nmax_payout = "100"\n',
            "market.APAC.max_payout",
            "of the whole year",
            MONTHLY_OR_YEARLY,
        ),
        (
            HEAD + YEAR + '[proration]\nannual = ["threshold"]\n' + TIER,
            "proration.annual",
            "part of a year",
            "write the values of a year and leave annual out",
        ),
        (
            HEAD + YEAR + '[proration]\nby = "days"\nof = ["threshold"]\n' + TIER,
            "proration.of",
            "piece of one period",
            MONTHLY_OR_YEARLY,
        ),
        (
            HEAD + 'qualifier = "growth"\n' + YEAR + GROWTH.format("same_period_last_year"),
            "growth",
            "the baseline is that of one period",
            MONTHLY_OR_YEARLY,
        ),
        (
            HEAD
            + YEAR.replace("year", "half_year")
            + '[[gates]]\nname = "g"\nof = "growth"\nat_least = "100%"\n'
            + GROWTH.format("5000").replace("110%", "110"),
            "growth",
            "bought over the half year so far",
            'period = "half_year"',
        ),
        (
            RETAIL + YEAR + TIER,
            "settlement.window",
            "no beginning of a year of the 4-5-4 calendar",
            'window = "program", in a program of one year',
        ),
    ],
)
def test_what_is_meant_for_one_period_is_not_held_against_a_window(text, key, message, instead):
    found = refused(text)
    assert list(found) == [key]
    assert message in found[key][0]
    assert instead in found[key][1]


@pytest.mark.parametrize(
    "text",
    [
        HEAD + YEAR + TIER,
        HEAD + 'max_payout_program = "100"\nmin_payout = "5"\n' + YEAR + TIER + 'max_measure = "500"\n',
        HEAD + 'max_payout = "100"\nguarantee = "10"\n' + TIER,
        HEAD + 'period = "year"\nmax_payout = "100"\nguarantee = "10"\n' + YEAR + TIER,
        HEAD + 'qualifier = "growth"\n' + GROWTH.format("same_period_last_year"),
        HEAD + 'period = "year"\nqualifier = "growth"\n' + YEAR + GROWTH.format("same_period_last_year"),
        HEAD + ATTAINMENT + YEAR,
        RETAIL + YEAR.replace("year", "program") + TIER,
        HEAD + 'period = "week"\n' + YEAR + TIER,
    ],
)
def test_what_is_counted_over_the_same_days_goes_together(text):
    assert parse_program(text).key == "p"


def test_targets_of_single_periods_do_not_go_with_a_window():
    program = parse_program(HEAD + ATTAINMENT + YEAR)
    assert with_target(program, None).given, "one for all of the window does"
    with pytest.raises(InvalidProgram) as caught:
        with_target(program, "2026-02")
    (found,) = caught.value.problems
    assert found.key == "targets"
    assert "a target for 2026-02 alone" in found.message
    assert "one target for the whole year, with no period" in str(found.suggestion)
    assert with_target(parse_program(HEAD + ATTAINMENT), "2026-02").given


def with_target(program: Program, period: str | None) -> Program:
    return replace(program, given=(Target("A", period, program.targets["A"], None),))


AS_OF = 'effective_from = 2026-07-01\namendment = "as_of"\n'


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        (YEAR, "", "[settlement] window"),
        (YEAR, YEAR + 'claw_back = "invoice"\n', "[settlement] claw_back"),
        ("", "grace_days = 5\n", "grace_days"),
        ("", 'late_lines = "ignore"\n', "late_lines"),
        ('returns = "original_period"\n', "", "returns"),
        ("", 'stacking = { mode = "exclusive", group = "g" }\n', "[stacking]"),
        ("", '[hierarchy]\nroll_up = "parent"\npay = "share"\n', "[hierarchy] pay"),
    ],
)
def test_an_amendment_from_a_day_on_leaves_how_all_periods_are_settled(before, after, key):
    old, new = (parse_program(text) for text in (HEAD + before + TIER, HEAD + AS_OF + after + TIER))
    why = why_not_added(in_order([old, new])) or ""
    assert f"with another {key} than the terms from 2026-01-01" in why
    assert "write the same into both files, or end the program on 2026-06-30" in why
    assert why_not_added(in_order([old, parse_program(HEAD + AS_OF + before + TIER)])) is None
    corrected = HEAD + AS_OF.replace("as_of", "latest") + after + TIER
    assert why_not_added(in_order([old, parse_program(corrected)])) is None, "a correction may"


def test_an_amendment_from_a_day_on_changes_rates_limits_members_and_groups():
    group = (
        '[hierarchy]\nroll_up = "group"\nmembers = [{ account = "A", group = "G" }]\npayees = { G = "A" }\n'
    )
    better = TIER.replace("10%", "12%")
    old = parse_program(HEAD + YEAR + TIER)
    new = parse_program(HEAD + AS_OF + 'min_payout = "5"\n' + YEAR + group + better)
    assert why_not_added(in_order([old, new])) is None


GATE = '[[gates]]\nname = "g"\nof = "quantity"\nat_least = "10"\n'
ANNUAL = '[proration]\nannual = ["{}"]\n'
DAYS = '[proration]\nby = "days"\nof = ["{}"]\n'


@pytest.mark.parametrize(
    ("text", "key", "message", "instead"),
    [
        (
            'max_payout_program = "150"\nguarantee = "100"\n',
            "guarantee",
            "also above max_payout_program",
            "leave one of them out",
        ),
        ('guarantee = "100"\n' + GATE, "guarantee", "while the gate 'g' is closed", "leave one of them out"),
        (
            'max_payout = "1200"\nguarantee = "500"\n' + ANNUAL.format("max_payout"),
            "guarantee",
            "500 is above max_payout 1200 in a period (only max_payout is written for a year)",
            "name both in [proration], or neither",
        ),
        (
            'max_payout = "90"\nguarantee = "1200"\n' + ANNUAL.format("guarantee"),
            "guarantee",
            "only guarantee is written for a year",
            "name both in [proration], or neither",
        ),
        (
            'max_payout = "500"\nguarantee = "100"\n' + DAYS.format("max_payout"),
            "guarantee",
            "only max_payout shrinks",
            "name both in [proration], or neither",
        ),
        ('max_payout = "500"\nguarantee = "600"\n', "guarantee", "600 is above max_payout 500", "raise"),
    ],
)
def test_a_guarantee_goes_past_no_limit(text, key, message, instead):
    found = refused(HEAD + text + TIER)
    assert list(found) == [key]
    assert message in found[key][0]
    assert instead in found[key][1]


@pytest.mark.parametrize(
    "text",
    [
        'max_payout = "500"\nguarantee = "1200"\n' + ANNUAL.format("guarantee"),
        'max_payout = "6000"\nguarantee = "500"\n' + ANNUAL.format("max_payout"),
        'max_payout = "1200"\nguarantee = "1200"\n' + ANNUAL.format('max_payout", "guarantee'),
        'max_payout = "500"\nguarantee = "100"\n' + DAYS.format('max_payout", "guarantee'),
        'max_payout = "500"\nguarantee = "100"\n' + DAYS.format("guarantee"),
        'max_payout_program = "150"\n' + GATE,
        'guarantee = "0"\nmax_payout_program = "150"\n',
    ],
)
def test_limits_that_leave_the_guarantee_room_go_with_it(text):
    assert parse_program(HEAD + text + TIER).key == "p"


def test_a_markets_guarantee_is_held_against_the_programs_gates():
    found = refused(HEAD + GATE + TIER + '[market.APAC]\nguarantee = "100"\n')
    assert "while the gate 'g' is closed" in found["market.APAC.guarantee"][0]


COUNTED = '[{}_counts]\nproduct.family = "X"\n'
PER = '[[tiers]]\nthreshold = "0"\nrate = "10%"\nper = "100"\n'
LINE = '[[tiers]]\nthreshold = "0"\nfrom = "1%"\nto = "3%"\nuntil = "200"\n'
BREADTH = (
    '[[qualifiers]]\nname = "breadth"\nof = "categories"\nfield = "product.family"\nvalues = ["X", "Y"]\n'
)


@pytest.mark.parametrize(
    ("text", "key", "message", "instead"),
    [
        (
            'qualifier = "quantity"\n' + LINE,
            "tiers[1].from",
            "paid on their number",
            "amounts in from and to",
        ),
        (COUNTED.format("measure") + PER, "tiers[1].per", "what the measure counts", "an amount for each"),
        (COUNTED.format("qualifier") + PER, "tiers[1].per", "what the measure counts", "an amount for each"),
        (COUNTED.format("measure") + LINE, "tiers[1].from", "what the measure counts", "the same lines"),
        (BREADTH + PER, "tiers[1].per", "along what qualifies", "an amount for each"),
        (
            'qualifier = "quantity"\n'
            + COUNTED.format("measure")
            + PER.replace('rate = "10%"', 'per_unit = "2"'),
            "tiers[1].per",
            "what the measure counts",
            "an amount for each",
        ),
    ],
)
def test_a_rate_along_what_qualifies_is_paid_on_nothing_else(text, key, message, instead):
    found = refused(HEAD + text)
    assert list(found) == [key]
    assert message in found[key][0]
    assert instead in found[key][1]


@pytest.mark.parametrize(
    "text",
    [
        PER,
        LINE,
        COUNTED.format("measure") + COUNTED.format("qualifier") + PER,
        COUNTED.format("measure") + TIER,
        COUNTED.format("qualifier") + PER.replace('rate = "10%"', 'amount = "10"'),
        'qualifier = "quantity"\n' + LINE.replace("%", ""),
        'qualifier = "quantity"\n' + PER.replace('rate = "10%"', 'per_unit = "2"'),
        BREADTH + PER.replace('rate = "10%"', 'amount = "10"'),
    ],
)
def test_increments_and_lines_of_what_is_paid_on_go(text):
    assert parse_program(HEAD + text).key == "p"


def prorated(name: str, what: str = "threshold") -> str:
    return "[proration]\n" + ('by = "days"\n' if name == "of" else "") + f'{name} = ["{what}"]\n'


GROWING = 'qualifier = "growth"\n' + GROWTH.format("1000")
COUNT = BREADTH + TIER


@pytest.mark.parametrize("name", ["of", "annual"])
@pytest.mark.parametrize(
    ("text", "message", "instead"),
    [
        (ATTAINMENT, "shrinks no target", "a target of its own for the period"),
        (GROWING, "the tiers ask for growth", 'new_members = "prorate"'),
        (COUNT, "the tiers ask for categories", "leave it out"),
    ],
)
def test_a_threshold_that_does_not_shrink_is_refused(name, text, message, instead):
    found = refused(HEAD + text + prorated(name))
    assert list(found) == [f"proration.{name}"]
    assert message in found[f"proration.{name}"][0]
    assert instead in found[f"proration.{name}"][1]
    assert parse_program(HEAD + TIER + prorated(name)).key == "p"
    assert parse_program(HEAD + text + prorated(name, "amount")).key == "p"


def test_a_baseline_is_shortened_where_growth_says_it():
    (found,) = refused(HEAD + GROWING + prorated("of", "baseline")).values()
    assert found[0] == "a baseline shrinks by no [proration]"
    assert 'new_members = "prorate" in [growth]' in found[1]


def test_what_shrinks_says_by_what_and_weeks_are_no_part_of_a_year():
    found = refused(HEAD + TIER + '[proration]\nof = ["threshold"]\n')
    assert found["proration.of"][1] == 'by = "days" (or "months")'
    for weeks in (RETAIL, HEAD + 'period = "4 weeks"\n'):
        message, instead = refused(weeks + TIER + prorated("annual"))["proration.annual"]
        assert "are no months" in message
        assert instead == "write the values for one period"
        assert parse_program(weeks + TIER + prorated("of")).key == "p"


def test_a_number_of_categories_does_not_shrink_beside_an_amount_that_does():
    spend = '[[qualifiers]]\nname = "spend"\nof = "amount"\n'
    tier = '[[tiers]]\nthreshold = { breadth = "2", spend = "1000" }\nrate = "10%"\n'
    program = parse_program(HEAD + BREADTH + spend + tier + prorated("of"))
    joined = Inputs(active_from=date(2026, 4, 16))

    def rebate(families: int) -> Decimal:
        bought = Tally(Decimal(500), Decimal(1), 1)
        totals = {"all": bought, **{f"breadth:{one}": bought for one in "XY"[:families]}}
        return standing(program, "2026-04", totals, inputs=joined).rebate

    assert rebate(2) == 50, "500 is half of 1000, for half of the month"
    assert rebate(1) == 0, "two families are two families"


def test_a_year_from_the_middle_of_a_month_is_one_year():
    head = 'key = "p"\nstarts = 2027-03-15\nends = 2028-03-14\nperiod = "program"\nmax_payout = "1200"\n'
    program = parse_program(head + TIER + prorated("annual", "max_payout"))
    assert standing(program, "program", amount=50000).rebate == 1200
