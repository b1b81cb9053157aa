"""What a standing is computed from: counted totals per bucket, and facts from outside the orders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

from rebates.money import Exact, fraction

ALL = "all"  # the bucket that every program has
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Tally:
    """Exact sums over the lines that a bucket counts."""

    amount: Exact = ZERO
    quantity: Exact = ZERO
    lines: int = 0

    def __add__(self, other: Tally) -> Tally:
        if type(self.amount) is type(other.amount) and type(self.quantity) is type(other.quantity):
            amount: Exact = self.amount + other.amount  # type: ignore[operator]
            quantity: Exact = self.quantity + other.quantity  # type: ignore[operator]
        else:
            amount = fraction(self.amount) + fraction(other.amount)
            quantity = fraction(self.quantity) + fraction(other.quantity)
        return Tally(amount, quantity, self.lines + other.lines)

    def of(self, dimension: str) -> Exact:
        return self.quantity if dimension == "quantity" else self.amount


Totals = Mapping[str, Tally]
NOTHING = Tally()


def anything_in(totals: Totals) -> bool:
    """Whether any line counts at all, whatever for."""
    return any(tally.lines or tally.amount or tally.quantity for tally in totals.values())


def add_totals(parts: Iterable[Totals]) -> dict[str, Tally]:
    """Totals of several periods or accounts as one."""
    out: dict[str, Tally] = {}
    for part in parts:
        for bucket, tally in part.items():
            out[bucket] = out.get(bucket, NOTHING) + tally
    return out


@dataclass(frozen=True)
class Target:
    """A member's target and baseline; `period` None: for every period."""

    member: str
    period: str | None
    target: Decimal | None
    baseline: Decimal | None


class Share(NamedTuple):
    """An account's part of what its group earned: `volume` of `whole` is what it brought."""

    group: str
    total: Decimal
    volume: Decimal
    whole: Decimal
    rebate: Decimal


class Overruling(NamedTuple):
    """What others leave of a rebate, and why: a budget, a better program of the group, or what was settled for ever."""

    kind: Literal["budget", "beaten", "kept"]
    text: str
    rebate: Decimal


@dataclass(frozen=True)
class Inputs:
    """Facts that orders do not hold. What a program needs and does not find here makes a standing incomplete.

    `baseline` is the whole comparison period's value in the growth measure, `baseline_elapsed` the part of
    it up to the same point of the period. `settled` is what the window's earlier payouts came to
    (with `waived` of it that were paid and are not earned any more: nobody pays them twice),
    `carried` what they left over (below the minimum payout, or to be taken back), `paid_before` that a payout was made
    for this very period already. `member_paid` is what the
    member got over the whole program before the window, what it was left owed or owing included. `guarantee_surplus` is what earlier periods earned above their
    guarantees. `active_from`/`active_to` (last day) are when the member took part. `across` is what the parts
    of several versions come to together. `shares` are an account's parts of what its groups earned, `overruled` what others leave of the rebate. `missing` names what could not be had (a currency rate, say).
    """

    baseline: Exact | None = None
    baseline_elapsed: Exact | None = None
    target: Exact | None = None
    settled: Decimal = ZERO
    waived: Decimal = ZERO
    carried: Decimal = ZERO
    paid_before: bool = False
    member_paid: Decimal = ZERO
    guarantee_surplus: Exact = ZERO
    last_tier: str | None = None
    active_from: date | None = None
    active_to: date | None = None
    reduction: Exact = ZERO
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    across: Exact | None = None
    shares: tuple[Share, ...] = ()
    overruled: tuple[Overruling, ...] = ()


NO_INPUTS = Inputs()
