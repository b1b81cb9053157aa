"""The ladder of a plain program, worked out once: what each tier pays is then one product and one sum.

Only for ladders whose every tier pays one benefit on what the tiers are cut on. `rebates.methods` says the same band by
band, for every ladder; that is what a standing is explained with, and the tests hold the two together.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from rebates.methods import Rung, Sale, retrospective, stepped
from rebates.program import Program

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Ladder:
    """`below` is what the bands under a tier pay, `begins` where its own does: `below + (axis - begins) * benefit`.

    A fixed amount is all in `below`, its benefit zero.
    """

    thresholds: Sequence[Decimal]
    exceed: bool
    below: Sequence[Decimal]
    begins: Sequence[Decimal]
    benefits: Sequence[Decimal]
    # The rounded rebate of each tier at its threshold, worked out when it is first asked for.
    at_thresholds: dict[int, Decimal] = field(default_factory=dict, compare=False)

    def index(self, axis: Decimal) -> int:
        """The tier that is reached; -1: none."""
        return (bisect_left if self.exceed else bisect_right)(self.thresholds, axis) - 1

    def earned(self, index: int, axis: Decimal) -> Decimal:
        """What a reached tier pays, before caps, exact."""
        if index < 0:
            return ZERO
        return self.below[index] + (axis - self.begins[index]) * self.benefits[index]


def ladder_of(
    program: Program, rungs: Sequence[Rung[Decimal]], at_thresholds: dict[int, Decimal]
) -> Ladder | None:
    """The ladder of a plain program; None where a tier is capped, paid in increments, or cut in whole units."""
    if program.whole_units or len({rung.exceed for rung in rungs}) != 1:
        return None
    if any(rung.max_measure is not None or rung.per is not None or rung.threshold < 0 for rung in rungs):
        return None
    below, begins = [], []
    for index, rung in enumerate(rungs):
        at = rung.threshold if program.method == "stepped" else ZERO
        sale = Sale(at, at, at, program.qualifiers[0].dimension)
        # Where its band begins a stepped tier pays what lies below it; a retrospective one begins at nothing.
        bands = (stepped if program.method == "stepped" else retrospective)(rungs, index, sale)
        below.append(sum((band.rebate for band in bands), ZERO))
        begins.append(at)
    return Ladder(
        tuple(rung.threshold for rung in rungs),
        rungs[0].exceed,
        tuple(below),
        tuple(begins),
        tuple(ZERO if rung.kind == "amount" else rung.benefit for rung in rungs),
        at_thresholds,
    )
