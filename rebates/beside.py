"""A standing beside others: what a budget leaves of its rebate, or a better program of its group, now and at the next tier.

The standing itself is worked out as if it were alone. Here its rebate gets what others decide, with the reason, and what is
promised for the next tier is held to the same: nobody is to be called for money that somebody else gets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from rebates.caps import Claim, Limits, within_budget
from rebates.money import exact, fraction, round_money, unit
from rebates.next_tier import following_of, worth
from rebates.standing import Standing, outcome
from rebates.status import status_of
from rebates.totals import Overruling

ZERO = Decimal(0)


def overruled(
    at: Standing, by: Overruling, *, at_next: Decimal | None, capped: bool | None = None
) -> Standing:
    """The same standing at the rebate that others leave it; the reason is among its steps."""
    inputs = at.working.inputs
    working = at.working._replace(inputs=replace(inputs, overruled=(*inputs.overruled, by)))
    now = replace(at, rebate=by.rebate, capped=at.capped if capped is None else capped, working=working)
    return promising(now, at_next)


def promising(at: Standing, at_next: Decimal | None) -> Standing:
    """The same standing with another rebate at the next tier (None: not to be told); a gap that brings nothing is not near."""
    if at_next != at.rebate_at_next_tier:
        at = replace(at, rebate_at_next_tier=at_next)
    if at.status != "near_next_tier" or worth(at.to_next_tier, at_next, at.rebate) is not None:
        return at
    terms = at.working.program
    with exact():
        case, index, _, _ = outcome(at)
        status = status_of(
            terms, case, following_of(case, index), None, at.period, at.as_of, at.lines, at.working.inputs
        )
    return replace(at, status=status)


@dataclass(frozen=True)
class Budget:
    """A budget shared out: what each member gets, and what it would get for another rebate, all others the same."""

    limits: Limits
    currency: str
    allowed: Mapping[str, Decimal]
    _claims: Mapping[str, Decimal]
    _left: Mapping[str, Decimal]  # first come: what is there when it is a member's turn

    def at_most(self, member: str, rebate: Decimal) -> Decimal:
        """What a member would get instead, had it earned this."""
        assert self.limits.budget is not None
        budget = round_money(max(ZERO, self.limits.budget), self.currency)
        others = sum(self._claims.values(), ZERO) - self._claims[member]
        if others + rebate <= budget:
            return rebate
        if self.limits.budget_split == "first_come":
            return min(rebate, self._left[member])
        weights = sum((max(ZERO, one) for one in self._claims.values()), ZERO)
        weights += max(ZERO, rebate) - max(ZERO, self._claims[member])
        if weights <= 0:
            return rebate
        step = unit(self.currency)  # whole coins; an odd one that is left over is not promised
        coins = fraction(budget) * fraction(max(ZERO, rebate)) / fraction(weights) / Fraction(step)
        return step * (coins.numerator // coins.denominator)


def shared_out(limits: Limits, claims: Sequence[Claim], currency: str) -> Budget:
    """A program's budget among its members."""
    assert limits.budget is not None
    allowed = within_budget(limits, claims, currency)
    left, there = round_money(max(ZERO, limits.budget), currency), dict[str, Decimal]()
    for claim in sorted(claims, key=lambda claim: (claim.since, claim.member)):
        there[claim.member] = left
        left -= min(claim.rebate, left)
    return Budget(limits, currency, allowed, {claim.member: claim.rebate for claim in claims}, there)
