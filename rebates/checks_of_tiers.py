"""What makes a ladder of tiers impossible: thresholds that do not rise, benefits that cannot be paid."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from rebates.money import percent, text
from rebates.problems import Path, Problem, problem
from rebates.tiers import Tier

if TYPE_CHECKING:
    from rebates.program import Program


def ladder_problems(program: Program, tiers: tuple[Tier, ...], place: Path) -> list[Problem]:
    """Problems of one ladder (the program's or a market's)."""
    found: list[Problem] = []
    if not tiers:
        if program.special.lines == "price_difference" and program.special.agreements:
            return []
        return [
            problem(
                place,
                "a program needs at least one tier",
                "[[tiers]] with threshold and rate, per_unit or amount",
            )
        ]
    names = [tier.name for tier in tiers if tier.name]
    found += [
        problem(place, f"two tiers are called {name!r}")
        for name in sorted({n for n in names if names.count(n) > 1})
    ]
    several = len(program.qualifiers) > 1
    for n, tier in enumerate(tiers):
        found += _tier(program, tier, (*place, n), last=n == len(tiers) - 1)
        if several:
            found += _thresholds(program, tier, (*place, n, "threshold"))
    for n, (low, high) in enumerate(pairwise(tiers), start=1):
        if several:
            for name in low.thresholds.keys() & high.thresholds.keys():
                if high.thresholds[name] < low.thresholds[name]:
                    found.append(
                        problem(
                            (*place, n, "threshold"),
                            f"{name} falls from {text(low.thresholds[name])} to {text(high.thresholds[name])}",
                            "thresholds rise from tier to tier",
                        )
                    )
            if low.thresholds == high.thresholds:
                found.append(problem((*place, n, "threshold"), f"the same thresholds as tier {n}"))
        elif high.threshold <= low.threshold:
            found.append(
                problem(
                    (*place, n, "threshold"),
                    f"threshold {text(high.threshold)} does not rise above {text(low.threshold)}",
                    "thresholds rise from tier to tier; the next tier's threshold ends this one",
                )
            )
    return found


def _thresholds(program: Program, tier: Tier, place: Path) -> list[Problem]:
    names = {qualifier.name for qualifier in program.qualifiers}
    found = [
        problem(place, f"no threshold for {name}", f'threshold = {{ {name} = "…" }}')
        for name in sorted(names - tier.thresholds.keys())
    ]
    return found + [
        problem(place, f"there is no qualifier {name!r}", f"qualifiers: {', '.join(sorted(names))}")
        for name in sorted(tier.thresholds.keys() - names)
    ]


def _tier(program: Program, tier: Tier, place: Path, *, last: bool) -> list[Problem]:
    return [
        *_benefit(tier, place),
        *_increment(program, tier, place),
        *_linear(tier, place, last=last),
        *_on_the_axis(program, tier, place),
        *_beside_the_method(program, tier, place),
    ]


def _benefit(tier: Tier, place: Path) -> list[Problem]:
    """That there is one, of a size that can be meant."""
    found = []
    given = [name for name in ("rate", "per_unit", "amount") if getattr(tier, name) is not None] + (
        ["from/to"] if tier.linear else []
    )
    if len(given) != 1:
        have = f"has {' and '.join(given)}" if given else "has no benefit"
        found.append(problem(place, f"{have}", "exactly one of rate, per_unit, amount (or from with to)"))
    values = {
        "rate": tier.rate,
        "per_unit": tier.per_unit,
        "amount": tier.amount,
        "from": tier.start,
        "to": tier.end,
        "max_measure": tier.max_measure,
        "threshold": tier.threshold,
        **tier.thresholds,
    }
    found += [
        problem((*place, name), f"{text(value)} is negative")
        for name, value in values.items()
        if value is not None and value < 0
    ]
    if tier.rate is not None and tier.rate > 1:
        found.append(
            problem(
                (*place, "rate"),
                f"{text(tier.rate)} is {percent(tier.rate)} of revenue",
                f'did you mean "{text(tier.rate)}%"?',
            )
        )
    return found


def _increment(program: Program, tier: Tier, place: Path) -> list[Problem]:
    """What is counted off, and paid for each."""
    found = []
    if tier.per is not None and tier.per <= 0:
        found.append(problem((*place, "per"), "an increment must be above zero"))
    axis = program.qualifiers[0].dimension if program.qualifiers else "amount"
    if tier.per is not None and (
        (tier.rate is not None and axis == "quantity") or (tier.per_unit is not None and axis == "amount")
    ):
        found.append(
            problem(
                (*place, "per"),
                f"the increment is counted in {'units' if axis == 'quantity' else 'money'}, the benefit is not",
                "pay an amount for each increment",
            )
        )
    return found


def _on_the_axis(program: Program, tier: Tier, place: Path) -> list[Problem]:
    """A share of revenue, or an amount per unit, that is worked out along what qualifies, where something else is paid on."""
    if not tier.along_the_axis or not program.qualifiers:
        return []
    first = program.qualifiers[0]
    found = []
    if tier.linear and first.dimension == "quantity":
        found.append(
            problem(
                (*place, "from"),
                "the rate grows with units, and would be paid on their number",
                "amounts in from and to, or a qualifier that measures money",
            )
        )
    elif first.of in ("categories", "mix") or first.counts != program.measure_counts:
        found.append(
            problem(
                (*place, "from" if tier.linear else "per"),
                "it is worked out along what qualifies, and would not be paid on what the measure counts",
                "amounts in from and to, or the same lines in [qualifier_counts] and [measure_counts]"
                if tier.linear
                else "pay an amount for each increment, or count the same lines in [qualifier_counts] and [measure_counts]",
            )
        )
    elif program.growth is not None and program.growth.mode == "excess":
        found.append(
            problem(
                (*place, "from" if tier.linear else "per"),
                "it is worked out along all that was bought, while the excess is paid on",
                'amounts instead of rates, a plain rate, or [growth] mode = "whole"',
            )
        )
    return found


def _linear(tier: Tier, place: Path, *, last: bool) -> list[Problem]:
    """A benefit that grows along a line."""
    found = []
    if tier.linear and (tier.start is None or tier.end is None):
        found.append(problem(place, "a linear benefit has two ends", 'from = "1000" and to = "3000"'))
    if tier.linear and tier.until is None and last:
        found.append(
            problem((*place, "until"), "the last tier has no next threshold to run to", 'until = "50000"')
        )
    if tier.linear and tier.until is not None and tier.until <= tier.threshold:
        found.append(
            problem(
                (*place, "until"), f"{text(tier.until)} is not above the threshold {text(tier.threshold)}"
            )
        )
    return found


def _beside_the_method(program: Program, tier: Tier, place: Path) -> list[Problem]:
    """A benefit that does not go with the program's method or measure."""
    found = []
    if tier.back_to_first and program.method == "retrospective" and program.growth is None:
        found.append(
            problem(
                (*place, "back_to_first"),
                "every tier of a retrospective program pays back to the first",
                'method = "stepped", or leave it out',
            )
        )
    if program.measure == "quantity" and tier.kind == "rate":
        found.append(
            problem(
                (*place, "rate"),
                "a rate is a share of revenue, but the measure is the quantity",
                'measure = "amount", or per_unit',
            )
        )
    if program.measure == "amount" and tier.kind == "per_unit":
        found.append(
            problem(
                (*place, "per_unit"),
                "an amount per unit is paid on the quantity, but the measure is the amount",
                'measure = "quantity", or leave it out',
            )
        )
    return found
