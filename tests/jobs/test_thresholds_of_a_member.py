"""Where a tier begins for a member: what the card draws is the amount that the steps compare with, not what the file says."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from jobs.documents import document_of
from jobs.views import Shown, view_of
from rebates import parse_program, standing
from rebates.totals import Inputs
from state.people import Member
from state.totals import Cell

HEAD = 'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\nperiod = "quarter"\n'
MET = '[[tiers]]\nname = "Met"\nthreshold = "100%"\nrate = "2%"\n[[tiers]]\nname = "Beaten"\nthreshold = "120%"\nrate = "3%"\n'
ATTAINMENT = f'{HEAD}qualifier = "attainment"\n{MET}'
GROWTH = (
    f'{HEAD}qualifier = "growth"\n[growth]\nbaseline = "same_period_last_year"\n{MET.replace("100%", "105%")}'
)
ANNUAL = f'{HEAD}[proration]\nby = "months"\nannual = ["threshold"]\n[[tiers]]\nname = "Gold"\nthreshold = "720000"\nrate = "5%"\n'


def shown(text, amount, inputs):
    """The document of a standing in 2026-Q4, and what of it can be written to the org."""
    program = parse_program(text)
    at = standing(program, "2026-Q4", amount=amount, as_of=date(2026, 11, 24), member="A1", inputs=inputs)
    document = document_of(at)
    one = Shown(Cell(1, 2), document, program, at.period, MEMBER)
    return document, view_of(one, org_id="00D000000000001AAA", today=at.as_of)["standing"]


MEMBER = Member(1, "001000000000001AAA", "Glow", None, None, None, None, "USD", gone=False)


def begins(document):
    return [tier["threshold"] for tier in document["ladder"]["tiers"]]


def test_a_target_makes_its_thresholds_amounts():
    document, view = shown(ATTAINMENT, "95200", Inputs(target=Decimal(100_000)))
    assert begins(document) == ["100000", "120000"]
    assert (document["next_threshold"], document["to_next_tier"]) == ("100000", "4800")
    assert view["progress"] == Decimal("0.9520")
    assert [tier["threshold"] for tier in view["tier_ladder"]["tiers"]] == [
        Decimal(100_000),
        Decimal(120_000),
    ]


def test_growth_begins_at_its_part_of_the_baseline():
    document, view = shown(GROWTH, "134400", Inputs(baseline=Decimal(200_000)))
    assert begins(document) == ["210000", "240000"]
    assert (view["next_threshold"], view["progress"]) == (Decimal(210_000), Decimal("0.6400"))


def test_a_threshold_of_a_year_is_shown_as_its_part_of_the_period():
    document, view = shown(ANNUAL, "171000", Inputs())
    assert begins(document) == ["180000"]
    assert (view["to_next_tier"], view["progress"]) == (Decimal(9_000), Decimal("0.9500"))


@pytest.mark.parametrize("text", [ATTAINMENT, GROWTH])
def test_without_anything_to_measure_against_no_amount_is_claimed(text):
    document, view = shown(text, "95200", Inputs())
    assert begins(document) == [None, None]
    assert document["incomplete"]
    assert (view["next_threshold"], view["progress"], view["tier_ladder"]) == (None, None, None)


def test_at_the_top_there_is_nothing_left_to_reach():
    document, view = shown(ATTAINMENT, "130000", Inputs(target=Decimal(100_000)))
    assert (document["next_threshold"], view["progress"]) == (None, Decimal(1))
