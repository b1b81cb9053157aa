"""The short way through a plain ladder and the way band by band come to the same standing, field by field."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import product

import pytest

from rebates import Inputs, Program, Tally, parse_program, standing
from rebates.case import plain_rungs, plain_terms

HEAD = 'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\n'
LADDERS = {
    "rates": ('threshold = "0"\nrate = "1%"', 'threshold = "100"\nrate = "2.5%"', 'threshold = "250.5"\nrate = "4%"'),
    "a late start": ('threshold = "50"\nrate = "1%"', 'threshold = "100"\nrate = "2%"'),
    "amounts": ('threshold = "50"\namount = "7"', 'threshold = "100"\namount = "9.55"'),
    "mixed": ('threshold = "0"\nrate = "1%"', 'threshold = "100"\namount = "30"', 'threshold = "200"\nrate = "2%"'),
    "units": ('threshold = "1"\nper_unit = "1.255"', 'threshold = "100"\nper_unit = "2"'),
}  # fmt: skip
TERMS = (
    "",
    'max_payout = "2"\n',
    'guarantee = "1"\n',
    "alerts = { near_tier = { within = '60' } }\n",
)
VALUES = (
    "-20",
    "0",
    "0.01",
    "49.99",
    "50",
    "99.99",
    "100",
    "100.00",
    "100.01",
    "200",
    "250.50",
    "1000.555555",
)


def program(name: str, method: str, boundary: str, terms: str, first: int) -> Program:
    tiers = "".join(
        f"[[tiers]]\n{tier}\n" + ("back_to_first = true\n" if number == first else "")
        for number, tier in enumerate(LADDERS[name])
    )
    qualifier = 'qualifier = "quantity"\n' if name == "units" else ""
    return parse_program(f'{HEAD}method = "{method}"\nboundary = "{boundary}"\n{qualifier}{terms}{tiers}')


KINDS = [
    (name, method, boundary, terms, first)
    for name, method, boundary, terms in product(LADDERS, ("retrospective", "stepped"), ("reach", "exceed"), TERMS)
    for first in ((-1, 1) if method == "stepped" else (-1,))
]  # fmt: skip


@pytest.mark.parametrize(("name", "method", "boundary", "terms", "first"), KINDS)
def test_both_ways_say_the_same(name, method, boundary, terms, first):
    short, long = (program(name, method, boundary, terms, first) for _ in range(2))
    assert plain_terms(short).ladder is not None
    long.__dict__["_plain_terms"] = plain_terms(long)._replace(ladder=None)
    for value, last_tier in product(VALUES, (None, "Tier 1", "Tier 2")):
        told = [
            standing(
                one,
                "2026-01",
                {"all": Tally(Decimal(value), Decimal(value), 3)},
                as_of=date(2026, 1, 20),
                inputs=Inputs(last_tier=last_tier),
            )
            for one in (short, long)
        ]
        assert told[0] == told[1]
        assert [str(at.rebate) for at in told] == [str(told[1].rebate)] * 2
        assert [step.text for step in told[0].steps] == [step.text for step in told[1].steps]
        assert told[0].higher_tiers == told[1].higher_tiers


@pytest.mark.parametrize("more", ['max_measure = "10"', 'per = "10"', 'boundary = "exceed"'])
def test_a_ladder_that_needs_more_goes_band_by_band(more):
    text = HEAD + '[[tiers]]\nthreshold = "1"\nrate = "1%"\n[[tiers]]\nthreshold = "5"\nrate = "2%"\n' + more
    assert plain_terms(parse_program(text)).ladder is None


def test_what_depends_on_the_member_goes_band_by_band():
    text = HEAD + 'max_payout_program = "10"\n[[tiers]]\nthreshold = "1"\nrate = "1%"\n'
    made = parse_program(text)
    assert plain_terms(made) == (plain_rungs(made), None, None)
