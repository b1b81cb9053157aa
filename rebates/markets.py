"""One program tuned per market: named overrides of tiers and limits, chosen by account fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from rebates.conditions import Fields, Filter
from rebates.tiers import Tier


@dataclass(frozen=True)
class Market:
    """Members whose account passes `when` get these tiers (a full ladder) and limits instead of the program's."""

    name: str
    when: Filter
    tiers: tuple[Tier, ...] = ()
    limits: Mapping[str, Decimal] | None = None


def market_of(markets: Sequence[Market], account: Fields) -> Market | None:
    """The first market, in the file's order, that takes this account."""
    return next((market for market in markets if market.when.passes("account", account)), None)


def overridden(tiers: Sequence[Tier], changes: Mapping[str, Mapping[str, object]]) -> tuple[Tier, ...]:
    """The program's tiers with some fields of some, by name, changed; another benefit replaces the old one."""
    benefits: dict[str, object] = {"rate": None, "per_unit": None, "amount": None, "start": None, "end": None}
    out = []
    for tier in tiers:
        change = dict(changes.get(tier.name, {}))
        if any(key in change for key in benefits):
            change = {**benefits, **change}
        out.append(replace(tier, **change))  # type: ignore[arg-type]
    return tuple(out)
