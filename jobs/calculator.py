"""The calculator: standings of the store's programs, from their totals and from what else the engine has to know of a member
(its market and days, its baseline, its past).

Programs whose periods hang together (`is_chained`) are walked member by member from the first period on, exactly as
`program try` does; all others take each standing on its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from itertools import groupby

from sqlalchemy import Connection

from jobs.budgets_and_rivals import NOTHING_AHEAD, Together
from jobs.calculated import Calculated, Frame
from jobs.group_shares import Groups, divided
from jobs.ignoring import Ignoring
from jobs.missing_inputs import and_elsewhere, carries_over, has_minimum, over_time
from rebates.caps import Earned, guarantee_surplus
from rebates.conditions import Fields
from rebates.program import Program
from rebates.standing import Standing, earned_in, standing
from rebates.totals import NO_INPUTS, Inputs, anything_in
from rebates.versions import parts_of, standing_across
from state import baselines, chains, evidence, rules, shares
from state.baselines import Compared
from state.gaps import Gaps
from state.membership import active_days
from state.rollover import periods_of
from state.totals import Cell, CellTotals, how_many_wait, load_totals

ZERO = Decimal(0)
Known = tuple[Inputs, Fields]  # what is known of a standing beside its totals, and its account


def is_chained(program: Program) -> bool:
    """Whether what a period pays depends on the member's periods before it."""
    return program.settlement.window != "period" or carries_over(program)


