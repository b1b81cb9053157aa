"""A standing: where one member is in one program and period, always worked out from zero.

`standing()` is pure: the same totals, inputs and day give the same answer, whatever came before and in
whatever order. Caps and guarantee come after the tier, rounding comes last and once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from rebates.caps import Capped, Earned, guaranteed, limited
from rebates.case import Case, plain_terms, set_out
from rebates.ladder import Ladder
from rebates.methods import Band
from rebates.money import Exact, exact, fraction, parse_number, round_money, shown
from rebates.next_tier import following_of, gap_to, rebate_at, rebate_of, together, worth
from rebates.periods import Period
from rebates.program import Program
from rebates.settle import Payout, payout
from rebates.status import Status, status_of
from rebates.totals import ALL, NO_INPUTS, NOTHING, ZERO, Inputs, Tally, Totals, anything_in


class Level(NamedTuple):
    """A higher tier: how much more it needs, what it would pay, and how much more that is than now."""

    tier: str
    need: Decimal | None  # None: something else than the first qualifier holds it back
    rebate: Decimal
    additional: Decimal
    per_unit_of_need: Decimal | None  # extra rebate for each extra dollar (or unit), to six decimals


class Working(NamedTuple):
    """What a standing was computed from, kept so that it can explain itself."""

    program: Program
    totals: Totals
    inputs: Inputs


@dataclass(frozen=True, slots=True)
class Standing:
    """Amounts are in the program's currency. `rebate` is rounded once; `incomplete` lists what was missing."""

    program: str
    member: str | None
    period: Period
    as_of: date
    qualifying_amount: Decimal
    qualifying_quantity: Decimal
    qualifier: Decimal
    measure: Decimal
    lines: int
    tier: str | None
    tier_number: int  # from 1; 0: none reached
    rebate: Decimal
    next_tier: str | None
    to_next_tier: Decimal | None  # on the first qualifier's axis; None: that alone does not reach it
    rebate_at_next_tier: Decimal | None
    status: Status
    capped: bool
    incomplete: tuple[str, ...]
    working: Working = field(repr=False, compare=False)

    @property
    def uplift(self) -> Decimal | None:
        """The extra rebate at the next tier."""
        return None if self.rebate_at_next_tier is None else self.rebate_at_next_tier - self.rebate

    @property
    def last_day(self) -> date:
        return self.period.last_day

    @property
    def days_left(self) -> int:
        """Days that still count, `as_of` included."""
        return self.period.days_left(self.as_of)

    @property
    def higher_tiers(self) -> tuple[Level, ...]:
        """Every tier above, with what it needs and brings."""
        with exact():
            return _levels(self)

    @property
    def steps(self) -> tuple[Any, ...]:
        """The arithmetic behind the number, as `rebates.explain.Step` values."""
        from rebates.explain import explain  # explaining reads standings, so it comes after them

        return explain(self)

    @property
    def is_last(self) -> bool:
        """No period of the program follows, and so no payout."""
        return self.period.last_day >= self.working.program.ends

    @property
    def payout(self) -> Payout:
        """What would be paid now: the rebate less what was settled, never below zero."""
        return self.payout_with(ZERO)

    def payout_with(self, corrections: Decimal) -> Payout:
        """The same, with what is booked beside it."""
        inputs, terms = self.working.inputs, self.working.program
        return payout(
            self.rebate,
            settled=inputs.settled,
            carried=inputs.carried + corrections,
            min_payout=terms.limits.min_payout,
            claw_back=terms.settlement.claw_back,
            last=self.is_last,
            paid_before=inputs.paid_before,
        )


def earned_in(at: Standing) -> Earned | None:
    """What a period came to beside what its own terms guaranteed for it; None without a guarantee."""
    terms, _, inputs = at.working
    floor = guaranteed(terms.limits, terms.proration, at.period, inputs)
    return None if floor is None else Earned(at.rebate, floor)


