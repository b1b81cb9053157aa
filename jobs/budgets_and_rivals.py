"""What one gets depends on what others get: a program's budget, and several programs on the same sales.

All are worked out from what everybody would get alone, never from what was saved: the answer does not depend on
which standings happened to be computed first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import Connection

from jobs.calculated import Calculated, Frame
from jobs.ignoring import Ignoring
from jobs.missing_inputs import lacking, missing_of, over_time
from jobs.rivals import Place, Rivals
from rebates.beside import Budget, overruled, promising, shared_out
from rebates.caps import Claim
from rebates.money import fraction, text
from rebates.periods import Period
from rebates.settle import Due, payouts_beside_rivals
from rebates.stacking import Stacking, beaten
from rebates.totals import NOTHING, Overruling
from state import chains, rates, sequence
from state.totals import Cell, CellTotals, in_program_currency, load_totals

ZERO = Decimal(0)
Alone = Callable[["Frame", "list[CellTotals]"], "Iterable[Calculated]"]


class Ahead(NamedTuple):
    """What earlier programs of a sequence paid on the lines of a standing, and what theirs lack."""

    taken: Fraction = Fraction(0)
    missing: tuple[str, ...] = ()


NOTHING_AHEAD = Ahead()


class Granted(NamedTuple):
    """What each member of a period gets of the budget, and what is not known of all that they earned."""

    budget: Budget
    missing: tuple[str, ...]


class Together:
    """Budgets and exclusive groups of the programs in force. `alone` computes standings as if there were neither."""

    def __init__(
        self, tx: Connection, frames: Mapping[str, Frame], alone: Alone, now: datetime, ignoring: Ignoring
    ) -> None:
        self.tx, self.frames, self.alone, self._ignoring = tx, frames, alone, ignoring
        self._book = rates.book(tx)
        self._granted: dict[tuple[str, Period], Granted] = {}
        self.rivals = Rivals(tx, frames, now)

    def widen(self) -> None:
        """A standing that waits makes those wait that share a budget or a group with it."""
        for frame in self.frames.values():
            for rival in self.rivals.of(frame):
                chains.widen_across(self.tx, frame.pk, rival.pk)
        for frame in self.frames.values():
            for key, _ in frame.program.ahead:
                chains.widen_across(self.tx, self.frames[key].pk, frame.pk)
        for frame in self.frames.values():
            if frame.program.limits.budget is not None:
                chains.widen_periods(self.tx, frame.pk)

    def settled(self, frame: Frame, found: list[Calculated]) -> list[Calculated]:
        """The standings with the budget shared out, and nothing for those whose program is beaten."""
        return self._best_deals(frame, self._budgeted(frame, found))

    # --- budgets ------------------------------------------------------------------------------

    def _budgeted(self, frame: Frame, found: list[Calculated]) -> list[Calculated]:
        if frame.program.limits.budget is None:
            return found
        return [self._granted_to(frame, one) for one in found]

    def _granted_to(self, frame: Frame, found: Calculated) -> Calculated:
        granted = self._grants(frame, found.standing.period)
        at = lacking(found.standing, "others of the budget", granted.missing)
        member, at_next = found.one.member_id, at.rebate_at_next_tier
        allowed = granted.budget.allowed[member]
        if at_next is not None:
            at_next = granted.budget.at_most(member, at_next)
        if allowed == at.rebate:
            return found._replace(standing=promising(at, at_next))
        remark = f"the budget leaves {text(allowed)} of {text(at.rebate)}"
        payout = found.payout
        if payout is not None:
            payout = payout._replace(paid=min(payout.paid, allowed))
        by = Overruling("budget", remark, allowed)
        return found._replace(standing=overruled(at, by, at_next=at_next, capped=True), payout=payout)

    def _grants(self, frame: Frame, period: Period) -> Granted:
        """What each member of a period gets of the budget."""
        key = (frame.program.key, period)
        if key not in self._granted:
            period_pk = frame.rows[period.start]
            everybody = self._as_settled(frame, self._alone(frame, chains.cells_in(self.tx, period_pk)))
            days = {
                member: _first_day(frame, on, at)
                for member, on, at in chains.first_orders(self.tx, period_pk)
            }
            claims = [
                Claim(
                    one.one.member_id,
                    one.standing.rebate,
                    days.get(one.one.cell.member_pk, period.end).isoformat(),
                )
                for one in everybody
            ]
            budget = shared_out(frame.program.limits, claims, frame.program.currency)
            self._granted[key] = Granted(budget, missing_of(everybody))
        return self._granted[key]

    # --- sequences ----------------------------------------------------------------------------

    def reductions(self, frame: Frame, found: Sequence[CellTotals]) -> dict[Cell, Ahead]:
        """What earlier programs of the sequence paid on the lines that these standings are paid on."""
        ahead: dict[Cell, Ahead] = {}
        for key, _ in frame.program.ahead:
            earlier = self.frames[key]
            members = {one.cell.member_pk for one in found}
            cells = chains.cells_of(self.tx, earlier.pk, members)
            paid = {one.one.cell: one for one in self._paid(earlier, cells)}
            by_place: dict[tuple[Cell, Cell], list[sequence.Common]] = {}
            for row in sequence.common(self.tx, frame.pk, earlier.pk, earlier.program, members):
                place = Cell(row.member_pk, row.period_pk), Cell(row.member_pk, row.earlier_pk)
                by_place.setdefault(place, []).append(row)
            for (cell, there), rows in by_place.items():
                if there in paid:
                    taken, missing = ahead.get(cell, NOTHING_AHEAD)
                    taken += self._part_on(paid[there], rows)
                    ahead[cell] = Ahead(taken, (*missing, *missing_of([paid[there]])))
        return ahead

    def _part_on(self, paid: Calculated, rows: Sequence[sequence.Common]) -> Fraction:
        """The part of an earlier program's rebate that fell on the common lines, by what they brought."""
        terms, missing = paid.one.program, list[str]()
        both = in_program_currency(rows, terms, paid.one.period, self._book, missing)
        shared = sum((fraction(tally.amount) for tally in both.values()), Fraction(0))
        whole = fraction(paid.one.totals.get(terms.measure_bucket, NOTHING).amount)
        return fraction(paid.standing.rebate) * shared / whole if whole > 0 else Fraction(0)

    # --- exclusive groups ---------------------------------------------------------------------

    def _best_deals(self, frame: Frame, found: list[Calculated]) -> list[Calculated]:
        if not self.rivals.concern(frame):
            return found
        asked = {one.one.cell for one in found}
        if any(one.payout is not None for one in found):  # what is carried depends on all periods before
            found = self._of_members(frame, found)
        claims: dict[Place, list[tuple[Frame, str, Decimal]]] = {}
        unknown: dict[Place, list[str]] = {}
        for rival in self.rivals.of(frame):
            for one in self._of_members(rival, found):
                member, start, end = _place(one)
                group = self.rivals.competes(frame, rival, (start, end))
                if group is not None:
                    claims.setdefault((member, start, end), []).append((rival, group, one.standing.rebate))
                    unknown.setdefault((member, start, end), []).extend(missing_of([one]))
        settled = self.rivals.settled(frame, found)
        chosen = [
            _unpaid(one, *settled[_place(one)])
            if _place(one) in settled
            else _unless_beaten(frame, one, claims.get(_place(one), []))
            for one in found
        ]
        open_places = {place: some for place, some in unknown.items() if place not in settled}
        paid = _unsure(_paid_again(found, chosen), open_places)
        return [one for one in over_time(frame.program, paid) if one.one.cell in asked]

    def _of_members(self, rival: Frame, found: Sequence[Calculated]) -> list[Calculated]:
        cells = chains.cells_of(self.tx, rival.pk, {one.one.cell.member_pk for one in found})
        return self._paid(rival, cells)

    def _paid(self, frame: Frame, cells: Sequence[Cell]) -> list[Calculated]:
        """What a program comes to without a rival: what the budget leaves, or what was settled and stays."""
        return self._as_settled(frame, self._budgeted(frame, self._alone(frame, cells)))

    def _as_settled(self, frame: Frame, found: list[Calculated]) -> list[Calculated]:
        # Of a group that shares, the accounts are settled and not the group.
        return found if frame.groups is not None else self._ignoring.as_settled(frame, found)

    def _alone(self, frame: Frame, cells: Sequence[Cell]) -> list[Calculated]:
        batch = load_totals(self.tx, cells, [frame.program])
        batch.sort(key=lambda one: (one.cell.member_pk, one.period.start))
        return list(self.alone(frame, batch))


