"""Versions of a program: which terms hold when, and what a change in the middle of a period pays.

`latest`: the newest version's terms hold for everything, past and future (a correction). `as_of`: each line is
paid on the terms of its own day (a new price list); the tier is still that of the whole period.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from rebates.caps import limited
from rebates.case import set_out
from rebates.money import exact, fraction, round_money, text
from rebates.periods import Period
from rebates.problems import InvalidProgram, problem
from rebates.program import Program
from rebates.standing import Standing, standing
from rebates.totals import NO_INPUTS, NOTHING, Inputs, Totals, add_totals


class Segment(NamedTuple):
    """The part of a period that one version's terms hold for, half-open."""

    terms: Program
    start: date
    end: date


def in_order(versions: Sequence[Program]) -> tuple[Program, ...]:
    """Versions of one key, oldest first. `InvalidProgram` when two begin on one day or their frames differ."""
    ordered = tuple(sorted(versions, key=lambda version: version.effective))
    found = []
    for low, high in pairwise(ordered):
        if low.effective == high.effective:
            found.append(
                problem(
                    ("effective_from",),
                    f"two versions of {high.key} begin on {high.effective}",
                    "give the newer one its own day",
                )
            )
        if low.key != high.key:
            found.append(problem(("key",), f"{low.key} and {high.key} are not versions of one program"))
        if (low.currency, low.time_zone, low.cut) != (high.currency, high.time_zone, high.cut):
            found.append(
                problem(
                    ("period",),
                    "versions must agree on currency, time zone and periods",
                    "a program with others is a new program",
                )
            )
    if found:
        raise InvalidProgram(ordered[0].key, found)
    return ordered


def in_force(versions: Sequence[Program], day: date) -> Program:
    """The terms that hold on a day: the newest version that has begun (before the first, the first)."""
    ordered = in_order(versions)
    newest = ordered[-1]
    if newest.amendment == "latest":
        return newest
    return next((version for version in reversed(ordered) if version.effective <= day), ordered[0])


def segments(versions: Sequence[Program], period: Period) -> tuple[Segment, ...]:
    """A period cut where the terms change; one piece under `latest`."""
    ordered = in_order(versions)
    if ordered[-1].amendment == "latest" or len(ordered) == 1:
        return (Segment(ordered[-1], period.start, period.end),)
    cuts = [version.effective for version in ordered if period.start < version.effective < period.end]
    edges = [period.start, *cuts, period.end]
    return tuple(Segment(in_force(ordered, start), start, end) for start, end in pairwise(edges))


def standing_across(
    parts: Sequence[tuple[Program, Totals]],
    period: Period,
    *,
    as_of: date,
    member: str | None = None,
    inputs: Inputs = NO_INPUTS,
) -> Standing:
    """One standing over several versions: the tier from all lines, each part paid on its own version's terms."""
    whole = add_totals(totals for _, totals in parts)
    terms = parts[-1][0]
    last = standing(terms, period, whole, as_of=as_of, member=member, inputs=inputs)
    if len(parts) == 1:
        return last
    notes = list(inputs.notes)
    with exact():
        earned = Fraction(0)
        so_far: Totals = {}
        for version, totals in parts:
            now = add_totals((so_far, totals))
            part = _part(version, period, whole, so_far, now, member, inputs)
            earned += part
            notes.append(
                f"{text(totals.get(version.measure_bucket, NOTHING).amount)} {version.currency} on the terms from {version.effective}: {text(part)}"
            )
            so_far = now
        capped = limited(earned, terms.limits, terms.proration, period, inputs)
        rebate = round_money(capped.rebate, terms.currency)
    working = last.working._replace(inputs=replace(inputs, notes=tuple(notes)))
    return replace(last, rebate=rebate, capped=capped.by_cap is not None, working=working)


def _part(
    version: Program,
    period: Period,
    whole: Totals,
    before: Totals,
    now: Totals,
    member: str | None,
    inputs: Inputs,
) -> Fraction:
    """What one segment pays: its own measure at the period's tier, or its own stretch of the bands."""
    if version.method == "stepped":
        return _ladder(version, period, now, member, inputs) - _ladder(
            version, period, before, member, inputs
        )
    case = set_out(version, period, whole, member, replace(inputs, reduction=Fraction(0)))
    paid, earlier = now.get(version.measure_bucket, NOTHING), before.get(version.measure_bucket, NOTHING)
    number = type(case.amount)
    case.amount = number(paid.amount) - number(earlier.amount)
    case.quantity = number(paid.quantity) - number(earlier.quantity)
    bands = case.bands(case.index(), case.scales[0].value)
    return sum((fraction(band.rebate) for band in bands), Fraction(0))


def _ladder(version: Program, period: Period, totals: Totals, member: str | None, inputs: Inputs) -> Fraction:
    case = set_out(version, period, totals, member, inputs)
    bands = case.bands(case.index(), case.scales[0].value)
    return sum((fraction(band.rebate) for band in bands), Fraction(0))
