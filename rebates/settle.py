"""From a rebate to a payout: netting what was settled, carrying small amounts, claw-back, adjustments.

A settled amount never changes. What turns out different afterwards is an adjustment in the open period, split
into what the late lines themselves earn and what they did to the rate of everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

from rebates.periods import Period

Window = Literal["period", "quarter", "half_year", "year", "program"]
ClawBack = Literal["next_payout", "carry_forward", "invoice", "waive"]


@dataclass(frozen=True)
class Settlement:
    """`window` is what the tier is counted over; a payout is the window's rebate so far less what was settled.

    `claw_back` says what happens when that is negative: taken from the next payout, carried as a separate
    balance, invoiced to the member, or waived. Nothing is ever paid below zero.
    """

    window: Window = "period"
    claw_back: ClawBack = "next_payout"
    grace_days: int = 0
    late_lines: Literal["adjust", "ignore"] = "adjust"
    returns: Literal["own_period", "original_period"] = "own_period"

    def closes_on(self, period: Period) -> date:
        """The first day on which the period is closed: after its last day and the days of grace."""
        return period.end + timedelta(days=self.grace_days) if self.grace_days else period.end


class Payout(NamedTuple):
    """`due` is earned to date less settled, with what was carried; `paid` never negative."""

    due: Decimal
    paid: Decimal
    carried: Decimal
    invoiced: Decimal = Decimal(0)
    waived: Decimal = Decimal(0)
    reason: str = ""


def payout(
    earned: Decimal, *, settled: Decimal, carried: Decimal, min_payout: Decimal | None, claw_back: ClawBack
) -> Payout:
    """What to pay now, given all that was earned in the window and what was already settled of it."""
    due = earned - settled + carried
    zero = Decimal(0)
    if due < 0:
        if claw_back == "invoice":
            return Payout(due, zero, zero, invoiced=-due, reason="taken back by invoice")
        if claw_back == "waive":
            return Payout(due, zero, zero, waived=-due, reason="taken back, waived")
        where = "the next payout" if claw_back == "next_payout" else "a later period"
        return Payout(due, zero, due, reason=f"taken back from {where}")
    if min_payout is not None and due < min_payout:
        return Payout(due, zero, due, reason="below the minimum payout, carried forward")
    return Payout(due, due, zero)


class Adjustment(NamedTuple):
    """A correction of a closed period, booked in the open one."""

    period: str
    settled: Decimal
    now: Decimal
    prior_period: Decimal  # what the late lines earn at the tier that was settled
    rate: Decimal  # what changed because the tier changed

    @property
    def total(self) -> Decimal:
        return self.prior_period + self.rate


def adjustment(period: str, *, settled: Decimal, at_settled_tier: Decimal, now: Decimal) -> Adjustment:
    """`now` less `settled`, told apart by what the new lines would have earned at the settled tier."""
    return Adjustment(period, settled, now, at_settled_tier - settled, now - at_settled_tier)
