"""The arithmetic of a ladder of tiers: which rung is reached, and what it pays.

Works alike on Decimals (exact, fast) and Fractions (where something was divided). Facts: the published
behaviour of retrospective and stepped schemes; one number per boundary, half-open bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Generic, NamedTuple, TypeVar

from rebates.tiers import Benefit

N = TypeVar("N", Decimal, Fraction)


@dataclass(frozen=True, slots=True)
class Rung(Generic[N]):
    """A tier with its threshold on the qualifier's own axis (ratios already multiplied out)."""

    threshold: N
    benefit: N
    kind: Benefit
    exceed: bool = False
    cut: N | None = None  # where its stepped band begins, when not at the threshold
    max_measure: N | None = None
    back_to_first: bool = False
    per: N | None = None
    linear_to: N | None = None
    until: N | None = None

    @property
    def begins(self) -> N:
        return self.threshold if self.cut is None else self.cut


class Band(NamedTuple, Generic[N]):
    """What one tier pays: `paid_on` is money for a rate, units for per_unit, the step for a fixed amount."""

    tier: int
    paid_on: N
    rebate: N
    capped: bool = False


class Sale(NamedTuple, Generic[N]):
    """The numbers a ladder is asked about: its axis, and what each kind of benefit is paid on."""

    axis: N
    amount: N
    quantity: N
    axis_is: str = "amount"  # which of the two *is* the axis; empty when neither


def _measure(sale: Sale[N], kind: Benefit) -> N:
    return sale.quantity if kind == "per_unit" else sale.amount


def reached(rungs: Sequence[Rung[N]], value: N) -> int:
    """The index of the highest tier that `value` reaches; -1 for none."""
    found = -1
    for index, rung in enumerate(rungs):
        if value > rung.threshold or (value == rung.threshold and not rung.exceed):
            found = index
        else:
            break
    return found


def retrospective(rungs: Sequence[Rung[N]], index: int, sale: Sale[N]) -> list[Band[N]]:
    """The reached tier's benefit on the whole measure."""
    if index < 0:
        return []
    rung = rungs[index]
    zero = sale.axis - sale.axis
    if rung.linear_to is not None:
        return [_linear(rungs, index, sale)]
    if rung.per is not None:
        return [_increments(rung, index, max(zero, sale.axis - rung.threshold), sale)]
    if rung.kind == "amount":
        return [Band(index, max(zero, sale.axis), rung.benefit)]
    whole = max(zero, _measure(sale, rung.kind))
    paid_on = whole if rung.max_measure is None else min(whole, rung.max_measure)
    return [Band(index, paid_on, paid_on * rung.benefit, paid_on < whole)]


def stepped(rungs: Sequence[Rung[N]], index: int, sale: Sale[N]) -> list[Band[N]]:
    """Each band pays its own benefit; a `back_to_first` tier takes the bands below it along."""
    axis = sale.axis
    zero = axis - axis
    first = index
    while first >= 0 and not rungs[first].back_to_first:
        first -= 1
    bands: list[Band[N]] = []
    for i in range(max(first, 0), index + 1):
        rung = rungs[i]
        low = zero if i == first else rung.begins
        high = rungs[i + 1].begins if i < index else _end_of_last(rungs, index, axis)
        width = high - low
        if rung.linear_to is not None:
            bands.append(_linear(rungs, i, sale))
        elif rung.per is not None:
            bands.append(_increments(rung, i, max(zero, width), sale))
        elif rung.kind == "amount":
            bands.append(Band(i, max(zero, width), rung.benefit))
        elif width > zero:
            inside = _on_the_measure(width, rung.kind, sale)
            paid_on = inside if rung.max_measure is None else min(inside, rung.max_measure)
            bands.append(Band(i, paid_on, paid_on * rung.benefit, paid_on < inside))
    return bands


def _end_of_last(rungs: Sequence[Rung[N]], index: int, axis: N) -> N:
    """Where the highest paying band ends: at the axis, or at the next tier's band when it is not reached yet."""
    return min(axis, rungs[index + 1].begins) if index + 1 < len(rungs) else axis


def _on_the_measure(part: N, kind: Benefit, sale: Sale[N]) -> N:
    """A part of the axis as what is paid on: where that is something else (what earlier programs left, say), its share of the
    parts is the axis's share."""
    if kind == "amount" or sale.axis_is == ("quantity" if kind == "per_unit" else "amount") or not sale.axis:
        return part
    return max(sale.axis - sale.axis, _measure(sale, kind)) * part / sale.axis


def _increments(rung: Rung[N], index: int, width: N, sale: Sale[N]) -> Band[N]:
    """A benefit for every full increment above the threshold."""
    assert rung.per is not None
    steps = type(width)(int(width // rung.per))
    of_one = _on_the_measure(rung.per, rung.kind, sale)
    if rung.max_measure is not None and steps * of_one > rung.max_measure:
        steps = type(width)(int(rung.max_measure // of_one))
    each = rung.benefit if rung.kind == "amount" else rung.benefit * of_one
    return Band(index, steps * of_one, steps * each)


def _linear(rungs: Sequence[Rung[N]], index: int, sale: Sale[N]) -> Band[N]:
    """Between two points; for rates the money at the points is interpolated, and it ends at the second."""
    rung = rungs[index]
    assert rung.linear_to is not None
    end = rung.until if rung.until is not None else rungs[index + 1].threshold
    low, high = rung.benefit, rung.linear_to
    if rung.kind == "rate":
        low, high = low * rung.threshold, high * end
    value = min(sale.axis, end)
    money = low + (high - low) * (value - rung.threshold) / (end - rung.threshold)
    if rung.kind == "rate":
        money = _on_the_measure(money, "rate", sale)
        value = _on_the_measure(value, "rate", sale)
    return Band(index, value, money, sale.axis > end)
