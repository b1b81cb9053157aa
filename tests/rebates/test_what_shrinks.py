"""What `[proration]` makes smaller, what it leaves alone, and what it cannot make smaller and therefore refuses."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from rebates import InvalidProgram, Tally, parse_program, standing
from rebates.caps import year_share
from rebates.periods import Period
from rebates.totals import Inputs

HEAD = 'key = "p"\nstarts = 2026-02-01\nends = 2027-01-30\n'
TIER = '[[tiers]]\nname = "Met"\nthreshold = "100%"\nrate = "2%"\n'
PLAIN = '[[tiers]]\nname = "One"\nthreshold = "1000"\nrate = "2%"\n'
OF = '[proration]\nby = "days"\nof = ["{}"]\n'
ANNUAL = '[proration]\nannual = ["{}"]\n'
TARGET = 'qualifier = "attainment"\n[targets]\nA = "100"\n'
GROWTH = 'qualifier = "growth"\n[growth]\nbaseline = "1000"\n'
RETAIL = 'period = "4-4-5"\nfirst_week = 2026-02-01\nguarantee = "1200"\n'
CATEGORIES = '[[qualifiers]]\nname = "breadth"\nof = "categories"\nfield = "product.family"\nvalues = ["Care", "Color"]\n'
SPEND = '[[qualifiers]]\nname = "spend"\nof = "amount"\n'
BOTH = '[[tiers]]\nname = "Both"\nthreshold = { breadth = "2", spend = "1000" }\nrate = "10%"\n'


@pytest.mark.parametrize(
    ("text", "key", "instead"),
    [
        (GROWTH + TIER + OF.format("baseline"), "of", 'new_members = "prorate"'),
        (GROWTH + TIER + ANNUAL.format("baseline"), "annual", "for one period"),
        (TARGET + TIER + OF.format("threshold"), "of", "a target of its own"),
        (TARGET + TIER + ANNUAL.format("threshold"), "annual", "a target of its own"),
        (GROWTH + TIER + OF.format("threshold"), "of", 'new_members = "prorate"'),
        (CATEGORIES + PLAIN.replace("1000", "2") + OF.format("threshold"), "of", "leave it out"),
        (PLAIN + OF.format("threshold").replace('by = "days"\n', ""), "of", 'by = "days"'),
        (RETAIL + PLAIN + ANNUAL.format("guarantee"), "annual", "for one period"),
    ],
)
def test_what_would_not_shrink_is_refused_with_what_to_write(text, key, instead):
    with pytest.raises(InvalidProgram) as refused:
        parse_program(HEAD + text)
    (one,) = refused.value.problems
    assert one.key == f"proration.{key}"
    assert instead in one.suggestion


@pytest.mark.parametrize(
    "text",
    [
        PLAIN + OF.format("threshold"),
        PLAIN + ANNUAL.format("threshold"),
        'qualifier = "quantity"\n' + PLAIN + ANNUAL.format("threshold"),
        CATEGORIES + SPEND + BOTH + OF.format("threshold"),
        'guarantee = "100"\n' + TARGET + TIER + OF.format("guarantee"),
        RETAIL + PLAIN + OF.format("guarantee"),
        GROWTH.replace("baseline", 'new_members = "prorate"\nbaseline') + TIER,
    ],
)
def test_what_shrinks_stands(text):
    assert parse_program(HEAD + text).tiers


def test_a_number_of_categories_stays_what_it_is_while_the_sum_beside_it_shrinks():
    program = parse_program(HEAD + CATEGORIES + SPEND + BOTH + OF.format("threshold"))
    joined = Inputs(active_from=date(2026, 4, 16))

    def with_families(**bought):
        totals = {name: Tally(Decimal(amount), Decimal(1), 1) for name, amount in bought.items()}
        return standing(
            program, "2026-04", {"all": Tally(Decimal(500), Decimal(2), 2)} | totals, inputs=joined
        )

    assert with_families(**{"breadth:Care": 500}).tier is None
    both = with_families(**{"breadth:Care": 250, "breadth:Color": 250})
    assert (both.tier, both.rebate) == ("Both", 50)


@pytest.mark.parametrize(
    ("start", "end", "share"),
    [
        (date(2027, 3, 15), date(2028, 3, 15), Fraction(1)),
        (date(2026, 3, 15), date(2027, 3, 15), Fraction(1)),
        (date(2026, 3, 15), date(2027, 9, 15), Fraction(3, 2)),
        (date(2026, 1, 5), date(2026, 1, 19), Fraction(14, 365)),
        (date(2026, 2, 1), date(2026, 3, 1), Fraction(1, 12)),
        (date(2026, 1, 1), date(2028, 1, 1), Fraction(2)),
    ],
)
def test_a_year_is_one_year_wherever_it_begins(start, end, share):
    assert year_share(Period(start, end, "")) == share
