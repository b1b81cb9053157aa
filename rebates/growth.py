"""Growth against a baseline, and attainment of a target: where the ratio's base comes from.

`mode`: `whole` pays the reached tier on everything, `excess` on what lies above the baseline, `banded`
pays each band of the ratio its own rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from rebates.calendars import years_back
from rebates.money import fraction
from rebates.periods import Period
from rebates.qualifiers import Dimension
from rebates.totals import ZERO, Inputs

Mode = Literal["whole", "excess", "banded"]
Source = Literal["same_period_last_year", "fixed", "average"]
Compare = Literal["index", "growth", "difference"]


@dataclass(frozen=True)
class Growth:
    """How growth is measured and what to do where there is little or nothing to compare with.

    `compare`: thresholds are an `index` (110 % of the baseline), a `growth` (10 % above it) or a
    `difference` (so much more). `zero`: `no_rebate`; `any_sale` counts any purchase as growth beyond every
    threshold; `as_100_percent` takes what was bought as its own baseline. `indexed` raises the baseline
    (prices went up by so much).
    """

    mode: Mode = "whole"
    baseline: Source = "same_period_last_year"
    years: int = 1
    on: Dimension = "amount"
    compare: Compare = "index"
    zero: Literal["no_rebate", "any_sale", "as_100_percent"] = "no_rebate"
    minimum: Decimal | None = None
    indexed: Decimal = ZERO
    new_members: Literal["none", "prorate"] = "none"
    baselines: Mapping[str, Decimal] = field(default_factory=dict)
    for_everybody: Decimal | None = None  # a fixed baseline of whoever has none of their own

    @property
    def from_sales(self) -> bool:
        """Whether what was bought before is the baseline."""
        return self.baseline != "fixed"

    def looks_within(self, starts: date, ends: date) -> bool:
        """Whether some of a program's own days (`ends` is the last one) are what later ones are compared with."""
        return self.from_sales and years_back(ends, 1) >= starts

    def counts_before_joining(self, day: date, starts: date) -> bool:
        """Whether what a member bought on a day before it joined is a part of its baseline: before the program starts.
        From then on only what it buys as a member counts, as in every program.
        """
        return self.from_sales and day < starts

    def joined_within(self, period: Period, starts: date, joined: date | None) -> str | None:
        """Why past sales are no baseline of a period: the member joined within the days that it is compared with, where
        those are the program's own. None: they are.
        """
        if joined is None or not self.from_sales:
            return None
        if all(min(end, joined) <= max(start, starts) for start, end in self.windows(period)):
            return None
        return (
            f"{period.key} is compared with days of this program before the member joined on {joined}, which do not count: "
            "give it a baseline in the targets file"
        )

    def windows(self, period: Period) -> tuple[tuple[date, date], ...]:
        """The half-open spans of days whose totals make up the baseline of a period."""
        if self.baseline == "fixed":
            return ()
        years = self.years if self.baseline == "average" else 1
        return tuple((years_back(period.start, n), years_back(period.end, n)) for n in range(1, years + 1))

    def elapsed_windows(self, period: Period, as_of: date) -> tuple[tuple[date, date], ...]:
        """The same spans up to the point that the period has reached on `as_of` (that day included)."""
        passed = min(period.end, max(period.start, date.fromordinal(as_of.toordinal() + 1)))
        return tuple(
            (start, min(end, years_back(passed, n)))
            for n, (start, end) in enumerate(self.windows(period), start=1)
        )


@dataclass(frozen=True)
class Base:
    """The base of a ratio: thresholds become `base * threshold + shift` on the axis.

    `any_sale`: whatever is above zero reaches every tier. `follows`: it grows with the value, so that no purchase gets
    nearer to a threshold. `missing` says why there is no base.
    """

    value: Fraction = field(default=Fraction(1))
    any_sale: bool = False
    follows: bool = False
    missing: str | None = None
    refused: str | None = None

    @property
    def usable(self) -> bool:
        return self.missing is None and self.refused is None


def growth_base(growth: Growth, period: Period, member: str | None, axis: Fraction, inputs: Inputs) -> Base:
    """The baseline as this program's policies want it."""
    raw = (
        inputs.baseline
        if inputs.baseline is not None
        else growth.baselines.get(member or "", growth.for_everybody)
    )
    if raw is None:
        if growth.minimum is None:
            return Base(missing=f"no baseline for {member or 'the member'} in {period.key}")
        raw = growth.minimum
    base = fraction(raw)
    if growth.baseline == "average" and inputs.baseline is not None:
        base /= growth.years
    base *= 1 + fraction(growth.indexed)
    if growth.new_members == "prorate":
        base *= active_share(period, inputs)
    if growth.minimum is not None:
        base = max(base, fraction(growth.minimum))
    if base < 0:
        return Base(refused="the baseline is negative (more was returned than bought)")
    if base == 0:
        if growth.zero == "any_sale":
            return Base(Fraction(0), any_sale=True)
        if growth.zero == "as_100_percent" and axis > 0:
            return Base(axis, follows=True)
        return Base(refused="the baseline is zero")
    return Base(base)


def attainment_base(
    targets: Mapping[str, Decimal], period: Period, member: str | None, inputs: Inputs
) -> Base:
    """The member's target; without one it earns nothing and the standing says so."""
    raw = inputs.target if inputs.target is not None else targets.get(member or "")
    if raw is None:
        return Base(missing=f"no target for {member or 'the member'} in {period.key}")
    if raw <= 0:
        return Base(refused="the target is not above zero")
    return Base(fraction(raw))


def active_share(period: Period, inputs: Inputs, by: str = "days") -> Fraction:
    """The part of a period in which a member took part: by days (actual/actual) or by started months."""
    start = max(period.start, inputs.active_from or period.start)
    last = min(period.last_day, inputs.active_to or period.last_day)
    if last < start:
        return Fraction(0)
    if by == "months":
        return Fraction(_months(start, last), _months(period.start, period.last_day))
    return Fraction((last - start).days + 1, period.days)


def _months(first: date, last: date) -> int:
    return last.year * 12 + last.month - first.year * 12 - first.month + 1
