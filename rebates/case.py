"""One member's numbers in one period, set out so that the ladder can be asked about them.

Ratios, proration and market terms are resolved here; what is left is rungs, an axis and measures. Plain
programs stay in Decimals, everything else is worked in Fractions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Generic, NamedTuple

from rebates.buying import Buying, buying_of, up_to_coin
from rebates.growth import Base, attainment_base, growth_base
from rebates.ladder import Ladder, ladder_of
from rebates.methods import Band, N, Rung, Sale, reached, retrospective, stepped
from rebates.money import Exact, fraction, text, unit
from rebates.periods import Period
from rebates.program import Program
from rebates.qualifiers import Qualifier
from rebates.tiers import Tier
from rebates.totals import NOTHING, Inputs, Totals


@dataclass(slots=True)
class Scale(Generic[N]):
    """A qualifier's value and its thresholds on its own axis."""

    qualifier: Qualifier
    value: N
    rungs: Sequence[Rung[N]]
    base: Base | None = None


@dataclass(slots=True)
class Case(Generic[N]):
    """Everything the methods need. `scales[0]` is the axis that bands are cut on."""

    program: Program
    scales: list[Scale[N]]
    amount: N
    quantity: N
    axis_is: str  # the measure that is the axis itself; empty: none is
    adds: str  # the measure that is cut on the axis: the axis itself, or with a reduction what that leaves of it
    buying: Buying | None = None  # None: a plain program, which buys what it counts and is paid on it
    excess_over: N | None = None
    extra: Exact = Decimal(0)  # price differences of special agreements
    closed: Sequence[str] = ()  # gates that do not hold, ratios without a base
    missing: Sequence[str] = ()
    # The rebate of each tier at its threshold, worked out once for all members; None: it depends on the member.
    at_thresholds: dict[int, Decimal] | None = None

    @property
    def rungs(self) -> Sequence[Rung[N]]:
        return self.scales[0].rungs

    @property
    def answerable(self) -> bool:
        """Whether every ratio has a base; without one there is no axis to measure a gap on."""
        return all(scale.base is None or scale.base.usable for scale in self.scales)

    def index(self) -> int:
        """The tier that is reached; -1: none."""
        return -1 if self.closed else self.index_if_open()

    def index_if_open(self) -> int:
        """The tier that the qualifiers alone reach, whatever the gates say."""
        if len(self.scales) == 1:
            return reached(self.scales[0].rungs, self.scales[0].value)
        each = [reached(scale.rungs, scale.value) for scale in self.scales]
        return min(each) if self.program.join == "all" else max(each)

    def bands(self, index: int, axis: N) -> list[Band[N]]:
        """What each tier pays when tier `index` is reached and the axis stands at `axis`."""
        if index < 0:
            return []
        growth = self.program.growth
        sale = self._sale(axis)
        if self.program.method == "stepped" or (growth is not None and growth.mode == "banded"):
            return stepped(self.rungs, index, sale)
        return retrospective(self.rungs, index, sale)

    def _sale(self, axis: N) -> Sale[N]:
        now = self.scales[0].value
        amount, quantity, axis_is = self.amount, self.quantity, self.axis_is
        if axis != now:
            if self.buying is None:
                amount = amount + axis - now if self.adds == "amount" else amount
                quantity = quantity + axis - now if self.adds == "quantity" else quantity
            elif (bought := self.to_buy(axis - now)) is not None:
                amount = amount + bought * self.buying.amount
                quantity = quantity + bought * self.buying.quantity
        if self.excess_over is not None:
            excess = axis - self.excess_over
            amount = excess if self.adds == "amount" else _part_of(amount, excess, axis)
            quantity = excess if self.adds == "quantity" else _part_of(quantity, excess, axis)
        return Sale(axis, amount, quantity, axis_is)

    def to_buy(self, gap: Any) -> Any:
        """What has to be bought for a gap on the axis; None: no purchase closes it. What is bought for a mix is part of the
        whole, too, so that twice as much is needed for half of it.
        """
        scale = self.scales[0]
        if gap <= 0 or scale.base is None:
            return gap
        if scale.base.follows:
            return None
        if scale.qualifier.of != "mix":
            return gap
        rest = scale.base.value - fraction(scale.value) - gap
        return up_to_coin(gap * scale.base.value / rest, self.program, scale.qualifier) if rest > 0 else None