def _unless_beaten(
    frame: Frame, found: Calculated, others: Sequence[tuple[Frame, str, Decimal]]
) -> Calculated:
    """Nothing where a rival is the better deal. They compete by their order of today, also where they have parted since."""
    winner = _winner(frame, found.standing.rebate, others)
    at_next = found.standing.rebate_at_next_tier
    if winner is None:
        if at_next is None or _winner(frame, at_next, others) is None:
            return found
        return found._replace(standing=promising(found.standing, None))
    group = next(group for rival, group, _ in others if rival.program.key == winner)
    remark = f"not paid: {winner} is the better deal of the group {group}"
    return _paid_nothing(found, remark)


def _winner(frame: Frame, rebate: Decimal, others: Sequence[tuple[Frame, str, Decimal]]) -> str | None:
    """The rival that is the better deal than this rebate; None: there is none."""
    claims = [(frame, rebate), *((rival, theirs) for rival, _, theirs in others)]
    losers = beaten(
        (one.program.key, Stacking("exclusive", order=one.program.stacking.order), amount)
        for one, amount in claims
    )
    return losers.get(frame.program.key)


def _paid_nothing(found: Calculated, remark: str) -> Calculated:
    """What more it would bring is not known either: the same lines may bring the other program more."""
    by = Overruling("beaten", remark, ZERO)
    return found._replace(standing=overruled(found.standing, by, at_next=None))


