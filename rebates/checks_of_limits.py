"""What makes limits impossible: amounts that are none, and a cap below what has to be paid at least."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from rebates.caps import Limits
from rebates.money import rounded, text, unit
from rebates.problems import Path, Problem, problem

if TYPE_CHECKING:
    from rebates.program import Program

_LIMITS = ("max_payout", "max_payout_program", "budget", "min_payout", "guarantee")
_NEXT = {
    "min_payout": "raise max_payout, or lower min_payout",
    "guarantee": "raise max_payout, or lower the guarantee",
}


def limit_problems(program: Program) -> list[Problem]:
    """Problems of the program's limits, and of those that hold in each market."""
    found = [*_amounts(program, program.limits, ()), *_order(program.limits, ())]
    for market in program.markets:
        if market.limits:
            # As they hold there, together with those of the program that it leaves as they are.
            there, place = program.limits.but(market.limits), ("market", market.name)
            found += _amounts(program, there, place, market.limits)
            found += _order(there, place, market.limits)
    if program.settlement.grace_days < 0:
        found.append(problem(("grace_days",), f"{program.settlement.grace_days} is negative"))
    return found


def _amounts(
    program: Program, limits: Limits, place: Path, names: Collection[str] = _LIMITS
) -> list[Problem]:
    """Limits that are no amounts of money, of those that are written at a place."""
    found = []
    for name in _LIMITS:
        value = getattr(limits, name) if name in names else None
        if value is None:
            continue
        if value < 0:
            found.append(problem((*place, name), f"{text(value)} is negative"))
        elif value != rounded(value, unit(program.currency)):
            found.append(
                problem(
                    (*place, name),
                    f"{text(value)} is not a whole number of {unit(program.currency)} {program.currency}",
                )
            )
    return found


def _order(limits: Limits, place: Path, names: Collection[str] = _LIMITS) -> list[Problem]:
    """Limits that leave nothing to be paid, where one of the two is written at a place."""
    found = []
    cap = limits.max_payout
    for name, so in (("min_payout", ": nothing could ever be paid"), ("guarantee", "")):
        least = getattr(limits, name)
        if cap is None or least is None or least <= cap:
            continue
        if name in names:
            found.append(
                problem((*place, name), f"{text(least)} is above max_payout {text(cap)}{so}", _NEXT[name])
            )
        elif "max_payout" in names:
            found.append(
                problem(
                    (*place, "max_payout"),
                    f"{text(cap)} is below the program's {name} {text(least)}{so}",
                    f"raise it, or give this market a {name} of its own",
                )
            )
    return found