def _part_of(measure: N, excess: N, axis: N) -> N:
    """The share of another measure that lies above the baseline."""
    return measure * excess / axis if axis else axis


def plain_rungs(program: Program) -> tuple[Rung[Decimal], ...]:
    """The ladder of a plain program; worked out once per program."""
    return tuple(_rung(program, tier, Decimal, Decimal(1), Decimal(0)) for tier in program.tiers)


def set_out(
    program: Program, period: Period, totals: Totals, member: str | None, inputs: Inputs
) -> Case[Any]:
    """The case of one member. Decimal throughout where the program and its totals are plain."""
    if program.is_plain and not inputs.reduction:
        qualifier = program.qualifiers[0]
        tally = totals.get(qualifier.bucket, NOTHING)
        if type(tally.amount) is Decimal and type(tally.quantity) is Decimal:
            dimension = qualifier.dimension
            axis = tally.quantity if dimension == "quantity" else tally.amount
            if program.whole_units:
                axis = Decimal(math.floor(axis))
            plain = plain_terms(program)
            return Case(
                program,
                [Scale(qualifier, axis, plain.rungs)],
                tally.amount,
                axis if dimension == "quantity" else tally.quantity,
                dimension,
                dimension,
                at_thresholds=plain.at_thresholds,
            )
    return _exact_case(program, period, totals, member, inputs)


class PlainTerms(NamedTuple):
    """What is known of a plain program before any member is looked at."""

    rungs: tuple[Rung[Decimal], ...]
    at_thresholds: (
        dict[int, Decimal] | None
    )  # the rebates at its thresholds so far; None: each member has its own
    ladder: Ladder | None  # None: what it pays has to be worked out band by band


def plain_terms(program: Program) -> PlainTerms:
    """Worked out once and kept with the program."""
    cached: PlainTerms | None = program.__dict__.get("_plain_terms")
    if cached is None:
        limits = program.limits
        own = limits.max_payout_program is not None or limits.guarantee_cumulative
        rungs = plain_rungs(program)
        known: dict[int, Decimal] | None = None if own else {}
        cached = PlainTerms(rungs, known, None if known is None else ladder_of(program, rungs, known))
        program.__dict__["_plain_terms"] = cached
    return cached


def _exact_case(
    program: Program, period: Period, totals: Totals, member: str | None, inputs: Inputs
) -> Case[Fraction]:
    paid = totals.get(program.measure_bucket, NOTHING)
    amount, quantity = fraction(paid.amount) - fraction(inputs.reduction), fraction(paid.quantity)
    buying = buying_of(program, totals, inputs.reduction)
    missing = list(inputs.missing)
    closed: list[str] = []
    scales = [
        _scale(program, q, n, period, totals, member, inputs, missing, closed)
        for n, q in enumerate(program.qualifiers)
    ]
    for gate in program.gates:
        _close_unless_open(program, gate, period, totals, member, inputs, missing, closed)
    first = program.qualifiers[0]
    same_bucket = first.bucket == program.measure_bucket and first.of not in ("categories", "mix")
    if program.whole_units and first.dimension == "quantity":
        quantity = Fraction(math.floor(quantity))
    adds = first.dimension if same_bucket else ""
    excess = program.growth is not None and program.growth.mode == "excess"
    base = scales[0].base
    return Case(
        program,
        scales,
        amount,
        quantity,
        adds if not inputs.reduction else ("" if adds == "amount" else adds),
        adds,
        buying,
        excess_over=base.value if excess and base is not None and base.usable else None,
        extra=program.special.owed(totals),
        closed=closed,
        missing=missing,
    )


def _scale(
    program: Program,
    qualifier: Qualifier,
    place: int,
    period: Period,
    totals: Totals,
    member: str | None,
    inputs: Inputs,
    missing: list[str],
    closed: list[str],
) -> Scale[Fraction]:
    value = qualifier.value(totals)
    if program.whole_units and qualifier.of == "quantity":
        value = Fraction(math.floor(value))
    base = ratio_base(program, qualifier, value, period, totals, member, inputs)
    factor, shift = Fraction(1), Fraction(0)
    if base is not None:
        if base.missing:
            missing.append(base.missing)
        if not base.usable:
            closed.append(base.missing or base.refused or "")
        else:
            factor, shift = _axis_of(program, qualifier, base)
    elif qualifier.is_volume:
        factor = program.proration.factor("threshold", period, inputs)
    rungs = []
    for tier in program.tiers:
        threshold = tier.thresholds.get(qualifier.name, tier.threshold)
        rung = _rung(
            program,
            tier,
            Fraction,
            factor,
            shift,
            threshold=threshold,
            any_sale=base is not None and base.any_sale,
        )
        rungs.append(_prorated(program, rung, period, inputs) if place == 0 else rung)
    return Scale(qualifier, value, tuple(rungs), base)


