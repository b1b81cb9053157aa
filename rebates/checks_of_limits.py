"""What makes limits impossible: amounts that are none, a cap below what has to be paid at least, a guarantee that no cap or
gate would hold back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from rebates.caps import Limits, Prorated, Proration, year_share
from rebates.money import fraction, rounded, text, unit
from rebates.periods import Period
from rebates.problems import Path, Problem, problem

if TYPE_CHECKING:
    from rebates.program import Program

_LIMITS = ("max_payout", "max_payout_program", "budget", "min_payout", "guarantee")
_NEXT = {
    "min_payout": "raise max_payout, or lower min_payout",
    "guarantee": "raise max_payout, or lower the guarantee",
}
_ALIKE = "name both in [proration], or neither"


def limit_problems(program: Program, periods: Sequence[Period]) -> list[Problem]:
    """Problems of the program's limits, and of those that hold in each market. `periods`: its own, none where its days are not
    sound."""
    found = [
        *_amounts(program, program.limits, ()),
        *_order(program, periods, program.limits, ()),
        *_held_back(program, program.limits, ()),
    ]
    for market in program.markets:
        if market.limits:
            # As they hold there, together with those of the program that it leaves as they are.
            there, place = program.limits.but(market.limits), ("market", market.name)
            found += _amounts(program, there, place, market.limits)
            found += _order(program, periods, there, place, market.limits)
            if "guarantee" in market.limits:
                found += _held_back(program, there, place)
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


def _order(
    program: Program, periods: Sequence[Period], limits: Limits, place: Path, names: Collection[str] = _LIMITS
) -> list[Problem]:
    """Limits that leave nothing to be paid, where one of the two is written at a place."""
    found = []
    cap, proration = limits.max_payout, program.proration
    for name, so in (("min_payout", ": nothing could ever be paid"), ("guarantee", "")):
        least = getattr(limits, name)
        if cap is None or least is None or not _above(program.proration, periods, name, least, cap):
            continue
        unlike = _unlike(proration) if name == "guarantee" else ""
        if name in names:
            found.append(
                problem(
                    (*place, name),
                    f"{text(least)} is above max_payout {text(cap)}{unlike}{so}",
                    _ALIKE if unlike else _NEXT[name],
                )
            )
        elif "max_payout" in names:
            found.append(
                problem(
                    (*place, "max_payout"),
                    f"{text(cap)} is below the program's {name} {text(least)}{unlike}{so}",
                    _ALIKE if unlike else f"raise it, or give this market a {name} of its own",
                )
            )
    return found


def _above(proration: Proration, periods: Sequence[Period], name: str, least: Decimal, cap: Decimal) -> bool:
    """Whether what has to be paid at least is more than the cap of any period; both may be written for a year."""
    if name != "guarantee":
        return least > cap
    if _shrinks(proration, "max_payout") and not _shrinks(proration, "guarantee"):
        return least > 0  # of who took part in a few days, the cap is next to nothing
    shares = [year_share(period) for period in periods]
    if not shares or ("max_payout" in proration.annual) == ("guarantee" in proration.annual):
        return least > cap
    if "guarantee" in proration.annual:
        return fraction(least) * max(shares) > fraction(cap)
    return fraction(least) > fraction(cap) * min(shares)


def _shrinks(proration: Proration, name: Prorated) -> bool:
    return proration.by != "none" and name in proration.of


def _unlike(proration: Proration) -> str:
    """How the two are written otherwise, where that is why one is above the other."""
    if _shrinks(proration, "max_payout") and not _shrinks(proration, "guarantee"):
        return " for a member that took part in a piece of a period (only max_payout shrinks)"
    written = {name for name in ("max_payout", "guarantee") if name in proration.annual}
    return f" in a period (only {next(iter(written))} is written for a year)" if len(written) == 1 else ""


def _held_back(program: Program, limits: Limits, place: Path) -> list[Problem]:
    """A guarantee that is paid all the same: above a cap over the program, or behind a closed gate."""
    found = []
    if limits.guarantee and limits.max_payout_program is not None:
        found.append(
            problem(
                (*place, "guarantee"),
                "it is paid period by period, also above max_payout_program",
                "leave one of them out; max_payout caps a single period",
            )
        )
    if limits.guarantee and program.gates:
        found.append(
            problem(
                (*place, "guarantee"),
                f"it would be paid also while the gate {program.gates[0].name!r} is closed",
                "leave one of them out",
            )
        )
    return found
