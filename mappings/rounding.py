"""To how many decimals an amount is written: as the mapping says, and never to more than the org's field has.

Salesforce keeps what an API wrote with all its digits and shows it rounded to the field's decimals. So it is rounded here,
before it is written: what people see is what is stored, and who may not be told another amount (a payout) sees that it
would be one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final, NamedTuple

from mappings.model import PushTarget, Value
from mappings.vocabulary import kind_of
from rebates.money import minor_units

BY_CURRENCY: Final = "currency"
USUAL_SCALE = 2  # of the fields of our package: what counts until the org has said
PAYOUT_AMOUNT = "payout.amount"

View = Mapping[str, Mapping[str, Any]]
_unit = cache(lambda places: Decimal(1).scaleb(-places))


class TooFine(NamedTuple):
    """Fields of one object that are written with fewer decimals than the currency of some programs has."""

    object: str
    fields: tuple[str, ...]
    decimals: int
    currency: str
    programs: tuple[str, ...]
    payout: bool  # one of them is what is paid

    def __str__(self) -> str:
        several = len(self.fields) > 1
        named = self.fields[0] + (f" and {len(self.fields) - 1} more" if several else "")
        outcome = "a payout that needs more is not sent" if self.payout else "amounts are shown rounded"
        plural = "s" if len(self.programs) > 1 else ""
        return (
            f"{self.object}.{named} {'are' if several else 'is'} written with {self.decimals} decimals, and {self.currency} "
            f"(program{plural} {', '.join(self.programs)}) has {minor_units(self.currency)}: {outcome}"
        )

    @property
    def mend(self) -> str:
        return (
            f'write round = "currency" to a field that keeps {minor_units(self.currency)} decimals '
            "(docs/mapping.md, Amounts and decimals)"
        )


def unit_for(value: Value) -> Callable[[View], Decimal | None]:
    """The step to which a value of a view is rounded; None: it is written as it is."""
    if value.round != BY_CURRENCY:
        unit = None if (places := _most(value)) is None else _unit(places)
        return lambda _: unit
    limit = USUAL_SCALE if value.scale is None else value.scale
    may_be_units = kind_of(value.from_ or "") == "qualifier"

    of_currencies: dict[str | None, Decimal] = {None: _unit(limit)}

    def of_currency(view: View) -> Decimal:
        currency = None if may_be_units and counts_units(view) else currency_of(view)
        unit = of_currencies.get(currency)
        if unit is None:
            assert currency is not None
            unit = of_currencies[currency] = _unit(min(limit, minor_units(currency)))
        return unit

    return of_currency


def currency_of(view: View) -> str | None:
    """The currency of a view's amounts."""
    for group in ("standing", "program"):
        if (values := view.get(group)) is not None and (currency := values.get("currency")):
            return str(currency)
    return None


def too_fine(targets: Iterable[PushTarget], programs: Mapping[str, str]) -> Iterator[TooFine]:
    """Where the targets, fitted to the org, cannot write what programs (key → currency) come to."""
    of_currency: dict[str, list[str]] = {}
    for key, currency in sorted(programs.items()):
        of_currency.setdefault(currency, []).append(key)
    for target in targets:
        most = {
            name: places
            for name, value in target.fields.items()
            if kind_of(value.from_ or "") == "amount" and (places := _most(value)) is not None
        }
        for currency, keys in sorted(of_currency.items()):
            coarse = [name for name, places in most.items() if places < minor_units(currency)]
            if coarse:
                coarse.sort(key=lambda name: target.fields[name].from_ != PAYOUT_AMOUNT)
                pays = target.fields[coarse[0]].from_ == PAYOUT_AMOUNT
                yield TooFine(target.object, tuple(coarse), most[coarse[0]], currency, tuple(keys), pays)


def _most(value: Value) -> int | None:
    """How many decimals can be written at most, whatever the currency; None: as many as there are."""
    told = [places for places in (value.round, value.scale) if isinstance(places, int)]
    return min(told, default=USUAL_SCALE if value.round == BY_CURRENCY else None)


def counts_units(view: View) -> bool:
    """Whether the program's qualifier is a number of units, and no amount."""
    return view.get("program", {}).get("qualifier") == "quantity"
