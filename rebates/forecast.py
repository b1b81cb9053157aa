"""Where a period is heading, and which opportunity to follow first. Estimates; no payout is made of them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from rebates.case import set_out
from rebates.money import Exact, exact, fraction, round_money, rounded, shown
from rebates.next_tier import rebate_of
from rebates.periods import Period
from rebates.program import Program
from rebates.standing import Standing, standing
from rebates.totals import NO_INPUTS, Tally, Totals


class Earnings(NamedTuple):
    """Earned at the tier reached, accrued at a chosen tier, and earned so far at the tier the pace leads to."""

    actual: Decimal
    accrued: Decimal
    actual_forecast: Decimal
    forecast_value: Decimal
    forecast_rebate: Decimal


def earnings(
    program: Program, period: Period, totals: Totals, *, elapsed: Fraction, accrual_tier: str
) -> Earnings:
    """All on the same totals; `elapsed` is the part of the period that has passed (above zero)."""
    if not 0 < elapsed <= 1:
        raise ValueError(f"{elapsed} of a period cannot have passed")
    now = standing(program, period, totals)
    ahead = {
        name: Tally(fraction(tally.amount) / elapsed, fraction(tally.quantity) / elapsed, tally.lines)
        for name, tally in totals.items()
    }
    then = standing(program, period, ahead)
    names = [tier.name for tier in program.tiers]
    return Earnings(
        now.rebate,
        _held(program, period, totals, names.index(accrual_tier)),
        _held(program, period, totals, then.tier_number - 1),
        shown(then.qualifier),
        then.rebate,
    )


def _held(program: Program, period: Period, totals: Totals, index: int) -> Decimal:
    """The totals paid at a given tier, reached or not."""
    with exact():
        case = set_out(program, period, totals, None, NO_INPUTS)
        return round_money(rebate_of(case, index, case.scales[0].value), program.currency)


def score(gain: Exact, need: Exact, days: int) -> int:
    """Ranks opportunities: gain for each unit of need and day, times ten thousand, to a whole number."""
    if need <= 0 or days <= 0:
        return 0
    return int(rounded(fraction(gain) / fraction(need) / days * 10000, Decimal(1)))


def opportunity(at: Standing) -> int:
    """The score of a standing's next tier; 0 at the top or when the period is over."""
    if at.to_next_tier is None or at.uplift is None:
        return 0
    return score(at.uplift, at.to_next_tier, at.days_left)
