"""What an `as_of` amendment in the middle of a period must share with the terms before it.

The tier is that of the whole period, so the lines of each version must be counted in what the others ask, too: a bucket
that only one of them has would leave out the lines of the others. And what says how all periods are settled has no day: of
two versions that differ in it, the newest would work out anew what the earlier one has settled.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import combinations, pairwise

from rebates.periods import Period
from rebates.program import Program
from rebates.versions import segments


def why_not_added(versions: Sequence[Program]) -> str | None:
    """Why versions (in order) cannot be added up to one standing, with the next step; None: they can."""
    newest = versions[-1]
    if len(versions) < 2:
        return None
    for low, high in pairwise(versions):
        if differing := _without_a_day(low, high):
            return _said_of_all_periods(low, high, differing)
    for period in newest.periods():
        pieces = [piece.terms for piece in segments(versions, period)]
        for low, high in combinations(pieces, 2):
            asked = sorted(_asked(low) ^ _asked(high))
            if asked:
                what = f"only one of them counts {' and '.join(map(repr, asked))} ([qualifier_counts], [[qualifiers]] or [[gates]])"
                return _said(newest, low, high, period, what)
            if low.measure_bucket != high.measure_bucket and not (_in_parts(low) and _in_parts(high)):
                what = "only one of them has [measure_counts], and a tier pays more than a plain rate"
                return _said(newest, low, high, period, what)
    return None


def _without_a_day(low: Program, high: Program) -> list[str]:
    """The keys that hold for all periods of a program, and that two versions of it have otherwise."""
    pairs = {
        "[settlement] window": (low.settlement.window, high.settlement.window),
        "[settlement] claw_back": (low.settlement.claw_back, high.settlement.claw_back),
        "grace_days": (low.settlement.grace_days, high.settlement.grace_days),
        "late_lines": (low.settlement.late_lines, high.settlement.late_lines),
        "returns": (low.settlement.returns, high.settlement.returns),
        "[stacking]": (low.stacking, high.stacking),
        "[hierarchy] pay": (low.hierarchy.is_shared, high.hierarchy.is_shared),
    }
    return [name for name, (before, after) in pairs.items() if before != after]


def _said_of_all_periods(low: Program, high: Program, differing: Sequence[str]) -> str:
    last = high.effective - timedelta(days=1)
    return (
        f'amendment = "as_of" from {high.effective} on, with another {" and ".join(differing)} than the terms from '
        f"{low.effective}: that holds for all periods, and would work out anew those that are settled; write the same into "
        f"both files, or end the program on {last} (ends, in the earlier file) and begin one with a key of its own"
    )


def _said(newest: Program, low: Program, high: Program, period: Period, what: str) -> str:
    whole = [p for p in newest.periods() if p.start >= high.effective and newest.window(p) == (p,)]
    begins = f"let it begin with a period (effective_from = {whole[0].start}), or " if whole else ""
    return (
        f'amendment = "as_of" from {high.effective} on, within {period.key}: its terms and those from {low.effective} '
        f"cannot be added up, {what}; {begins}write the same into both files"
    )


def _asked(version: Program) -> frozenset[str]:
    """The counters that tiers and gates ask, beside what everything counts in."""
    return frozenset(
        bucket.name for entry in (*version.qualifiers, *version.gates) for bucket in entry.buckets()
    )


def _in_parts(version: Program) -> bool:
    """Whether what all lines are paid is what its parts are paid, so that it does not matter where each is counted."""
    ladders = (version.tiers, *(market.tiers for market in version.markets))
    plain = all(
        tier.kind != "amount" and tier.max_measure is None and tier.per is None and not tier.linear
        for ladder in ladders
        for tier in ladder
    )
    whole = version.growth is None or version.growth.mode == "whole"
    return plain and whole and version.method == "retrospective"