class Calculator:
    """Computes cells of the programs in force, with everything that the engine needs to know."""

    def __init__(
        self, tx: Connection, programs: Sequence[Program], now: datetime, gaps: Gaps | None = None
    ) -> None:
        self.tx = tx
        self._gaps = gaps or {}
        pks = rules.installed(tx)
        self._frames: dict[str, Frame] = {}
        for program in programs:
            pk, growth = pks[program.key], program.growth
            compares = growth is not None and growth.baseline != "fixed"
            self._frames[program.key] = Frame(
                pk,
                program,
                program.day_of(now),
                {row.start: row.pk for row in periods_of(tx, program.key)},
                Compared(tx, pk, program) if compares else None,
                Groups(tx, pk) if program.hierarchy.is_shared else None,
            )

        self._ignoring = Ignoring(tx)
        self._together = Together(tx, self._frames, self._alone, now, self._ignoring)

    def widen(self, changed_accounts: Sequence[int] = ()) -> None:
        """What waits makes others wait: comparisons first, then what hangs together, until nothing more is reached."""
        self._together.rivals.look()
        for frame in self._frames.values():
            if frame.reads_accounts:
                chains.widen_members(self.tx, frame.pk, changed_accounts)
            if frame.compared is not None:
                frame.compared.mark_dependents()
        waiting = -1
        while waiting != (waiting := how_many_wait(self.tx)):
            self._together.widen()
            for frame in self._frames.values():
                if frame.groups is not None:
                    shares.widen(self.tx, frame.pk, frame.groups.pairs)
                if is_chained(frame.program):
                    chains.widen(self.tx, frame.pk)

    def compute(self, cells: Sequence[Cell]) -> list[Calculated]:
        """Standings of cells; those of programs or periods that are no longer there are left out."""
        programs = [frame.program for frame in self._frames.values()]
        out: list[Calculated] = []
        batch = load_totals(self.tx, cells, programs)
        in_order = sorted(batch, key=lambda one: (one.program.key, one.cell.member_pk, one.period.start))
        for key, some in groupby(in_order, key=lambda one: one.program.key):
            frame = self._frames[key]
            if frame.groups is None:
                found = self._settled(frame, list(some))
            else:
                settle = partial(self._settled, frame)
                found = list(divided(self.tx, frame, list(some), settle, self._gaps))
            out += self._ignoring.as_settled(frame, found)
        return out

    @property
    def shared(self) -> set[int]:
        """Programs (pks) whose accounts show what their group has, whether they bought or not."""
        return {frame.pk for frame in self._frames.values() if frame.groups is not None}

    def kept(self, computed: Sequence[Calculated]) -> dict[Cell, Decimal]:
        """Those of the computed standings that stay as they were settled, with the amount."""
        kept: dict[Cell, Decimal] = {}
        for key, some in groupby(computed, key=lambda found: found.one.program.key):
            kept |= self._ignoring.kept(self._frames[key], [found.one.cell for found in some])
        return kept

    def _settled(self, frame: Frame, some: list[CellTotals]) -> list[Calculated]:
        return self._together.settled(frame, list(self._alone(frame, some)))

    def _alone(self, frame: Frame, some: list[CellTotals]) -> Iterable[Calculated]:
        """Standings as if there were no other program and nobody else in this one; of a shared one its groups'."""
        if frame.groups is not None:
            some = frame.groups.together(some, frame.program)
        else:
            some = self._ignoring.without_strangers(frame, some)
        return self._chained(frame, some) if is_chained(frame.program) else self._each(frame, some)

    def after_change(self, moved: Iterable[Calculated], *, among: Collection[Cell] = ()) -> None:
        """A tier that moved is the last tier of the period after it, if that one is in progress.

        `among`: what was computed with it, in the order of time, and so knows it already.
        """
        following = []
        for found in moved:
            frame = self._frames[found.one.program.key]
            after = frame.period_after(found.one.period)
            if (
                after is not None
                and frame.today < found.one.period.end + (found.one.period.end - found.one.period.start) * 2
            ):
                cell = Cell(found.one.cell.member_pk, after)
                if cell not in among or frame.groups is not None:
                    following.append(cell)
        chains.mark_existing(self.tx, following)

    def after_correction(self, corrected: Iterable[Calculated]) -> None:
        """What is settled of a closed standing moved: rivals that it is in the way of are computed again, with all that
        hangs together with them."""
        if self._together.rivals.mark_later(corrected):
            self.widen()

    def _each(self, frame: Frame, some: list[CellTotals]) -> Iterator[Calculated]:
        facts = self._facts(frame, some)
        last = self._last_tiers(frame, some)
        tiers: dict[Cell, str | None] = {}
        kept = self._ignoring.kept(frame, [one.cell for one in some])  # their saved tier holds
        for one in some:
            inputs, account = facts[one.cell]
            before = frame.period_before(one.period) if frame.today in one.period else None
            if before is not None:
                place = Cell(one.cell.member_pk, before)
                inputs = replace(inputs, last_tier=tiers.get(place, last.get(place)))
            at = _standing(frame, one, inputs, account)
            if one.cell not in kept:
                tiers[one.cell] = at.tier
            yield Calculated(one, at, None)

    def _last_tiers(self, frame: Frame, some: Iterable[CellTotals]) -> dict[Cell, str | None]:
        """Saved tiers of the periods before those in progress."""
        places = []
        for one in some:
            before = frame.period_before(one.period) if frame.today in one.period else None
            if before is not None:
                places.append(Cell(one.cell.member_pk, before))
        return chains.tiers_of(self.tx, places)

    def _chained(self, frame: Frame, some: list[CellTotals]) -> Iterator[Calculated]:
        asked = {one.cell for one in some}
        cells = chains.cells_of(self.tx, frame.pk, {cell.member_pk for cell in asked})
        everything = load_totals(self.tx, cells, [frame.program])
        everything.sort(key=lambda one: (one.cell.member_pk, one.period.start))
        facts = self._facts(frame, everything)
        paid = chains.paid_once(self.tx, cells) if has_minimum(frame.program) else set()
        for _, whole in groupby(everything, key=lambda one: one.cell.member_pk):
            for found in over_time(frame.program, walk(frame, list(whole), facts, paid)):
                if found.one.cell in asked:
                    yield found

    def _facts(self, frame: Frame, some: Sequence[CellTotals]) -> dict[Cell, Known]:
        """Inputs that do not depend on other periods, and the account's own fields."""
        members = {one.cell.member_pk for one in some}
        fields = evidence.account_fields(self.tx, members) if frame.reads_accounts else {}
        compared: dict[Cell, baselines.Baseline] = {}
        if frame.compared is not None:
            compared = frame.compared.of([(one.cell, one.period) for one in some], frame.today)
        ahead = self._together.reductions(frame, some) if frame.program.ahead else {}
        alone = not (fields or compared or ahead or frame.compared or frame.program.given or self._gaps)
        out: dict[Cell, Known] = {}
        for one in some:
            if alone and not one.missing and not one.notes:  # nearly all of a first load
                out[one.cell] = NO_INPUTS, {}
                continue
            account = fields.get(one.cell.member_pk, {})
            first, last = active_days(account)
            base = compared.get(one.cell, baselines.Baseline())
            if frame.joined_within(one.period, first):
                base = baselines.Baseline()
            before = ahead.get(one.cell, NOTHING_AHEAD)
            inputs = Inputs(
                baseline=base.value,
                baseline_elapsed=base.elapsed,
                active_from=first,
                active_to=last,
                reduction=before.taken,
                missing=tuple(dict.fromkeys((*one.missing, *base.missing, *self._gaps.get(one.cell, ())))),
                notes=one.notes,
            )
            inputs = _given(frame.program, inputs, one)
            if before.missing:
                missing = and_elsewhere(inputs.missing, "a program paid before", before.missing)
                inputs = replace(inputs, missing=missing)
            if frame.compared is not None and inputs.baseline == base.value:
                inputs = self._with_gaps_of_baseline(frame.compared, one, inputs)
            out[one.cell] = inputs, account
        return out

    def _with_gaps_of_baseline(self, compared: Compared, one: CellTotals, inputs: Inputs) -> Inputs:
        """What could not be read of the periods that growth is measured against: it may be less growth than it seems."""
        spans = compared.windows(one.period) if self._gaps else ()
        there = [said for pk in spans for said in self._gaps.get(Cell(one.cell.member_pk, pk), ())]
        if not there:
            return inputs
        return replace(inputs, missing=and_elsewhere(inputs.missing, "the baseline", there))


