"""From a rebate to a payout: netting what was settled, carrying small amounts, claw-back, adjustments.

A settled amount never changes. What turns out different afterwards is an adjustment in the open period, split
into what the late lines themselves earn and what they did to the rate of everything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

from rebates.periods import Period

Window = Literal["period", "quarter", "half_year", "year", "program"]
ClawBack = Literal["next_payout", "carry_forward", "invoice", "waive"]

BELOW = "below the minimum payout"


@dataclass(frozen=True)
class Settlement:
    """`window` is what the tier is counted over; a payout is the window's rebate so far less what was settled.

    `claw_back` says what happens when that is negative: taken from the next payouts until it is covered
    (`carry_forward` is another word for it), invoiced to the member, or waived. It is about what a period comes to at
    its settlement; what turns out different of a settled period is always an adjustment.
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
    """`due` is earned to date less settled, with what was carried; `paid` never negative. `carried` of the last period is
    what nobody takes up: it stays open."""

    due: Decimal
    paid: Decimal
    carried: Decimal
    invoiced: Decimal = Decimal(0)
    waived: Decimal = Decimal(0)
    reason: str = ""

    @property
    def settles(self) -> Decimal:
        """What settling the period comes to: paid, or below zero to be invoiced."""
        return self.paid - self.invoiced


def payout(
    earned: Decimal,
    *,
    settled: Decimal,
    carried: Decimal,
    min_payout: Decimal | None,
    claw_back: ClawBack,
    last: bool = False,
    paid_before: bool = False,
) -> Payout:
    """What to pay now, given all that was earned in the window and what was already settled of it.

    The minimum decides whether a payout is worth making, and leaves the amount to the one that follows. So it asks
    nothing where none follows (`last`), nor where one was made for the period already (`paid_before`).
    """
    due = earned - settled + carried
    zero = Decimal(0)
    if due < 0:
        if claw_back == "invoice":
            return Payout(due, zero, zero, invoiced=-due, reason="taken back by invoice")
        if claw_back == "waive":
            return Payout(due, zero, zero, waived=-due, reason="taken back, waived")
        if last:
            return Payout(due, zero, due, reason="to be taken back, and no payout follows")
        return Payout(due, zero, due, reason="taken back from the next payout")
    if min_payout is not None and zero < due < min_payout:
        if last:
            return Payout(due, due, zero, reason=f"{BELOW}, paid because no payout follows")
        if paid_before:
            return Payout(due, due, zero, reason=f"{BELOW}, which the period reached before")
        return Payout(due, zero, due, reason=f"{BELOW}, carried forward")
    return Payout(due, due, zero)


class Due(NamedTuple):
    """One period of a member whose program may be beaten by a better deal: `settled` is of the same window."""

    rebate: Decimal
    settled: Decimal
    corrections: Decimal = Decimal(0)
    beaten: bool = False
    last: bool = False
    paid_before: bool = False


def payouts_beside_rivals(
    dues: Iterable[Due], *, min_payout: Decimal | None, claw_back: ClawBack
) -> list[tuple[Decimal, Payout]]:
    """What each period pays, with what was carried into it, where only the best deal of a group pays.

    What a beaten period earned is neither paid nor carried: the better deal pays for those sales. What periods that
    won left over stays, and what they were paid too much is still taken back.
    """
    zero = Decimal(0)
    carried, won, out = zero, zero, list[tuple[Decimal, Payout]]()
    for due in dues:
        won = won if due.settled else zero  # a window begins: nothing of it was paid
        earned = due.rebate - due.settled
        if due.beaten:
            earned = max(min(earned, zero), min(-won, zero))
        won += earned
        entering = carried + due.corrections
        made = payout(
            earned, settled=zero, carried=entering, min_payout=min_payout, claw_back=claw_back,
            last=due.last, paid_before=due.paid_before,
        )  # fmt: skip
        if due.beaten and not made.paid:
            made = made._replace(reason="another program of the group is the better deal")
        out.append((entering, made))
        carried = made.carried
    return out


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
