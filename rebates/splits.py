"""How one more line falls into the bands: the trace behind a stepped rebate, line by line."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from rebates.case import set_out
from rebates.money import exact, fraction, round_money
from rebates.program import Program
from rebates.totals import ALL, NO_INPUTS, Tally


class Part(NamedTuple):
    """The part of a line that fell into one tier, and what that pays."""

    tier: str
    quantity: Fraction
    amount: Fraction
    rebate: Decimal


def split_line(program: Program, *, prior: Tally, line: Tally) -> tuple[Part, ...]:
    """A line after `prior`, cut at the bands of a stepped program; its amount follows its quantity (or the reverse)."""
    if (
        program.method != "stepped"
        or len(program.qualifiers) != 1
        or program.qualifiers[0].of not in ("amount", "quantity")
    ):
        raise ValueError("only a stepped program on money or units has bands that a line falls into")
    with exact():
        case = set_out(program, program.periods()[0], {ALL: prior + line}, None, NO_INPUTS)
    dimension = program.qualifiers[0].dimension
    before, after = (
        fraction(prior.of(dimension)),
        fraction(prior.of(dimension)) + fraction(line.of(dimension)),
    )
    parts = []
    for index, rung in enumerate(case.rungs):
        low = fraction(rung.begins)
        high = fraction(case.rungs[index + 1].begins) if index + 1 < len(case.rungs) else max(before, after)
        inside = max(Fraction(0), min(max(before, after), high) - max(min(before, after), low))
        if not inside:
            continue
        share = inside / abs(after - before)
        quantity, amount = fraction(line.quantity) * share, fraction(line.amount) * share
        paid_on = quantity if rung.kind == "per_unit" else amount
        rebate = round_money(paid_on * fraction(rung.benefit), program.currency)
        parts.append(Part(program.tiers[index].name, quantity, amount, rebate))
    return tuple(parts)
