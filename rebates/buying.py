"""What buying more of what decides the tier does besides: to what is paid on, and to the shares that have to hold.

A promise (so much is short, so much is paid then) has to hold whoever keeps it, so that only what follows from the purchase
is counted: what it certainly adds to the measure, and no share that other goods could water down.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from rebates.conditions import Filter
from rebates.money import Exact, fraction, unit
from rebates.program import Program
from rebates.qualifiers import Qualifier
from rebates.totals import ALL, NOTHING, Totals


@dataclass(frozen=True, slots=True)
class Buying:
    """What one more (dollar or unit) of the first qualifier adds to the amount and the quantity that are paid on."""

    amount: Fraction
    quantity: Fraction
    value: Fraction  # what it is worth in money
    units: Fraction


def buying_of(program: Program, totals: Totals, reduction: Exact) -> Buying:
    """Of another kind than the qualifier's own as much comes with it as did so far: units at their price.

    What is paid on grows with it where it counts all of these lines; else it is taken to stay as it is. Categories say
    nothing of how much is bought.
    """
    first = program.qualifiers[0]
    if first.of == "categories":
        return Buying(*(Fraction(0),) * 4)
    own, paid = totals.get(first.bucket, NOTHING), totals.get(program.measure_bucket, NOTHING)
    amount, quantity, axis = fraction(own.amount), fraction(own.quantity), fraction(own.of(first.dimension))
    value = Fraction(1) if first.dimension == "amount" else amount / axis if axis > 0 else Fraction(0)
    units = Fraction(1) if first.dimension == "quantity" else quantity / axis if axis > 0 else Fraction(0)
    if not lies_in(first.counts, program.measure_counts):
        return Buying(Fraction(0), Fraction(0), value, units)
    whole = fraction(paid.amount)
    left = 1 - fraction(reduction) / whole if whole > 0 else Fraction(1)  # of it, by the programs before
    return Buying(value * left, units, value, units)


def lies_in(inner: Filter, outer: Filter) -> bool:
    """Whether whatever passes one filter passes the other, as far as their conditions show it."""
    return all(condition in inner.conditions for condition in outer.conditions)


def shares_stay(
    program: Program, others: Iterable[Qualifier], tier: int, totals: Totals, bought: Exact
) -> bool:
    """Whether all shares that have to hold for a tier (of `others` and of gates) still do when so much more was bought for
    the first qualifier, be it of other goods.
    """
    at = program.tiers[tier]
    needed = [(gate, gate.at_least) for gate in program.gates]
    needed += [(one, at.thresholds.get(one.name, at.threshold)) for one in others]
    return all(
        _stays(program, one, fraction(least), totals, bought)
        for one, least in needed
        if one.of == "mix" and least is not None
    )


def _stays(program: Program, mix: Qualifier, at_least: Fraction, totals: Totals, bought: Exact) -> bool:
    first = program.qualifiers[0]
    if first.of == "categories" or lies_in(first.counts, mix.counts):
        return True
    buying = buying_of(program, totals, Fraction(0))
    more = fraction(bought) * (buying.units if mix.on == "quantity" else buying.value)
    return mix.value(totals) >= at_least * (fraction(totals.get(ALL, NOTHING).of(mix.on)) + more)


def up_to_coin(value: Fraction, program: Program, qualifier: Qualifier) -> Fraction:
    """Upwards to what can be bought: a coin, or a millionth of a unit."""
    step = Fraction(1, 1_000_000) if qualifier.dimension == "quantity" else fraction(unit(program.currency))
    return math.ceil(value / step) * step