def walk(
    frame: Frame, whole: Sequence[CellTotals], facts: Mapping[Cell, Known], paid: Collection[Cell] = ()
) -> Iterator[Calculated]:
    """One member's periods in order: each knows what those before it earned, paid and left over. `paid`: for these a payout
    was made already."""
    carried, waived, kept, before = ZERO, ZERO, ZERO, ZERO
    earned: list[Earned] = []
    last: Standing | None = None
    for one in whole:
        inputs, account = facts[one.cell]
        terms = frame.program.for_market(frame.program.market_of(account))
        window = frame.program.window(one.period)
        surplus_counts = terms.limits.guarantee_cumulative and bool(terms.limits.guarantee)
        goes_on = last is not None and last.period in window
        if not goes_on:
            before = kept + carried  # what it has, and what it is still owed
        inputs = replace(
            inputs,
            settled=last.rebate + waived if last is not None and goes_on else ZERO,
            waived=waived if goes_on else ZERO,
            carried=carried,
            paid_before=one.cell in paid,
            member_paid=before,
            last_tier=None if last is None else last.tier,
            guarantee_surplus=guarantee_surplus(earned) if surplus_counts else ZERO,
        )
        at = _standing(frame, one, inputs, account)
        due = at.payout
        carried, waived, last = due.carried, due.waived, at
        kept += due.settles
        bought = anything_in(one.by_period.get(one.period, {}))  # else it has no guarantee either
        if bought and (now := earned_in(at)) is not None:
            earned.append(now)
        yield Calculated(one, at, due)


def _given(program: Program, inputs: Inputs, one: CellTotals) -> Inputs:
    """What a file gives for a member beats what its past sales say; what part of that has elapsed is not known."""
    given = program.with_given(inputs, one.member_id, one.period)
    return given if given.baseline == inputs.baseline else replace(given, baseline_elapsed=None)


def _standing(frame: Frame, one: CellTotals, inputs: Inputs, account: Fields) -> Standing:
    program = frame.program
    if not program.earlier:
        return standing(
            program,
            one.period,
            one.totals,
            as_of=frame.today,
            member=one.member_id,
            inputs=inputs,
            market=program.market_of(account),
        )
    parts = [
        (terms.for_market(terms.market_of(account)), totals)
        for terms, totals in parts_of(program, one.period, one.totals)
    ]
    return standing_across(parts, one.period, as_of=frame.today, member=one.member_id, inputs=inputs)
