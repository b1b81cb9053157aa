"""What an `as_of` amendment in the middle of a period must share with the terms before it.

The tier is that of the whole period, so the lines of each version must be counted in what the others ask, too: a bucket
that only one of them has would leave out the lines of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from rebates.periods import Period
from rebates.program import Program
from rebates.versions import segments


def why_not_added(versions: Sequence[Program]) -> str | None:
    """Why versions (in order) cannot be added up to one standing, with the next step; None: they can."""
    newest = versions[-1]
    if len(versions) < 2:
        return None
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