def standing(
    program: Program,
    period: Period | date | str | None = None,
    totals: Totals | None = None,
    *,
    amount: Decimal | str | int | None = None,
    quantity: Decimal | str | int | None = None,
    as_of: date | datetime | None = None,
    member: str | None = None,
    inputs: Inputs = NO_INPUTS,
    market: str | None = None,
) -> Standing:
    """The standing that these totals give, computed from zero.

    With plain values: `standing(program, amount="12000", quantity=3)`. `period` may be a `Period`, its key or
    a day in it; left out it is that of `as_of`, else the program's first. Raises `ValueError` for a period the
    program does not have.
    """
    terms = program.for_market(market)
    day = None if as_of is None else program.day_of(as_of)
    found = find_period(program, period, day)
    if totals is None:
        tally = Tally(
            parse_number(amount if amount is not None else 0),
            parse_number(quantity if quantity is not None else 0),
            1,
        )
        totals = {ALL: tally}
        if program.measure_bucket != ALL:
            totals[program.measure_bucket] = tally
    with exact():
        return _standing(terms, found, totals, found.last_day if day is None else day, member, inputs)


def standings(
    program: Program, period: Period, rows: Iterable[tuple[str, Totals, Inputs]], *, as_of: date
) -> list[Standing]:
    """Many members of one period (one market) at once."""
    with exact():
        return [_standing(program, period, totals, as_of, member, inputs) for member, totals, inputs in rows]


def find_period(program: Program, period: Period | date | str | None, day: date | None) -> Period:
    """The program's period that is meant; `ValueError` when it has no such period."""
    if isinstance(period, Period):
        return period
    found: Period | None
    if isinstance(period, str):
        found = next((p for p in program.periods() if p.key == period), None)
    elif period is not None:
        found = program.period_of(period)
    else:
        found = program.periods()[0] if day is None else program.period_of(day)
    if found is None:
        raise ValueError(f"{program.key} has no period {period if period is not None else day}")
    return found


def _standing(
    terms: Program, period: Period, totals: Totals, as_of: date, member: str | None, inputs: Inputs
) -> Standing:
    if terms.is_plain and (ladder := plain_terms(terms).ladder) and not inputs.reduction:
        tally = totals.get(terms.qualifiers[0].bucket, NOTHING)
        amount, quantity = tally.amount, tally.quantity
        if isinstance(amount, Decimal) and isinstance(quantity, Decimal):
            whole = (amount, quantity, tally.lines)
            return _on_plain_ladder(terms, ladder, whole, period, totals, as_of, member, inputs)
    case = set_out(terms, period, totals, member, inputs)
    scale = case.scales[0]
    index = case.index()
    earned = rebate_of(case, index, scale.value)
    capped = due_of(earned, terms, period, totals, inputs)
    rebate = round_money(capped.rebate, terms.currency)
    next_tier = to_next = at_next = None
    tiers = terms.tiers
    following = following_of(case, index)
    if following < len(tiers):
        next_tier = tiers[following].name
        if not case.closed or case.answerable:
            gap = gap_to(case, following, totals)
            to_next = None if gap is None else shown(gap)
            at_next = rebate_at(case, following, period, inputs)
    tally = totals.get(scale.qualifier.bucket, NOTHING)
    paid = totals.get(terms.measure_bucket, NOTHING)
    missing = (
        (*inputs.missing, *(m for m in case.missing if m not in inputs.missing))
        if case.missing
        else inputs.missing
    )
    return Standing(
        terms.key, member, period, as_of,
        shown(tally.amount), shown(tally.quantity), shown(scale.value), shown(paid.of(terms.paid_on)), tally.lines,
        tiers[index].name if index >= 0 else None, index + 1, rebate, next_tier, to_next, at_next,
        status_of(terms, case, following, worth(to_next, at_next, rebate), period, as_of, tally.lines, inputs),
        capped.by_cap is not None, missing, Working(terms, totals, inputs),
    )  # fmt: skip


