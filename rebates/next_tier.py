"""What a tier would pay a member, and what is still to be bought for it: behind a standing's next tier, and each above it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rebates.buying import shares_stay
from rebates.caps import limited
from rebates.case import Case, Scale, least_step
from rebates.methods import Band
from rebates.money import Exact, fraction, round_money
from rebates.periods import Period
from rebates.totals import ZERO, Inputs, Totals


def following_of(case: Case[Any], index: int) -> int:
    """The next tier: the one above, or behind a closed gate the one that it keeps back."""
    return max(0, case.index_if_open()) if case.closed and case.answerable else index + 1


def rebate_of(case: Case[Any], index: int, axis: Any) -> Exact:
    """What tier `index` pays at `axis`, before caps, exact."""
    return together(case, case.bands(index, axis))


def together(case: Case[Any], bands: Sequence[Band[Any]]) -> Exact:
    """What bands pay in all, with the price differences, before caps, exact."""
    total: Exact = (
        bands[0].rebate
        if len(bands) == 1
        else sum((band.rebate for band in bands), ZERO if not bands else bands[0].rebate * 0)
    )
    return total if not case.extra else fraction(total) + fraction(case.extra)


def worth(gap: Decimal | None, at_next: Decimal | None, rebate: Decimal) -> Decimal | None:
    """A gap that pays to close: at a cap the next tier brings nothing, and nobody is to be called for it."""
    return gap if at_next is not None and at_next > rebate else None


def gap_to(case: Case[Any], index: int, totals: Totals) -> Any:
    """What is still to be bought for a tier, on the axis of the first qualifier. None: that alone does not reach it,
    because a gate is closed or another qualifier is short, too, or would be: a mix that other goods water down.
    """
    program, joined = case.program, case.scales[1:] if case.program.join == "all" else []
    if case.closed or any(_short(case, s, index) > 0 for s in joined):
        return None
    gap = case.to_buy(max(_short(case, case.scales[0], index), case.scales[0].value * 0))
    if not gap:
        return gap
    others = [scale.qualifier for scale in joined]
    return gap if shares_stay(program, others, index, totals, gap) else None


def _short(case: Case[Any], scale: Scale[Any], index: int) -> Any:
    """How much a scale lacks of a tier's threshold; below zero: it is beyond it."""
    rung = scale.rungs[index]
    if rung.exceed:
        return least_step(case.program, scale.qualifier, rung.threshold, scale.value)
    return rung.threshold - scale.value


def rebate_at(case: Case[Any], index: int, period: Period, inputs: Inputs) -> Decimal:
    """The rounded rebate once a tier is reached, everything else as it is."""
    terms, known = case.program, case.at_thresholds
    if known is not None and index in known:
        return known[index]
    earned = limited(_earned_at(case, index), terms.limits, terms.proration, period, inputs).rebate
    rebate = round_money(earned, terms.currency)
    if known is not None:
        known[index] = rebate
    return rebate


def _earned_at(case: Case[Any], index: int) -> Exact:
    """What a tier pays as soon as it is reached, before caps, exact."""
    first = case.scales[0]
    rung = first.rungs[index]
    reach = (
        least_step(case.program, first.qualifier, rung.threshold, first.value)
        if rung.exceed
        else rung.threshold - first.value
    )
    return rebate_of(case, index, first.value + max(reach, reach * 0))