def ratio_base(
    program: Program,
    qualifier: Qualifier,
    value: Fraction,
    period: Period,
    totals: Totals,
    member: str | None,
    inputs: Inputs,
) -> Base | None:
    """What a ratio is measured against; None for plain values."""
    if qualifier.of == "growth":
        assert program.growth is not None
        joined = program.growth.joined_within(period, program.starts, inputs.active_from)
        if inputs.baseline is None and joined is not None:
            return Base(missing=joined)
        return growth_base(program.growth, period, member, value, inputs)
    if qualifier.of == "attainment":
        return attainment_base(program.targets, period, member, inputs)
    if qualifier.of == "mix":
        whole = fraction(totals.get("all", NOTHING).of(qualifier.on))
        return Base(whole) if whole > 0 else Base(refused="nothing was bought that a mix could be a part of")
    return None


def _axis_of(program: Program, qualifier: Qualifier, base: Base) -> tuple[Fraction, Fraction]:
    """Factor and shift that bring a ratio's thresholds onto the axis."""
    if qualifier.of == "growth" and program.growth is not None:
        if program.growth.compare == "growth":
            return base.value, base.value
        if program.growth.compare == "difference":
            return Fraction(1), base.value
    return base.value, Fraction(0)


def _close_unless_open(
    program: Program,
    gate: Qualifier,
    period: Period,
    totals: Totals,
    member: str | None,
    inputs: Inputs,
    missing: list[str],
    closed: list[str],
) -> None:
    value = gate.value(totals)
    base = ratio_base(program, gate, value, period, totals, member, inputs)
    assert gate.at_least is not None
    needed = fraction(gate.at_least)
    if base is not None:
        if base.missing:
            missing.append(base.missing)
        if not base.usable:
            closed.append(f"{gate.name}: {base.missing or base.refused}")
            return
        factor, shift = _axis_of(program, gate, base)
        needed = needed * factor + shift
    if value < needed:
        closed.append(f"{gate.name} is {text(value)}, below {text(needed)}")


def _rung(
    program: Program,
    tier: Tier,
    number: type[N],
    factor: N,
    shift: N,
    *,
    threshold: Decimal | None = None,
    any_sale: bool = False,
) -> Rung[N]:
    start = number(tier.threshold if threshold is None else threshold) * factor + shift
    exceed = (tier.boundary or program.boundary) == "exceed" or any_sale
    cut = None
    if program.whole_units and not exceed and start > 0:
        cut = number(math.ceil(start)) - 1  # unit no. 15 is the first of the tier "from 15"
    return Rung(
        start,
        number(tier.benefit),
        tier.kind,
        exceed,
        cut,
        None if tier.max_measure is None else number(tier.max_measure),
        tier.back_to_first,
        None if tier.per is None else number(tier.per),
        None if tier.end is None else number(tier.end),
        None if tier.until is None else number(tier.until) * factor + shift,
    )


def _prorated(program: Program, rung: Rung[Fraction], period: Period, inputs: Inputs) -> Rung[Fraction]:
    """Fixed amounts and measure caps for a piece of a period or a year."""
    proration = program.proration
    amount = proration.factor("amount", period, inputs) if rung.kind == "amount" else Fraction(1)
    measure = proration.factor("max_measure", period, inputs)
    if amount == 1 and measure == 1:
        return rung
    return Rung(
        rung.threshold,
        rung.benefit * amount,
        rung.kind,
        rung.exceed,
        rung.cut,
        None if rung.max_measure is None else rung.max_measure * measure,
        rung.back_to_first,
        rung.per,
        None if rung.linear_to is None else rung.linear_to * amount,
        rung.until,
    )


def least_step(program: Program, qualifier: Qualifier, threshold: N, value: N) -> N:
    """The smallest purchase that goes beyond a threshold: to the next coin, or the next whole unit."""
    number = type(threshold)
    if qualifier.dimension == "quantity" or qualifier.of == "categories":
        return number(math.floor(threshold)) + 1 - value
    return threshold - value + number(unit(program.currency))