def _on_plain_ladder(
    terms: Program,
    ladder: Ladder,
    whole: tuple[Decimal, Decimal, int],
    period: Period,
    totals: Totals,
    as_of: date,
    member: str | None,
    inputs: Inputs,
) -> Standing:
    """The same, where nothing has to be set out first: this is what nearly all standings cost."""
    amount, quantity, lines = whole
    axis = quantity if terms.qualifiers[0].dimension == "quantity" else amount
    index = ladder.index(axis)
    capped = due_of(ladder.earned(index, axis), terms, period, totals, inputs)
    tiers, following = terms.tiers, index + 1
    next_tier = to_next = at_next = None
    case: Case[Any] | None = None
    if following < len(tiers):
        next_tier = tiers[following].name
        at_next = ladder.at_thresholds.get(following)
        if at_next is None or ladder.exceed:
            case = set_out(terms, period, totals, member, inputs)
            at_next, to_next = rebate_at(case, following, period, inputs), gap_to(case, following, totals)
        else:
            to_next = ladder.thresholds[following] - axis
    if terms.alerts.watches_gaps or inputs.last_tier is not None:
        case = case or set_out(terms, period, totals, member, inputs)
    rebate = round_money(capped.rebate, terms.currency)
    return Standing(
        terms.key, member, period, as_of,
        amount, quantity, axis, quantity if terms.paid_on == "quantity" else amount, lines,
        tiers[index].name if index >= 0 else None, following, rebate, next_tier, to_next, at_next,
        status_of(terms, case, following, worth(to_next, at_next, rebate), period, as_of, lines, inputs),
        capped.by_cap is not None, inputs.missing, Working(terms, totals, inputs),
    )  # fmt: skip


def due_of(earned: Exact, terms: Program, period: Period, totals: Totals, inputs: Inputs) -> Capped:
    """What is paid of an amount, exact. Where nothing was bought nothing is paid, neither a guarantee nor a fixed amount from 0:
    else a member would get it wherever it happens to have a standing."""
    if not anything_in(totals):
        return Capped(ZERO)
    return limited(earned, terms.limits, terms.proration, period, inputs)


def outcome(at: Standing) -> tuple[Case[Any], int, Sequence[Band[Any]], Capped]:
    """The case, the tier's index, what each tier pays and the exact amount that is due, behind a standing (to explain it).
    Of several versions there are no bands: each has its own."""
    terms, totals, inputs = at.working
    case = set_out(terms, at.period, totals, at.member, inputs)
    index = case.index()
    bands = case.bands(index, case.scales[0].value) if inputs.across is None else []
    earned = together(case, bands) if inputs.across is None else inputs.across
    return case, index, bands, due_of(earned, terms, at.period, totals, inputs)


def thresholds_of(at: Standing) -> tuple[Decimal | None, ...]:
    """Where each tier begins for this member on the first qualifier's axis: 105 % of a baseline as the amount that it is, a
    year's threshold as the part of it that counts in a short period. None: there is nothing to measure it against.
    """
    terms, totals, inputs = at.working
    if terms.is_plain:
        return tuple(tier.threshold for tier in terms.tiers)
    with exact():
        scale = set_out(terms, at.period, totals, at.member, inputs).scales[0]
        if scale.base is not None and not scale.base.usable:
            return (None,) * len(terms.tiers)
        return tuple(shown(rung.threshold) for rung in scale.rungs)


def held_at(at: Standing, index: int) -> Decimal:
    """The rounded rebate of all lines at a tier (-1: none), whichever they reach: caps and guarantee hold as they do there."""
    terms, totals, inputs = at.working
    with exact():
        case = set_out(terms, at.period, totals, at.member, inputs)
        earned = rebate_of(case, index, case.scales[0].value)
        return round_money(due_of(earned, terms, at.period, totals, inputs).rebate, terms.currency)


def _levels(at: Standing) -> tuple[Level, ...]:
    case, index, _, _ = outcome(at)
    levels = []
    if case.closed and not case.answerable:
        return ()
    alone = not at.working.inputs.overruled and at.working.program.limits.budget is None
    if (
        at.working.inputs.across is not None or not alone
    ):  # versions, or others: only the next tier is worked out
        return () if at.rebate_at_next_tier is None else (_next_level(at),)
    for number in range(following_of(case, index), len(at.working.program.tiers)):
        gap = gap_to(case, number, at.working.totals)
        rebate = rebate_at(case, number, at.period, at.working.inputs)
        more = rebate - at.rebate
        each = shown(fraction(more) / fraction(gap)) if gap else None
        need = None if gap is None else shown(gap)
        levels.append(Level(at.working.program.tiers[number].name, need, rebate, more, each))
    return tuple(levels)


def _next_level(at: Standing) -> Level:
    assert at.next_tier is not None
    assert at.rebate_at_next_tier is not None
    gap, rebate = at.to_next_tier, at.rebate_at_next_tier
    more = rebate - at.rebate
    return Level(at.next_tier, gap, rebate, more, shown(fraction(more) / fraction(gap)) if gap else None)
