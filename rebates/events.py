"""What is worth saying when a standing moves: decided here, sent elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from rebates.money import fraction, text, units_text
from rebates.program import Program
from rebates.standing import Standing

Kind = Literal["near_tier", "tier_reached", "tier_lost", "at_risk", "cap_reached", "period_closing"]


@dataclass(frozen=True)
class Event:
    """One piece of news. Its identity never holds amounts or days, so that it is told once."""

    kind: Kind
    program: str
    member: str | None
    period: str
    tier: str
    text: str
    amount: Decimal | None = None
    due: date | None = None

    @property
    def identity(self) -> tuple[str, str, str, str, str]:
        """Program, member, period, kind, tier: the same news has the same identity for ever."""
        return (self.program, self.member or "", self.period, self.kind, self.tier)


def events(program: Program, before: Standing | None, after: Standing, as_of: date) -> list[Event]:
    """The news between two standings of one member and period; `before` is None for a first one."""
    terms, at = after.working.program, after.period
    currency = program.currency
    out: list[Event] = []

    def tell(
        kind: Kind, tier: str | None, words: str, amount: Decimal | None = None, due: date | None = None
    ) -> None:
        out.append(Event(kind, program.key, after.member, at.key, tier or "", words, amount, due))

    # Several tiers at once are one piece of news: of the highest that is reached, whose benefit is the standing's, and of
    # the lowest that is lost, which is the next one again.
    was = _former_number(before, terms)
    if was is not None and after.tier_number > was:
        name = terms.tiers[after.tier_number - 1].name
        tell(
            "tier_reached",
            name,
            f"{name} is reached: the rebate is now {text(after.rebate)} {currency}",
            after.rebate,
        )
    if was is not None and after.tier_number < was:
        name = terms.tiers[after.tier_number].name
        tell(
            "tier_lost",
            name,
            f"{name} is lost again: the rebate is now {text(after.rebate)} {currency}",
            after.rebate,
        )
    if after.status == "near_next_tier" and after.to_next_tier is not None:
        in_units = terms.qualifiers[0].dimension == "quantity"
        gap = units_text(after.to_next_tier) if in_units else f"{text(after.to_next_tier)} {currency}"
        words = (
            f"{gap} short of {after.next_tier}, {after.days_left} days left: "
            f"{text(after.uplift or Decimal(0))} {currency} more"
        )
        if (until := terms.tier_until(at)) > at.last_day:
            words += f" (what is bought later counts toward it, too, until {until})"
        tell("near_tier", after.next_tier, words, after.to_next_tier, at.last_day)
    if after.status == "at_risk":
        last, until = after.working.inputs.last_tier, terms.tier_until(at)
        ends = "the period ends" if until == at.last_day else f"its tier on {until} is"
        tell(
            "at_risk",
            last,
            f"at this pace {ends} below {last}, the tier of the period before",
            due=at.last_day,
        )
    if _near_cap(after) and not (before is not None and _near_cap(before)):
        tell(
            "cap_reached",
            after.tier,
            f"the rebate has come to its cap: {text(after.rebate)} {currency}",
            after.rebate,
        )
    closing = terms.alerts.closing_days
    if closing is not None and after.lines and 0 < after.days_left <= closing:
        tell("period_closing", None, f"{after.days_left} days left in {at.key}", due=at.last_day)
    return out


def _former_number(before: Standing | None, terms: Program) -> int | None:
    """Where the former tier is on the ladder of now, from 1 (0: none). None: it has no such tier, so that nobody moved.

    By name: since then a tier may have come or gone below it, or the member has moved to a market with other tiers.
    """
    if before is None or before.tier is None:
        return 0
    names = [tier.name for tier in terms.tiers]
    return names.index(before.tier) + 1 if before.tier in names else None


def _near_cap(at: Standing) -> bool:
    if at.rebate <= 0:
        return False  # nothing is left of a budget: that is no cap that one has come to
    if at.capped:
        return True
    cap = at.working.program.limits.max_payout
    return (
        cap is not None
        and cap > 0
        and fraction(at.rebate) >= fraction(cap) * fraction(at.working.program.alerts.cap_share)
    )
