"""From summed integers to what the engine computes a standing from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, delete, func, select

from rebates.currency import NoRate, Policy, RateBook, conversion_note, converted
from rebates.money import fraction, from_micro
from rebates.periods import Period
from rebates.program import Program
from rebates.totals import Tally, add_totals
from state import dirty, rates
from state.dialects import given, one_of_given
from state.in_force import IN_FORCE
from state.tables.base import FIRST_DAY
from state.tables.facts import accounts
from state.tables.programs import buckets, conversions, periods, program_members, programs
from state.tables.work import closed_periods, dirty_cells, totals

# another currency and the policy it was converted by → its own amount, and in the program's
Foreign = dict[tuple[str, Policy], tuple[Fraction, Fraction]]
CELLS_AT_ONCE = 2_000  # cells of one statement
from_e6 = from_micro  # the store keeps millionths; rebates.money is the one place that converts


class Cell(NamedTuple):
    """One standing's place: a member in a period of a program."""

    member_pk: int
    period_pk: int


class CellTotals(NamedTuple):
    """Everything that the engine needs for one standing.

    `totals` are those of the program's whole window (`program.window(period)`), converted; `by_period` the same
    per period of the window. `missing` names currencies without a rate, so that the standing is incomplete; `notes` say
    what lines in other currencies came to.
    """

    cell: Cell
    program: Program
    period: Period
    member_id: str  # Salesforce's
    totals: Mapping[str, Tally]
    by_period: Mapping[Period, Mapping[str, Tally]]
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Share:
    """Every `of`-th member, or those whose numbers are `among` two (half-open). Not those of the programs `apart`, whose
    standings hang together, and none that has something waiting in a closed period, which is corrected one after the other."""

    number: int
    of: int
    apart: tuple[int, ...] = ()
    among: tuple[int, int] | None = None  # neighbors are found together on a disk

    def of_waiting(self) -> ColumnElement[bool]:
        """Which of the waiting cells belong to it."""
        member, period = dirty_cells.c.member_pk, dirty_cells.c.period_pk
        other = dirty_cells.alias("other")
        settled = select(closed_periods.c.period_pk)
        late = select(other.c.member_pk).where(other.c.period_pk.in_(settled))
        if self.among is None:
            part = member % self.of == self.number
        else:
            part = and_(member >= self.among[0], member < self.among[1])
        mine: list[ColumnElement[bool]] = [part, period.not_in(settled), member.not_in(late)]
        for column in (program_members.c.member_pk, program_members.c.account_pk) if self.apart else ():
            mine.append(member.not_in(select(column).where(program_members.c.program_pk.in_(self.apart))))
        return and_(*mine)


@dataclass(frozen=True)
class Late:
    """What waits in closed periods: whatever it comes to is a correction."""

    def of_waiting(self) -> ColumnElement[bool]:
        """Which of the waiting cells are of these."""
        return dirty_cells.c.period_pk.in_(select(closed_periods.c.period_pk))


def waiting_cells(
    tx: Connection, *, limit: int | None = None, share: Share | Late | None = None
) -> list[Cell]:
    """Standings to compute again, in a fixed order: all, those of a share, or those that are late."""
    query = (
        select(dirty_cells.c.member_pk, dirty_cells.c.period_pk).order_by(*dirty_cells.columns).limit(limit)
    )
    if share is not None:
        query = query.where(share.of_waiting())
    return list(map(Cell._make, tx.execute(query).all()))


def how_many_wait(tx: Connection) -> int:
    """Standings to compute again."""
    return dirty.count(tx, dirty_cells)


def take_off(tx: Connection, share: Share) -> None:
    """Those of a share were computed elsewhere: they wait no more."""
    tx.execute(delete(dirty_cells).where(share.of_waiting()))


