"""Limits on what is paid, in this order: measure cap (in the tier), amount, amount caps, guarantee, minimum payout.

What lies below the minimum payout is carried forward, never lost.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Literal, NamedTuple

from rebates.growth import active_share
from rebates.money import Exact, fraction, round_money, share_out
from rebates.periods import Period
from rebates.totals import Inputs

Prorated = Literal["threshold", "amount", "max_payout", "guarantee", "max_measure"]
PRORATED: tuple[Prorated, ...] = ("threshold", "amount", "max_payout", "guarantee", "max_measure")


@dataclass(frozen=True)
class Limits:
    """`max_payout` per member and period, `max_payout_program` per member over the whole program, `budget` for all."""

    max_payout: Decimal | None = None
    max_payout_program: Decimal | None = None
    budget: Decimal | None = None
    budget_split: Literal["first_come", "pro_rata"] = "first_come"
    min_payout: Decimal | None = None
    guarantee: Decimal | None = None
    guarantee_cumulative: bool = False

    def but(self, changes: Mapping[str, Decimal]) -> Limits:
        """The same with some amounts changed (a market's own)."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Proration:
    """What shrinks for members who took part in only a piece of a period, or whose terms are written per year."""

    by: Literal["none", "days", "months"] = "none"
    of: tuple[Prorated, ...] = ()
    annual: tuple[Prorated, ...] = ()

    def factor(self, name: Prorated, period: Period, inputs: Inputs) -> Fraction:
        share = (
            active_share(period, inputs, self.by) if self.by != "none" and name in self.of else Fraction(1)
        )
        return share * year_share(period) if name in self.annual else share


def year_share(period: Period) -> Fraction:
    """The part of its year that a period is: 30 days are 30/365, and whole months (from the 15th to the 15th, too) a twelfth
    each."""
    if period.start.day == period.end.day:
        months = (period.end.year - period.start.year) * 12 + period.end.month - period.start.month
        return Fraction(months, 12)
    return Fraction(period.days, 366 if calendar.isleap(period.start.year) else 365)


class Capped(NamedTuple):
    """The amount after caps and guarantee, and which of them moved it."""

    rebate: Exact
    by_cap: Decimal | Fraction | None = None
    by_guarantee: Decimal | Fraction | None = None


def limited(earned: Exact, limits: Limits, proration: Proration, period: Period, inputs: Inputs) -> Capped:
    """Amount caps first, then the guaranteed minimum."""
    if limits.max_payout is None and limits.max_payout_program is None and limits.guarantee is None:
        return Capped(earned)
    rebate, by_cap, by_guarantee = earned, None, None
    caps: list[Exact] = []
    if limits.max_payout is not None:
        caps.append(_scaled(limits.max_payout, proration.factor("max_payout", period, inputs)))
    if limits.max_payout_program is not None:
        caps.append(max(Decimal(0), limits.max_payout_program - inputs.member_paid))
    for cap in caps:
        if cap < rebate:
            rebate, by_cap = cap, cap
    floor = guaranteed(limits, proration, period, inputs)
    if floor is not None:
        if limits.guarantee_cumulative:
            floor = fraction(floor) - fraction(inputs.guarantee_surplus)
        if rebate < floor:
            rebate, by_guarantee = floor, floor
    return Capped(rebate, by_cap, by_guarantee)


def _scaled(value: Decimal, factor: Fraction) -> Exact:
    return value if factor == 1 else fraction(value) * factor


def guaranteed(limits: Limits, proration: Proration, period: Period, inputs: Inputs) -> Exact | None:
    """The guarantee of one period, for a piece of it or as its part of a year; None: there is none."""
    if limits.guarantee is None:
        return None
    return _scaled(limits.guarantee, proration.factor("guarantee", period, inputs))


class Earned(NamedTuple):
    """What an earlier period came to, and what was guaranteed for it."""

    rebate: Decimal
    floor: Exact


def guarantee_surplus(earned: Iterable[Earned]) -> Exact:
    """What earlier periods earned above a cumulative guarantee; carried against the next period's."""
    surplus = Fraction(0)
    for one in earned:
        surplus = max(Fraction(0), surplus + fraction(one.rebate) - fraction(one.floor))
    return surplus


class Claim(NamedTuple):
    """One member's rebate against the program budget; `since` orders first come, first served."""

    member: str
    rebate: Decimal
    since: str = ""


def within_budget(
    limits: Limits, claims: Sequence[Claim], currency: str, spent: Decimal = Decimal(0)
) -> Mapping[str, Decimal]:
    """What each member gets of the program budget; all of it where the budget suffices."""
    if limits.budget is None:
        return {claim.member: claim.rebate for claim in claims}
    left = round_money(max(Decimal(0), limits.budget - spent), currency)
    if sum((claim.rebate for claim in claims), Decimal(0)) <= left:
        return {claim.member: claim.rebate for claim in claims}
    ordered = sorted(claims, key=lambda claim: (claim.since, claim.member))
    if limits.budget_split == "pro_rata":
        weights = [max(Decimal(0), claim.rebate) for claim in ordered]
        return dict(zip((claim.member for claim in ordered), share_out(left, weights, currency), strict=True))
    paid: dict[str, Decimal] = {}
    for claim in ordered:
        paid[claim.member] = min(claim.rebate, left)
        left -= paid[claim.member]
    return paid
