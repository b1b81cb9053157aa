"""What a second pair of eyes would ask about a valid program."""

from __future__ import annotations

import pytest

from rebates import parse_program
from rebates.lint import Facts, lint, lint_together

HEAD = 'key = "{key}"\nstarts = 2026-01-01\nends = 2026-12-31\n'


def program(text: str, key: str = "p", tiers: tuple[tuple[str, str], ...] = (("0", "1%"), ("1000", "2%"))):
    ladder = "".join(f'[[tiers]]\nthreshold = "{t}"\nrate = "{r}"\n' for t, r in tiers)
    return parse_program(HEAD.format(key=key) + text + "\n" + ladder)


def codes(found) -> list[str]:
    return [finding.code for finding in found]


@pytest.mark.parametrize(
    ("text", "tiers", "code", "words"),
    [
        ("", (("0", "1%"), ("1000", "2%")), "cliff", "jumps by 10.00 USD"),
        ("", (("0", "2%"), ("1000", "1%")), "benefit-falls", "less than Tier 1"),
        ("", (("500", "1%"),), "no-zero-tier", "below 500 nothing is earned"),
        ("", (("0", "1%"), ("100.01", "2%")), "odd-threshold", "means 100"),
        ('max_payout = "10"', (("0", "1%"), ("5000", "2%")), "unreachable", "the cap of 10"),
        ('[members]\nregon = "EMEA"', (("0", "1%"),), "unusual-field", "account.regon"),
    ],
)
def test_a_doubtful_term_is_pointed_at(text, tiers, code, words):
    hits = [finding for finding in lint(program(text, tiers=tiers)) if finding.code == code]
    assert hits
    assert words in hits[0].message


def test_a_stepped_program_has_no_cliffs():
    assert "cliff" not in codes(lint(program('method = "stepped"')))


def test_a_short_period_at_the_end_is_pointed_at():
    text = 'key = "p"\nstarts = 2026-01-01\nends = 2026-11-10\nperiod = "quarter"\n[[tiers]]\nthreshold = "0"\nrate = "1%"\n'
    assert codes(lint(parse_program(text))) == ["short-period"]


def test_rules_that_match_nothing_and_currencies_without_a_rate_are_told():
    facts = Facts(
        {"A1": {"id": "A1", "region": "EMEA"}},
        {("account", "region"): frozenset({"EMEA", "APAC"})},
        frozenset({"USD", "EUR", "GBP"}),
        frozenset({"EUR"}),
    )
    found = lint(program('[members]\nregion = ["EMAE"]', tiers=(("0", "1%"),)), facts)
    assert codes(found) == ["nobody", "matches-nothing", "no-rate"]
    assert found[1].suggestion is not None
    assert "no rate" in found[2].message


def test_members_of_two_exclusive_programs_are_named():
    facts = Facts({"A1": {"id": "A1"}, "A2": {"id": "A2"}})
    one, two = (program('stacking = "exclusive"', key) for key in ("one", "two"))
    assert "A1, A2" in lint_together([one, two], facts)[0].message
    assert lint_together([one, program("", "three")], facts) == []


def test_parents_in_a_circle_and_members_below_members_are_told():
    accounts = {
        "HQ": {"id": "HQ", "type": "Head"}, "B1": {"id": "B1", "type": "Head", "parent_id": "HQ"},
        "X": {"id": "X", "parent_id": "Y"}, "Y": {"id": "Y", "parent_id": "X"},
    }  # fmt: skip
    found = lint(
        program('hierarchy.roll_up = "parent"\nmembers.type = "Head"', tiers=(("0", "1%"),)), Facts(accounts)
    )
    assert codes(found) == ["circle", "circle", "enrolled-below"]
    assert "its orders count for B1 only" in found[-1].message


def test_an_order_that_two_exclusive_programs_pay_to_two_members_is_told():
    """A branch counts for itself in one program and for its parent in the other: neither beats the other."""
    facts = Facts({"HQ": {"id": "HQ"}, "B1": {"id": "B1", "parent_id": "HQ"}})
    alone = program('stacking = "exclusive"', "alone")
    rolled = program('stacking = "exclusive"\nhierarchy.roll_up = "parent"', "rolled")
    found = lint_together([alone, rolled], facts)
    assert codes(found) == ["two-exclusive", "paid-twice"]
    assert "orders of B1 count for B1 in alone and for HQ in rolled" in found[1].message


def test_a_new_program_is_held_against_those_in_force():
    one, two = (program('stacking = "exclusive"', key) for key in ("one", "two"))
    facts = Facts({"A1": {"id": "A1"}}, programs=(two, one))
    assert codes(lint_together([one], facts)) == ["two-exclusive"]


def test_a_group_without_a_payee_and_a_second_word_for_next_payout_are_told():
    groups = 'hierarchy = { roll_up = "group", members = [{ account = "A1", group = "East" }] }'
    assert "nobody-paid" in codes(lint(program(groups)))
    found = lint(program('settlement.claw_back = "carry_forward"'))
    assert [entry.suggestion for entry in found if entry.code == "carry-forward"] == [
        'write claw_back = "next_payout"'
    ]


@pytest.mark.parametrize(
    ("period", "baseline", "told"),
    [
        ('period = "4-4-5"\nfirst_week = 2026-01-01', "same_period_last_year", True),
        ('period = "2 weeks"', "average", True),
        ('period = "2 weeks"', "fixed", False),
        ('period = "quarter"', "same_period_last_year", False),
    ],
)
def test_growth_over_weeks_is_compared_by_date_and_says_so(period, baseline, told):
    text = (
        f'key = "p"\nstarts = 2026-01-01\nends = 2026-12-30\n{period}\nqualifier = "growth"\n'
        f'[growth]\nbaseline = "{baseline}"\n[[tiers]]\nthreshold = "110%"\nrate = "1%"\n'
    )
    found = [entry for entry in lint(parse_program(text)) if entry.code == "growth-by-date"]
    assert [entry.level for entry in found] == (["warning"] if told else [])
