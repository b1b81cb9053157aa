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
        ("", (("0", "1"),), "high-rate", "1 is 100% of what it is paid on"),
        ("", (("0", "0.6"),), "high-rate", "0.6 is 60%"),
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


@pytest.mark.parametrize("written", ["60%", "100 %", "0.6%", "0.5"])
def test_a_rate_with_its_percent_sign_is_what_it_says(written):
    assert "high-rate" not in codes(lint(program("", tiers=(("0", written),))))


def test_a_doubtful_rate_says_both_ways_to_write_it():
    (hit,) = [one for one in lint(program("", tiers=(("0", "0.75"),))) if one.code == "high-rate"]
    assert hit.suggestion == 'did you mean "0.75%"? If not, write "75%"'


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


@pytest.mark.parametrize("word", ["invoice", "waive"])
def test_a_claw_back_without_a_window_has_nothing_to_take_back(word):
    alone = program(f'settlement.claw_back = "{word}"')
    (found,) = [entry for entry in lint(alone) if entry.code == "nothing-to-claw-back"]
    assert f'claw_back = "{word}" has nothing to do' in found.message
    assert 'returns = "original_period"' in str(found.suggestion)
    within = program(f'settlement = {{ window = "year", claw_back = "{word}" }}')
    assert "nothing-to-claw-back" not in codes(lint(within))
    assert "nothing-to-claw-back" not in codes(lint(program("")))


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


SPECIAL = '[ship_and_debit]\nfield = "spa"\n[[ship_and_debit.agreements]]\nname = "SPA-7"\nreference = "10"\nprice = "8"\n'
MAPPED = {
    "account": frozenset({"type"}),
    "product": frozenset({"family"}),
    "order": frozenset({"status"}),
    "line": frozenset({"promo"}),
}


def said(text: str, facts: Facts) -> list[tuple[str, str]]:
    return [(one.code, one.message) for one in lint(program(text, tiers=(("0", "1%"),)), facts)]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (SPECIAL, "line.spa"),
        ('[ship_and_debit]\nlines = "exclude"\n', "line.agreement"),
        ('[counts]\norder.channel = ["Web"]\n', "order.channel"),
        ('[measure_counts]\nproduct.brand = ["Own"]\n', "product.brand"),
        ('[members]\nsegment = ["Key"]\n', "account.segment"),
        (
            '[[qualifiers]]\nname = "q"\nof = "categories"\nfield = "product.line"\nvalues = ["A"]\n',
            "product.line",
        ),
    ],
)
def test_a_field_that_the_mapping_does_not_have_is_told(text, field):
    """Every record is without it, so that nothing is counted, or nothing left out, and nobody was told."""
    side = field.partition(".")[0]
    assert ("unmapped", f"the mapping has no {field}, so no {side} has one") in said(
        text, Facts(mapped=MAPPED)
    )
    assert "unmapped" not in [code for code, _ in said(text, Facts())], "without a mapping nobody knows"


def test_what_differs_from_row_to_row_is_no_field_without_values():
    facts = Facts(
        values={("line", "promo"): frozenset({"X"}), ("order", "status"): frozenset({"Activated"})},
        mapped=MAPPED,
    )
    mapped = {**MAPPED, "line": frozenset({"promo", "amount"}), "order": frozenset({"status", "number"})}
    text = '[counts]\nline.amount = ["5"]\norder.number = ["1"]\nline.promo = ["Y"]\n'
    assert said(text, Facts(values=facts.values, mapped=mapped)) == [
        ("matches-nothing", 'no line has promo "Y"')
    ]


def test_a_mapped_field_that_no_record_has_a_value_of_matches_nothing():
    facts = Facts(
        values={("product", "family"): frozenset({"Care"})},
        mapped={**MAPPED, "product": frozenset({"family", "brand"})},
    )
    (found,) = lint(program('[counts]\nproduct.brand = ["Own"]\n', tiers=(("0", "1%"),)), facts)
    assert (found.message, found.suggestion) == ('no product has brand "Own"', "none has any")


def test_a_special_price_that_only_the_lines_or_only_the_program_know_is_told():
    facts = Facts(values={("line", "spa"): frozenset({"SPA-8"})}, mapped={"line": frozenset({"spa"})})
    told = said(SPECIAL, facts)
    assert ("matches-nothing", 'no line has spa "SPA-7"') in told
    assert any(
        code == "unknown-agreement" and "the spa SPA-8, which is not in this program (SPA-7)" in words
        for code, words in told
    )
    both = Facts(values={("line", "spa"): frozenset({"SPA-7"})}, mapped={"line": frozenset({"spa"})})
    assert said(SPECIAL, both) == []


def test_a_line_says_that_its_special_price_is_not_in_the_program():
    terms = program(SPECIAL + '[counts]\nproduct.family = ["Care"]\n', tiers=(("0", "1%"),))
    assert (
        terms.why_not({}, {"family": "Care"}, {}, {"spa": "SPA-8"})
        == 'spa "SPA-8" is not in this program (SPA-7)'
    )
    assert terms.why_not({}, {"family": "Care"}, {}, {"spa": "SPA-7"}) is None
    assert "product.family" in (terms.why_not({}, {"family": "Tools"}, {}, {"spa": "SPA-8"}) or "")


GROWN = (
    'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\nqualifier = "growth"\n{head}[growth]\n{growth}\n'
    '[[tiers]]\nthreshold = "110%"\nrate = "1%"\n'
)
LAST_YEAR = 'baseline = "same_period_last_year"'


@pytest.mark.parametrize(
    ("head", "growth", "currencies", "told"),
    [
        ("", LAST_YEAR, {"USD", "EUR"}, True),
        ("", LAST_YEAR, {"USD"}, False),
        ("", LAST_YEAR + '\non = "quantity"', {"USD", "EUR"}, False),
        ('rates = { EUR = "1.10" }\n', LAST_YEAR, {"USD", "EUR"}, False),
        ("", 'baseline = "5000"', {"USD", "EUR"}, False),
    ],
)
def test_growth_over_other_currencies_says_that_a_rate_counts_as_growth(head, growth, currencies, told):
    facts = Facts(currencies=frozenset(currencies), rated=frozenset(currencies))
    program = parse_program(GROWN.format(head=head, growth=growth))
    found = [entry for entry in lint(program, facts) if entry.code == "growth-by-rate"]
    assert [entry.key for entry in found] == ["growth.baseline"] * told
    assert all("EUR" in entry.message and "fixed" in (entry.suggestion or "") for entry in found)


@pytest.mark.parametrize(("years", "told"), [(3, True), (1, False)])
def test_an_average_of_years_says_what_a_year_without_sales_is(years, told):
    text = GROWN.format(head="", growth=f'baseline = "average"\nyears = {years}')
    found = [entry for entry in lint(parse_program(text)) if entry.code == "average-of-years"]
    assert [f"sum of {years} years" in entry.message for entry in found] == [True] * told
