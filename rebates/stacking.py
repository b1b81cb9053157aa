"""Several programs on the same sales: exclusive, parallel or one after the other.

The order is data (`order` in each program), so the answer does not depend on which program ran first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from rebates.money import Exact, fraction

Mode = Literal["parallel", "exclusive", "sequential"]


@dataclass(frozen=True)
class Stacking:
    """How a program behaves beside others of its `group`.

    `exclusive`: of the group only the best deal pays. `sequential`: paid on what the programs before it left
    (`base="reduced"`) or on everything (`base="full"`); `reduces` says whether its own rebate lowers the base
    of those after it.
    """

    mode: Mode = "parallel"
    group: str = "default"
    order: int = 0
    base: Literal["reduced", "full"] = "reduced"
    reduces: bool = True


def after_bucket(key: str) -> str:
    """The counter of lines that an earlier program of the sequence is paid on as well."""
    return f"(after):{key}"


class Deal(NamedTuple):
    """One program's claim on a shared base: `pay` works out its rebate on whatever base is left for it."""

    key: str
    stacking: Stacking
    pay: Callable[[Exact], Decimal]


def in_order(deals: Iterable[Deal]) -> list[Deal]:
    return sorted(deals, key=lambda deal: (deal.stacking.order, deal.key))


def stack(base: Exact, deals: Sequence[Deal]) -> Mapping[str, Decimal]:
    """Each program's rebate on a common base."""
    paid: dict[str, Decimal] = {}
    reduction: dict[str, Exact] = {}
    for deal in in_order(deals):
        left: Exact = base
        if deal.stacking.mode == "sequential" and deal.stacking.base == "reduced":
            left = fraction(base) - fraction(reduction.get(deal.stacking.group, Decimal(0)))
        paid[deal.key] = deal.pay(left)
        if deal.stacking.mode == "sequential" and deal.stacking.reduces:
            before = fraction(reduction.get(deal.stacking.group, Decimal(0)))
            reduction[deal.stacking.group] = before + fraction(paid[deal.key])
    losers = beaten((deal.key, deal.stacking, paid[deal.key]) for deal in deals)
    return {key: Decimal(0) if key in losers else rebate for key, rebate in paid.items()}


def beaten(claims: Iterable[tuple[str, Stacking, Decimal]]) -> Mapping[str, str]:
    """Exclusive programs that do not pay, and the better one that does (ties: the lower order, then the key)."""
    groups: dict[str, list[tuple[Decimal, int, str]]] = {}
    for key, stacking, rebate in claims:
        if stacking.mode == "exclusive":
            groups.setdefault(stacking.group, []).append((-rebate, stacking.order, key))
    return {loser: min(group)[2] for group in groups.values() for _, _, loser in sorted(group)[1:]}
