"""A correction told apart: what the lines that came or went earn at the tier that was settled, and what another tier or
other terms change about everything.

Where that cannot be told (a part of what a group earned, what others leave of a budget, something that was carried),
nothing is said rather than something wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from jobs.calculated import Calculated
from rebates.money import exact, round_money, to_micro
from rebates.standing import Standing, held_at, outcome
from state.postings import Balance

Former = Mapping[str, Any]  # the document of a standing as it was at the compute before


def late_part(
    found: Calculated,
    before: Balance | None,
    version: int,
    total_e6: int,
    formers: Mapping[object, Former],
    earlier: Calculated | None,
) -> int | None:
    """What of a correction late lines earn, in millionths; the rest is of tier and terms. None: it cannot be told.

    `formers`: documents of before, by cell. `earlier`: the same member's period before, where it is of the same window.
    """
    at = found.standing
    if before is None:
        return total_e6  # nothing was settled, so all of it is new
    if before.qualifier_e6 == to_micro(at.qualifier) and before.program_version != version:
        return 0  # the lines are the same: it is the terms that changed
    if _taken_over(before) or _has_no_single_ladder(at):
        return None
    if found.payout is None:
        return to_micro(_held(at, before.tier)) - before.amount_e6
    former = formers.get(found.one.cell)
    if former is None or not (_is_plain(former.get("payout")) and _is_plain_now(found)):
        return None
    then, now = Decimal(former["payout"]["settled"]), at.working.inputs.settled
    if (
        then != now
    ):  # the earlier periods of the window changed, too: what they are worth at the tiers of then
        told = None if earlier is None else formers.get(earlier.one.cell)
        if earlier is None or told is None or Decimal(told["rebate"]) != then:
            return None
        if _has_no_single_ladder(earlier.standing):
            return None
        now = _held(earlier.standing, told["tier"])
    return to_micro((_held(at, former["tier"]) - now) - (Decimal(former["rebate"]) - then))


def _is_plain(payout: Mapping[str, str] | None) -> bool:
    """A period is settled at what it earned: nothing was carried in or on, or waived."""
    return payout is not None and all(
        Decimal(payout[name]) == 0 for name in ("carried_in", "carried", "waived")
    )


def _is_plain_now(found: Calculated) -> bool:
    payout = found.payout
    assert payout is not None
    return not (found.standing.working.inputs.carried or payout.carried or payout.waived)


def _taken_over(before: Balance) -> bool:
    """From the org, after a restore: it tells what was settled, not at which tier."""
    return before.tier is None and before.amount_e6 != 0


def _has_no_single_ladder(at: Standing) -> bool:
    """A part of what a group earned, lines on the terms of several versions, or what others leave of a budget: no tier alone
    says what the lines earn."""
    if at.working.inputs.shares or at.working.inputs.across is not None:
        return True
    with exact():
        *_, alone = outcome(at)
    return round_money(alone.rebate, at.working.program.currency) != at.rebate


def _held(at: Standing, tier: str | None) -> Decimal:
    """What the lines would earn at the tier that was settled."""
    names = [one.name for one in at.working.program.tiers]
    return held_at(at, names.index(tier) if tier in names else -1)
