"""Increments and straight lines are paid on what is paid on: on nothing else, and on no more than earlier programs left."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rebates import InvalidProgram, Tally, parse_program, standing
from rebates.totals import Inputs

HEAD = 'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\n'
LINE = '[[tiers]]\nthreshold = "50"\nfrom = "1%"\nto = "3%"\nuntil = "200"\n'
STEPS = '[[tiers]]\nthreshold = "0"\nrate = "10%"\nper = "100"\n'
MONEY_LINE = LINE.replace('"1%"', '"100"').replace('"3%"', '"300"')
MONEY_STEPS = STEPS.replace('rate = "10%"', 'amount = "10"')
CARE = 'product.family = "Care"\n'
ONLY_CARE = {
    "what decides": f"[qualifier_counts]\n{CARE}",
    "what is paid on": f"[measure_counts]\n{CARE}",
    "both": f"[qualifier_counts]\n{CARE}[measure_counts]\n{CARE}",
}
GROWN = 'qualifier = "growth"\n[growth]\nbaseline = "100"\ncompare = "index"\nmode = "{}"\n'


def problems(text):
    with pytest.raises(InvalidProgram) as refused:
        parse_program(HEAD + text)
    return [(one.key, one.message, one.suggestion) for one in refused.value.problems]


@pytest.mark.parametrize(
    ("text", "key", "said", "instead"),
    [
        ('qualifier = "quantity"\n' + LINE, "from", "grows with units", "amounts in from and to"),
        (ONLY_CARE["what decides"] + LINE, "from", "what the measure counts", "[measure_counts]"),
        (ONLY_CARE["what is paid on"] + STEPS, "per", "what the measure counts", "an amount for each increment"),
        (GROWN.format("excess") + LINE.replace("50", "1").replace("200", "2"), "from", "the excess", 'mode = "whole"'),
        ('[[qualifiers]]\nname = "m"\nof = "mix"\ncounts.product.family = "Care"\n' + LINE, "from", "what the measure counts", "amounts in from and to"),
    ],
)  # fmt: skip
def test_what_runs_along_something_else_than_is_paid_on_is_refused(text, key, said, instead):
    ((place, message, suggestion),) = problems(text)
    assert place == f"tiers[1].{key}"
    assert said in message
    assert instead in suggestion


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        STEPS,
        ONLY_CARE["both"] + LINE,
        ONLY_CARE["both"] + STEPS,
        'qualifier = "quantity"\n' + MONEY_LINE,
        ONLY_CARE["what decides"] + MONEY_STEPS,
        GROWN.format("whole") + LINE.replace("50", "1").replace("200", "2"),
        'qualifier = "quantity"\n' + STEPS.replace("rate", "per_unit").replace("10%", "10"),
    ],
)
def test_what_runs_along_what_is_paid_on_and_amounts_of_money_stand(text):
    assert parse_program(HEAD + text).tiers


def test_both_counters_of_the_same_lines_pay_as_one():
    totals = {name: Tally(Decimal(250), Decimal(2), 1) for name in ("qualifier", "measure")}
    totals["all"] = Tally(Decimal(9999), Decimal(99), 1)
    assert standing(parse_program(HEAD + ONLY_CARE["both"] + STEPS), "2026-01", totals).rebate == 20


@pytest.mark.parametrize(
    ("tier", "alone", "on_half"),
    [
        (STEPS, "100.00", "50.00"),
        (STEPS + 'max_measure = "300"\n', "30.00", "30.00"),
        (LINE.replace('"200"', '"2000"'), "29.49", "14.74"),
        (MONEY_STEPS, "100.00", "100.00"),
        (MONEY_LINE, "300.00", "300.00"),
    ],
)
def test_increments_and_lines_are_paid_on_what_the_programs_before_left(tier, alone, on_half):
    sequence = '[stacking]\nmode = "sequential"\norder = 2\n'
    program, whole = parse_program(HEAD + tier + sequence), {"all": Tally(Decimal(1000), Decimal(10), 1)}
    assert standing(program, "2026-01", whole).rebate == Decimal(alone)
    left = standing(program, "2026-01", whole, inputs=Inputs(reduction=Decimal(500)))
    assert left.rebate == Decimal(on_half)
