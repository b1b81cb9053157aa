"""Three roles: a gate lets in or not, a qualifier picks the tier, the measure is paid on.

Each has its own filter and so its own buckets. A ratio (growth, attainment, mix) is never divided out:
its thresholds are multiplied by its base instead, which keeps the comparison exact.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Literal

from rebates.conditions import SIDES, Condition, Fields, Filter, Side
from rebates.money import fraction
from rebates.totals import ALL, NOTHING, ZERO, Totals

Of = Literal["amount", "quantity", "growth", "attainment", "categories", "mix"]
Dimension = Literal["amount", "quantity"]
KINDS: tuple[Of, ...] = ("amount", "quantity", "growth", "attainment", "categories", "mix")


@dataclass(frozen=True)
class Bucket:
    """A named counter and what it counts. Each side of its filter can be asked on its own."""

    name: str
    filter: Filter = dataclasses.field(default_factory=Filter)

    def counts_account(self, fields: Fields) -> bool:
        return self.filter.passes("account", fields)

    def counts_product(self, fields: Fields) -> bool:
        return self.filter.passes("product", fields)

    def counts_order(self, fields: Fields) -> bool:
        return self.filter.passes("order", fields)

    def counts_line(self, fields: Fields) -> bool:
        return self.filter.passes("line", fields)

    def why_not(self, account: Fields, product: Fields, order: Fields, line: Fields) -> str | None:
        """Why a line with these fields does not count here; None when it does."""
        sides: tuple[tuple[Side, Fields], ...] = (
            ("account", account),
            ("product", product),
            ("order", order),
            ("line", line),
        )
        for side, fields in sides:
            reason = self.filter.why_not(side, fields)
            if reason is not None:
                return reason
        return None


@dataclass(frozen=True)
class Qualifier:
    """A value with thresholds. `on` is the dimension of growth, attainment, mix and of a bought category.

    `categories` counts how many `values` of `field` (`product.family`) were bought for more than
    `each_above`. `mix` is the share of what `counts` lets through in everything that counts.
    """

    name: str = "qualifier"
    of: Of = "amount"
    on: Dimension = "amount"
    counts: Filter = dataclasses.field(default_factory=Filter)
    field: str = ""
    values: tuple[str, ...] = ()
    each_above: Decimal = ZERO
    at_least: Decimal | None = None  # a gate's bound

    @cached_property
    def dimension(self) -> Dimension:
        return "quantity" if self.of == "quantity" else "amount" if self.of == "amount" else self.on

    @cached_property
    def bucket(self) -> str:
        """Where its own lines are counted."""
        return f"{self.name}" if self.counts.conditions else ALL

    @property
    def is_ratio(self) -> bool:
        return self.of in ("growth", "attainment", "mix")

    @property
    def is_volume(self) -> bool:
        """Whether its thresholds are money or units, which a piece of a period has less of."""
        return self.of in ("amount", "quantity")

    def category_bucket(self, value: str) -> str:
        return f"{self.name}:{value}"

    def buckets(self) -> tuple[Bucket, ...]:
        """The counters it needs beside `all`."""
        if self.of == "categories":
            before, _, name = self.field.partition(".")
            side: Side = next((known for known in SIDES if known == before), "product")
            return tuple(
                Bucket(
                    self.category_bucket(value),
                    self.counts + Filter((Condition(side, name, one_of=(value,)),)),
                )
                for value in self.values
            )
        return (Bucket(self.name, self.counts),) if self.counts.conditions else ()

    def value(self, totals: Totals) -> Fraction:
        """The absolute value on its axis: money, units, or the number of categories."""
        if self.of == "categories":
            bought = sum(
                1
                for value in self.values
                if fraction(totals.get(self.category_bucket(value), NOTHING).of(self.on))
                > fraction(self.each_above)
            )
            return Fraction(bought)
        return fraction(totals.get(self.bucket, NOTHING).of(self.dimension))
