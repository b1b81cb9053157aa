"""A tier: one threshold and one benefit. The next tier's threshold ends it, so no gap can exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import Literal

from rebates.money import percent, text

Benefit = Literal["rate", "per_unit", "amount"]
Boundary = Literal["reach", "exceed"]

_BENEFIT_UNITS = {"rate": "", "per_unit": " {} per unit", "amount": " {}"}


@dataclass(frozen=True)
class Tier:
    """`threshold` is reached when `qualifier >= threshold` (or `>` with `boundary="exceed"`).

    Exactly one of `rate` (0.15 is 15 %), `per_unit`, `amount`, or the linear pair `start`/`end`.
    `per` turns a benefit into one for each full increment above the threshold. With several qualifiers,
    `thresholds` has one boundary for each, by name.
    """

    threshold: Decimal
    name: str = ""
    rate: Decimal | None = None
    per_unit: Decimal | None = None
    amount: Decimal | None = None
    thresholds: Mapping[str, Decimal] = field(default_factory=dict)
    max_measure: Decimal | None = None
    back_to_first: bool = False
    boundary: Boundary | None = None
    per: Decimal | None = None
    start: Decimal | None = None
    end: Decimal | None = None
    until: Decimal | None = None
    linear_in: Literal["rate", "amount"] = "amount"

    @property
    def linear(self) -> bool:
        return self.start is not None or self.end is not None

    @property
    def kind(self) -> Benefit:
        """What the benefit is paid on: revenue, units, or nothing but having arrived."""
        if self.linear:
            return self.linear_in
        return "rate" if self.rate is not None else "per_unit" if self.per_unit is not None else "amount"

    @property
    def along_the_axis(self) -> bool:
        """Whether it pays a rate or an amount per unit along what qualifies: for full increments, or between two points."""
        return self.kind != "amount" and (self.linear or self.per is not None)

    @property
    def benefit(self) -> Decimal:
        for value in (self.rate, self.per_unit, self.amount, self.start):
            if value is not None:
                return value
        return Decimal(0)

    def benefit_text(self, currency: str) -> str:
        """As people say it: `15%`, `2.50 USD per unit`, `1000 USD`."""
        words = self._said.get(currency)
        if words is None:
            words = self._said[currency] = self._words(currency)
        return words

    def _words(self, currency: str) -> str:
        if self.linear:
            ends = [
                percent(v or Decimal(0)) if self.linear_in == "rate" else text(v or Decimal(0))
                for v in (self.start, self.end)
            ]
            return f"{ends[0]} to {ends[1]}"
        number = percent(self.benefit) if self.kind == "rate" else text(self.benefit)
        words = number + _BENEFIT_UNITS[self.kind].format(currency)
        return f"{words} for every {text(self.per)}" if self.per is not None else words

    @cached_property
    def _said(self) -> dict[str, str]:
        """Said of every standing on the ladder, so worked out once for each currency."""
        return {}


def named(tiers: Iterable[Tier]) -> tuple[Tier, ...]:
    """Tiers without a name are called by their place: `Tier 2`."""
    return tuple(
        tier if tier.name else replace(tier, name=f"Tier {n}") for n, tier in enumerate(tiers, start=1)
    )
