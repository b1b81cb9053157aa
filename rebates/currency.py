"""Amounts in other currencies: dated rates, kept by us, and the program's policy for which one applies.

A rate is units of the currency for one unit of the corporate currency, as Salesforce writes it: corporate =
amount / rate. Conversions are exact fractions; only the final rebate is rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Literal, NamedTuple

from rebates.money import Exact, fraction, text
from rebates.periods import Period
from rebates.totals import Tally

Policy = Literal["line_date", "period_end", "period_average", "fixed"]
ALWAYS = date.min


class DatedRate(NamedTuple):
    """`rate` holds from `starts_on` until the next one of its currency."""

    currency: str
    rate: Decimal
    starts_on: date = ALWAYS
    source: str = ""


class NoRate(LookupError):
    """There is no rate for a currency on a day."""


@dataclass(frozen=True)
class RateBook:
    """All dated rates, by currency."""

    rates: Mapping[str, tuple[DatedRate, ...]] = field(default_factory=dict)

    @staticmethod
    def of(rates: Iterable[DatedRate]) -> RateBook:
        by_currency: dict[str, dict[date, DatedRate]] = {}
        for rate in rates:
            if rate.rate <= 0:
                raise ValueError(f"the rate of {rate.currency} must be above zero, not {rate.rate}")
            by_currency.setdefault(rate.currency, {})[rate.starts_on] = rate
        return RateBook(
            {code: tuple(dated[day] for day in sorted(dated)) for code, dated in by_currency.items()}
        )

    def on(self, currency: str, day: date) -> DatedRate:
        """The rate that held on a day."""
        found = None
        for rate in self.rates.get(currency, ()):
            if rate.starts_on <= day:
                found = rate
        if found is None:
            raise NoRate(f"no rate for {currency} on {day}")
        return found

    def factor(self, source: str, target: str, day: date) -> Fraction:
        """What one unit of `source` is in `target` on a day."""
        if source == target:
            return Fraction(1)
        return self._units(target, day) / self._units(source, day)

    def _units(self, currency: str, day: date) -> Fraction:
        return fraction(self.on(currency, day).rate)

    def average(self, source: str, target: str, period: Period) -> Fraction:
        """The mean of the daily factors over a period, each day counted once."""
        if source == target:
            return Fraction(1)
        total, day = Fraction(0), period.start
        while day < period.end:
            total += self.factor(source, target, day)
            day += timedelta(days=1)
        return total / period.days


@dataclass(frozen=True)
class Conversion:
    """A program's way into its own currency. `fixed` rates: program currency for one unit of the other."""

    policy: Policy = "line_date"
    fixed: Mapping[str, Decimal] = field(default_factory=dict)

    def factor(self, source: str, target: str, day: date, period: Period, rates: RateBook) -> Fraction:
        """What one unit of a line's currency counts for. `NoRate` where nothing is known."""
        if source == target:
            return Fraction(1)
        if self.policy == "fixed":
            if source not in self.fixed:
                raise NoRate(f"the program fixes no rate for {source}")
            return fraction(self.fixed[source])
        if self.policy == "period_average":
            return rates.average(source, target, period)
        return rates.factor(source, target, period.last_day if self.policy == "period_end" else day)


def conversion_note(code: str, own: Exact, ours: Exact, target: str, policy: Policy) -> str:
    """What lines in another currency came to, in words."""
    return f"{text(fraction(own))} {code} converted to {text(ours)} {target} (rate of: {policy.replace('_', ' ')})"


def converted(tally: Tally, factor: Fraction) -> Tally:
    """The same lines in the program's currency; quantities have no currency."""
    if factor == 1:
        return tally
    return Tally(fraction(tally.amount) * factor, tally.quantity, tally.lines)