def waiting_among(tx: Connection, *, least: int, most: int, parts: int) -> list[tuple[int, int]]:
    """All members with something waiting, cut by their numbers (half-open) into shares.

    Each is one of `parts` parts of what is left, from `most` standings down to `least`, so that the last ones are small:
    whoever takes them is soon done.
    """
    query = select(dirty_cells.c.member_pk, func.count()).group_by(dirty_cells.c.member_pk)
    waiting = tx.execute(query.order_by(dirty_cells.c.member_pk)).all()
    left = sum(count for _, count in waiting)
    cuts: list[tuple[int, int]] = []
    first, many = 0, 0
    for member, count in waiting:
        many += count
        if many >= min(most, max(least, left // parts)):
            cuts.append((first, member + 1))
            first, left, many = member + 1, left - many, 0
    return [*cuts, (first, waiting[-1][0] + 1)] if many else cuts


def load_totals(tx: Connection, cells: Sequence[Cell], given: Iterable[Program]) -> list[CellTotals]:
    """The totals of `cells`, in their order, for the programs as configured.

    A cell whose program or period is no longer there is left out: `jobs.left_behind` deals with it.
    """
    by_key = {program.key: program for program in given}
    book = rates.book(tx)
    places = _places(tx, by_key)
    out = []
    for at in range(0, len(cells), CELLS_AT_ONCE):
        some = [cell for cell in cells[at : at + CELLS_AT_ONCE] if cell.period_pk in places.periods]
        found = sums(tx, [Cell(c.member_pk, pk) for c in some for pk in places.window_pks(c.period_pk)])
        names = _member_ids(tx, {cell.member_pk for cell in some})
        for cell in some:
            program, period = places.periods[cell.period_pk]
            by_period, missing, foreign = {}, list[str](), Foreign()
            for pk in places.window_pks(cell.period_pk):
                one = places.periods[pk][1]
                by_period[one] = in_program_currency(
                    found.get(Cell(cell.member_pk, pk), ()), program, one, book, missing, foreign
                )
            out.append(
                CellTotals(
                    cell,
                    program,
                    period,
                    names[cell.member_pk],
                    by_period[period] if len(by_period) == 1 else add_totals(by_period.values()),
                    by_period,
                    tuple(dict.fromkeys(missing)),
                    tuple(
                        conversion_note(code, *came_to, program.currency, policy)
                        for (code, policy), came_to in sorted(foreign.items())
                    ),
                )
            )
    return out


class _Places:
    """Which program and period a period_pk is, and which periods make up its window."""

    def __init__(self, rows: Iterable[Any], by_key: Mapping[str, Program]) -> None:
        self.periods: dict[int, tuple[Program, Period]] = {}
        self._pks: dict[tuple[str, Period], int] = {}
        for row in rows:
            program = by_key.get(row.key)
            if program is None:
                continue
            period = program.period_of(date.fromordinal(row.start_day))
            if period is not None and period.end.toordinal() == row.end_day:
                self.periods[row.pk] = (program, period)
                self._pks[program.key, period] = row.pk
        self._windows: dict[int, tuple[int, ...]] = {}

    def window_pks(self, period_pk: int) -> tuple[int, ...]:
        if period_pk not in self._windows:
            program, period = self.periods[period_pk]
            self._windows[period_pk] = tuple(self._pks[program.key, p] for p in program.window(period))
        return self._windows[period_pk]


_PERIODS = (
    select(periods.c.pk, periods.c.start_day, periods.c.end_day, programs.c.key)
    .join(programs, programs.c.pk == periods.c.program_pk)
    .where(IN_FORCE)
)


def _places(tx: Connection, by_key: Mapping[str, Program]) -> _Places:
    return _Places(tx.execute(_PERIODS), by_key)


def sums(tx: Connection, cells: Sequence[Cell]) -> dict[Cell, list[Any]]:
    """The rows of `totals` by cell, each with its bucket's name and its conversion."""
    found: dict[Cell, list[Any]] = {}
    for at in range(0, len(cells), CELLS_AT_ONCE):
        some = given(tx.dialect.name, cells[at : at + CELLS_AT_ONCE])
        for row in tx.execute(_sums(tx.dialect.name), {"keys": some}).all():
            found.setdefault(Cell(row[0], row[1]), []).append(row)
    return found


@cache
def _sums(dialect: str) -> Select[Any]:
    return (
        select(totals, buckets.c.name, conversions.c.currency, conversions.c.from_day)
        .join(buckets, and_(buckets.c.pk == totals.c.bucket_pk, buckets.c.active))
        .join(conversions, conversions.c.pk == totals.c.conversion_pk)
        .where(one_of_given(dialect, totals.c.member_pk, totals.c.period_pk))
        .order_by(totals.c.bucket_pk, totals.c.conversion_pk)
    )


def in_program_currency(
    rows: Iterable[Any],
    program: Program,
    period: Period,
    book: RateBook,
    missing: list[str],
    foreign: Foreign | None = None,
) -> dict[str, Tally]:
    """Tallies by bucket, each by the rates of the version that it was counted under; `foreign` collects what each other
    currency came to."""
    out: dict[str, Tally] = {}
    for row in rows:
        tally = Tally(from_e6(row.amount_e6), from_e6(row.quantity_e6), row.lines)
        if row.currency:
            day = date.min if row.from_day == FIRST_DAY else date.fromordinal(row.from_day)
            conversion = program.terms_of(row.name).conversion
            try:
                frame = _frame(program, period, day)
                factor = conversion.factor(row.currency, program.currency, day, frame, book)
            except NoRate as error:
                missing.append(str(error))
                tally = Tally(Decimal(0), tally.quantity, tally.lines)
            else:
                own, tally = tally, converted(tally, factor)
                if foreign is not None and program.counts_all(row.name) and row.currency != program.currency:
                    key = row.currency, conversion.policy
                    before = foreign.get(key, (Fraction(0), Fraction(0)))
                    foreign[key] = (
                        before[0] + fraction(own.amount),
                        before[1] + fraction(tally.amount),
                    )
        out[row.name] = out[row.name] + tally if row.name in out else tally
    return out


def _frame(program: Program, period: Period, day: date) -> Period:
    """The period whose rate converts lines from `day` on: a baseline's lines outside of the program have their day's."""
    own = program.own_period(period.start, period.end)
    return own or program.period_of(day) or Period(day, day + timedelta(days=1), "day")


_IDS = select(accounts.c.pk, accounts.c.sf_id).where(accounts.c.pk.in_(bindparam("pks", expanding=True)))


def _member_ids(tx: Connection, pks: set[int]) -> dict[int, str]:
    found = tx.execute(_IDS, {"pks": sorted(pks)}).all()
    return {row[0]: row[1] for row in found}
