"""In words, what a piece of a period or of a year makes of a program's amounts, and what a baseline is made of."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from rebates.caps import PRORATED, Prorated, year_share
from rebates.growth import Growth, active_share
from rebates.money import fraction, percent, text
from rebates.periods import Period
from rebates.program import Program
from rebates.totals import Inputs

SAID: dict[Prorated, str] = {
    "threshold": "thresholds",
    "amount": "fixed amounts",
    "max_payout": "the cap",
    "guarantee": "the guarantee",
    "max_measure": "what is paid on at most",
}


def prorated_words(program: Program, period: Period, inputs: Inputs) -> Iterator[str]:
    """One sentence for each factor that is not 1: `45 of 90 days: fixed amounts count 1/2`."""
    found: dict[tuple[str, Fraction], list[str]] = {}
    proration = program.proration
    for name in PRORATED if proration.of or proration.annual else ():
        if not _has(program, name):
            continue
        factor = proration.factor(name, period, inputs)
        if factor == 1:
            continue
        why = []
        if name in proration.annual:
            why.append(f"{year_share(period)} of a year")
        if (
            proration.by != "none"
            and name in proration.of
            and active_share(period, inputs, proration.by) != 1
        ):
            why.append(_time(period, inputs, proration.by))
        found.setdefault((" and ".join(why), factor), []).append(SAID[name])
    for (cause, factor), names in found.items():
        yield f"{cause}: {_listed(names)} times {factor}"


def _has(program: Program, name: Prorated) -> bool:
    """Whether there is anything to be made smaller."""
    if name == "threshold":
        plain = [one for one in program.qualifiers if one.is_volume]
        return any(tier.thresholds.get(one.name, tier.threshold) for one in plain for tier in program.tiers)
    if name == "amount":
        return any(tier.kind == "amount" for tier in program.tiers)
    if name == "max_measure":
        return any(tier.max_measure is not None for tier in program.tiers)
    return getattr(program.limits, name) is not None


def _time(period: Period, inputs: Inputs, by: str) -> str:
    share = active_share(period, inputs, by)
    if by == "months":
        return f"{share} of the months"
    return f"{share * period.days} of {period.days} days"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def baseline_words(program: Program, period: Period, member: str | None, inputs: Inputs) -> str | None:
    """What the baseline is made of, where it is not simply the number that it is taken from."""
    growth = program.growth
    if growth is None or not any(one.of == "growth" for one in (*program.qualifiers, *program.gates)):
        return None
    raw = inputs.baseline
    if raw is None:
        raw = growth.baselines.get(member or "", growth.for_everybody)
    if raw is None:
        return None if growth.minimum is None else f"no baseline is known: the minimum {text(growth.minimum)}"
    return _made_of(growth, fraction(raw), period, inputs)


def _made_of(growth: Growth, raw: Fraction, period: Period, inputs: Inputs) -> str | None:
    base, parts = raw, []
    if growth.baseline == "average" and inputs.baseline is not None and growth.years > 1:
        base /= growth.years
        parts.append(f"in {growth.years} years, {text(base)} on average")
    if growth.indexed:
        base *= 1 + fraction(growth.indexed)
        way = "raised" if growth.indexed > 0 else "lowered"
        parts.append(f"{way} by {percent(abs(growth.indexed))} to {text(base)}")
    if growth.new_members == "prorate" and (share := active_share(period, inputs)) != 1:
        base *= share
        parts.append(f"for {_time(period, inputs, 'days')} {text(base)}")
    if growth.minimum is not None and base < fraction(growth.minimum):
        parts.append(f"at least {text(growth.minimum)}")
    return f"the baseline: {text(raw)} {', '.join(parts)}" if parts else None
