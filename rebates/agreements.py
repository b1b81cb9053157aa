"""Ship-and-debit: lines sold at a special price under an agreement.

They can be left out of a volume program, or paid by the difference between reference and contract price.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from rebates.conditions import Condition, Fields, Filter, as_text
from rebates.money import fraction, money_text, text, units_text
from rebates.totals import Tally, Totals


@dataclass(frozen=True)
class Agreement:
    """A special price for a product (`counts` picks among the lines that name it)."""

    name: str
    reference: Decimal
    price: Decimal
    counts: Filter = dataclasses.field(default_factory=Filter)

    @property
    def difference(self) -> Decimal:
        """What one unit is paid."""
        return self.reference - self.price

    def on(self, sold: Tally) -> Fraction:
        """What units sold at the special price are paid."""
        return fraction(self.difference) * fraction(sold.quantity)

    def words(self, sold: Tally, currency: str) -> str:
        """The same, as people say it."""
        due = money_text(self.on(sold), currency)
        return (
            f"{self.name}: {text(self.reference)} - {text(self.price)} on {units_text(sold.quantity)} = {due}"
        )

    @property
    def bucket(self) -> str:
        return f"agreement:{self.name}"


@dataclass(frozen=True)
class ShipAndDebit:
    """`exclude`: a line with an `agreement` field does not count. `price_difference`: it is paid by its units."""

    lines: Literal["count", "exclude", "price_difference"] = "count"
    agreements: tuple[Agreement, ...] = ()
    field: str = "agreement"

    @property
    def not_special(self) -> Filter:
        """The condition that keeps specially priced lines out of the volume buckets."""
        if self.lines == "count":
            return Filter()
        return Filter((Condition("line", self.field, present=False),))

    def why_not(self, line: Fields) -> str | None:
        """Why a line that names an agreement is not paid by its units; None: it may be, or it names none."""
        name = as_text(line.get(self.field)) if self.lines == "price_difference" else None
        names = [agreement.name for agreement in self.agreements]
        if name is None or name in names:
            return None
        return f'{self.field} "{name}" is not in this program ({", ".join(names)})'

    def special(self, agreement: Agreement) -> Filter:
        return Filter((Condition("line", self.field, one_of=(agreement.name,)),)) + agreement.counts

    def due(self, totals: Totals) -> Iterable[tuple[Agreement, Tally]]:
        """Each agreement with what was sold under it, where the difference of prices is paid."""
        for agreement in self.agreements if self.lines == "price_difference" else ():
            tally = totals.get(agreement.bucket)
            if tally is not None and tally.lines:
                yield agreement, tally

    def owed(self, totals: Totals) -> Fraction:
        """What the differences of prices come to, exact."""
        return sum((agreement.on(sold) for agreement, sold in self.due(totals)), Fraction(0))