def _unpaid(found: Calculated, settled: str, group: str) -> Calculated:
    """Nothing, because another program of the group has settled these days already."""
    remark = f"not paid: {settled} was settled for these days already, and the group {group} pays once"
    return _paid_nothing(found, remark)


def _paid_again(alone: Sequence[Calculated], chosen: Sequence[Calculated]) -> Iterable[Calculated]:
    """The payouts of members that were beaten in a period; in the order of member and period, as both are given."""
    pairs = list(zip(alone, chosen, strict=True))
    for _, some in groupby(pairs, key=lambda pair: pair[0].one.cell.member_pk):
        mine = list(some)
        terms = mine[0][0].standing.working.program
        if mine[0][0].payout is None or not any(_lost(was, now) for was, now in mine):
            yield from (now for _, now in mine)
            continue
        dues = [
            Due(
                was.standing.rebate,
                was.standing.working.inputs.settled,
                beaten=_lost(was, now),
                last=was.standing.is_last,
                paid_before=was.standing.working.inputs.paid_before,
            )
            for was, now in mine
        ]
        paid = payouts_beside_rivals(
            dues, min_payout=terms.limits.min_payout, claw_back=terms.settlement.claw_back
        )
        for (_, now), (entering, made) in zip(mine, paid, strict=True):
            working = now.standing.working
            working = working._replace(inputs=replace(working.inputs, carried=entering))
            yield now._replace(standing=replace(now.standing, working=working), payout=made)


def _lost(was: Calculated, now: Calculated) -> bool:
    """Whether another program is paid instead."""
    return was.standing.working.inputs.overruled != now.standing.working.inputs.overruled


def _unsure(found: Iterable[Calculated], unknown: Mapping[Place, Sequence[str]]) -> Iterable[Calculated]:
    """While a rival lacks something, who wins is not known."""
    for one in found:
        where = f"a rival in {one.one.program.stacking.group}"
        yield one._replace(standing=lacking(one.standing, where, unknown.get(_place(one), ())))


def _place(found: Calculated) -> Place:
    return found.one.cell.member_pk, found.one.period.start, found.one.period.end


def _first_day(frame: Frame, on: date | None, at: object) -> date:
    days = [day for day in (on, None if at is None else frame.program.day_of(at)) if day is not None]  # type: ignore[arg-type]
    return min(days)
