"""A standing in one word, and the pace behind it: near the next tier, at risk, closed."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from rebates.case import Case
from rebates.methods import Rung, reached
from rebates.money import Exact, fraction
from rebates.periods import Period
from rebates.program import Program
from rebates.totals import Inputs

Status = Literal["not_started", "on_track", "near_next_tier", "at_risk", "top_tier", "closed"]


def status_of(
    terms: Program,
    case: Case[Any] | None,
    following: int,
    gap: Decimal | None,
    period: Period,
    as_of: date,
    lines: int,
    inputs: Inputs,
) -> Status:
    """Where a standing stands on a day, in one word. The case may be left out where nothing watches gap or pace.

    `gap`: what is still to be bought for the tier `following`, where that is known and worth it.
    """
    if as_of >= terms.settlement.closes_on(period):
        return "closed"
    if not lines:
        return "not_started"
    if following >= len(terms.tiers):
        return "top_tier"
    if case is None or as_of >= period.end:  # in its days of grace nobody can buy for it any more
        return "on_track"
    if (
        gap is not None
        and terms.alerts.watches_gaps
        and is_near(terms, gap, case.scales[0].rungs[following].threshold, period.days_left(as_of))
    ):
        return "near_next_tier"
    if inputs.last_tier is not None and behind_last_tier(terms, case, period, as_of, inputs):
        return "at_risk"
    return "on_track"


def is_near(terms: Program, gap: Exact, threshold: Exact, days_left: int) -> bool:
    """Whether a gap is worth an alert, as the program's `[alerts.near_tier]` says."""
    alerts = terms.alerts
    if alerts.near_days is not None and days_left > alerts.near_days:
        return False
    if alerts.near_within is not None:
        return gap <= alerts.near_within
    if alerts.near_within_share is not None:
        return fraction(gap) <= fraction(alerts.near_within_share) * fraction(threshold)
    return alerts.near_days is not None


def behind_last_tier(terms: Program, case: Case[Any], period: Period, as_of: date, inputs: Inputs) -> bool:
    """Whether the pace so far would end below the tier of the period before. With a longer window it is the window's pace: its
    tier is counted to date, and a new window begins at nothing."""
    names = [tier.name for tier in terms.tiers]
    if inputs.last_tier not in names:
        return False
    return pace_index(case, counted_over(terms, period), as_of, inputs) < names.index(inputs.last_tier)


def counted_over(terms: Program, period: Period) -> Period:
    """The days that a period's tier is counted over: its own, or with a longer window all of the window's."""
    if terms.settlement.window == "period":
        return period
    start, last = terms.window(period)[0].start, terms.tier_until(period)
    return Period(start, last + timedelta(days=1), period.key, period.zone)


def pace_index(case: Case[Any], period: Period, as_of: date, inputs: Inputs) -> int:
    """The tier that the pace so far leads to at the end of what it is counted over: by elapsed days, growth against the like elapsed baseline."""
    if case.closed:
        return -1
    scale = case.scales[0]
    passed = period.days - period.days_left(as_of) + (1 if as_of in period else 0)
    share = Fraction(min(passed, period.days), period.days)
    if share <= 0:
        return case.index()
    if (
        scale.base is not None
        and scale.qualifier.of == "growth"
        and inputs.baseline_elapsed is not None
        and inputs.baseline
    ):
        share = fraction(inputs.baseline_elapsed) / fraction(inputs.baseline)
        if share <= 0:
            return case.index()
    ahead = (
        fraction(scale.value)
        if scale.qualifier.of in ("categories", "mix")
        else fraction(scale.value) / share
    )
    rungs = [
        Rung(fraction(rung.threshold), fraction(rung.benefit), rung.kind, rung.exceed) for rung in scale.rungs
    ]
    return reached(rungs, ahead)
