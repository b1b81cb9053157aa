"""What growth is measured against: the sales of earlier periods, counted like any others.

The spans that a program compares with are further periods of it, marked as baselines: the same statement adds
their lines up, the same difference keeps them true. They have totals and no standings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from sqlalchemy import BigInteger, Connection, cast, delete, false, func, literal, select, true, union

from rebates.money import fraction
from rebates.periods import Period
from rebates.program import Program
from rebates.qualifiers import Qualifier
from rebates.totals import NOTHING
from state import dating, dirty, rates
from state.dating import Days
from state.slices import slices
from state.tables.facts import orders
from state.tables.programs import buckets, conversions, periods, program_members
from state.tables.work import contributions, dirty_cells, standings, totals
from state.totals import Cell, in_program_currency, sums


@dataclass(frozen=True)
class Baseline:
    """`value` None: the store does not reach back that far. `elapsed`: up to the same point of the period."""

    value: Fraction | None = None
    elapsed: Fraction | None = None
    missing: tuple[str, ...] = ()


def periods_of(program: Program) -> list[Period]:
    """Every span that a program's growth is compared with, once; own periods among them are their own."""
    growth = program.growth
    own = {(period.start, period.end): period for period in program.periods()}
    found: dict[tuple[date, date], Period] = {}
    for period in program.periods() if growth is not None else ():
        assert growth is not None
        for start, end in growth.windows(period):
            name = f"baseline {start} to {end}"
            found[start, end] = own.get((start, end)) or Period(start, end, name, program.time_zone)
    return list(found.values())


def qualifier_of(program: Program) -> Qualifier:
    """The qualifier or gate that is measured as growth."""
    return next(q for q in (*program.qualifiers, *program.gates) if q.of == "growth")


class Compared:
    """The baseline periods of one program in the store."""

    def __init__(self, tx: Connection, program_pk: int, program: Program) -> None:
        self.tx, self.program_pk, self.program = tx, program_pk, program
        query = select(periods.c.pk, periods.c.start_day, periods.c.end_day).where(
            periods.c.program_pk == program_pk, periods.c.active
        )
        self._pks = {
            (date.fromordinal(row.start_day), date.fromordinal(row.end_day)): row.pk
            for row in tx.execute(query)
        }
        self._reached: dict[tuple[int, ...], bool] = {}

    def windows(self, period: Period) -> dict[int, Period]:
        """The periods in the store that a period is compared with."""
        growth = self.program.growth
        assert growth is not None
        zone = self.program.time_zone
        return {self._pks[span]: Period(*span, "baseline", zone) for span in growth.windows(period)}

    def mark_dependents(self) -> None:
        """Standings whose baseline moved are computed again; baselines themselves have none."""
        mine = select(periods.c.pk).where(periods.c.program_pk == self.program_pk)
        if self.tx.execute(select(dirty_cells).where(dirty_cells.c.period_pk.in_(mine)).limit(1)).first():
            for period in self.program.periods():
                self._mark(self._pks[period.start, period.end], tuple(self.windows(period)))
        compared = mine.where(periods.c.baseline)
        self.tx.execute(delete(dirty_cells).where(dirty_cells.c.period_pk.in_(compared)))

    def _mark(self, period_pk: int, windows: Sequence[int]) -> None:
        moved = select(dirty_cells.c.member_pk).where(dirty_cells.c.period_pk.in_(windows))
        if self.tx.execute(moved.limit(1)).first() is None:
            return
        settled = select(totals.c.member_pk).where(
            totals.c.period_pk.in_(windows), totals.c.member_pk.not_in(moved)
        )
        # Nobody had sales there before: what was missing for everybody may be zero now.
        first = self.tx.execute(settled.limit(1)).first() is None
        both = union(
            *(
                select(table.c.member_pk, table.c.period_pk).where(
                    table.c.period_pk == period_pk, literal(True) if first else table.c.member_pk.in_(moved)
                )
                for table in (standings, totals)
            )
        ).subquery()
        dirty.mark_cells(self.tx, select(both.c.member_pk, both.c.period_pk))

    def of(self, cells: Iterable[tuple[Cell, Period]], as_of: date) -> dict[Cell, Baseline]:
        """The baselines of some cells; `as_of` is the day up to which a period in progress has come."""
        found: dict[Cell, Baseline] = {}
        by_period: dict[Period, list[Cell]] = {}
        for cell, period in cells:
            by_period.setdefault(period, []).append(cell)
        for period, some in by_period.items():
            windows = self.windows(period)
            if not self._reach(tuple(windows)):
                found |= dict.fromkeys(some, Baseline())
                continue
            elapsed = self._elapsed(period, [c.member_pk for c in some], as_of) if as_of in period else None
            found |= self._whole(windows, some, elapsed)
        return found

    def _whole(
        self, windows: dict[int, Period], some: Sequence[Cell], elapsed: dict[int, Fraction] | None
    ) -> dict[Cell, Baseline]:
        book = rates.book(self.tx)
        qualifier, growth = qualifier_of(self.program), self.program.growth
        assert growth is not None
        rows = sums(self.tx, [Cell(cell.member_pk, pk) for cell in some for pk in windows])
        out = {}
        for cell in some:
            value, missing = Fraction(0), list[str]()
            for pk, span in windows.items():
                of_span = rows.get(Cell(cell.member_pk, pk), ())
                counted = in_program_currency(of_span, self.program, span, book, missing)
                value += fraction(counted.get(qualifier.bucket, NOTHING).of(growth.on))
            part = None if elapsed is None else elapsed.get(cell.member_pk, Fraction(0))
            out[cell] = Baseline(value, part, tuple(dict.fromkeys(missing)))
        return out

    def _reach(self, windows: tuple[int, ...]) -> bool:
        """Whether anybody bought anything then: else the store does not reach back, and nothing is known."""
        if windows not in self._reached:
            query = select(totals.c.member_pk).where(totals.c.period_pk.in_(windows)).limit(1)
            self._reached[windows] = self.tx.execute(query).first() is not None
        return self._reached[windows]

    def _elapsed(self, period: Period, members: Sequence[int], as_of: date) -> dict[int, Fraction]:
        """By member, what was bought in the part of the baseline that the period has come to."""
        growth = self.program.growth
        assert growth is not None
        book, missing = rates.book(self.tx), list[str]()
        bucket = qualifier_of(self.program).bucket
        to_original = self.program.settlement.returns == "original_period"
        out: dict[int, Fraction] = {}
        spans = zip(self.windows(period).items(), growth.elapsed_windows(period, as_of), strict=True)
        for (pk, whole), (start, end) in spans:
            by_member: dict[int, list[Any]] = {}
            for some in slices(members):
                part = Period(start, end, "", whole.zone)
                for row in self.tx.execute(_bought(pk, bucket, some, part, to_original=to_original)):
                    by_member.setdefault(row.member_pk, []).append(row)
            for member, rows in by_member.items():
                counted = in_program_currency(rows, self.program, whole, book, missing)
                bought = fraction(counted.get(bucket, NOTHING).of(growth.on))
                out[member] = out.get(member, Fraction(0)) + bought
        return out


def _bought(period_pk: int, bucket: str, members: Sequence[int], within: Period, *, to_original: bool) -> Any:
    """What members bought in a part of a baseline period, by conversion, in the columns of `totals.sums`."""
    dated = dating.by_original(true() if to_original else false())
    keys = (contributions.c.member_pk, buckets.c.name, conversions.c.currency, conversions.c.from_day)
    return (
        select(
            *keys,
            *(
                cast(func.sum(contributions.c[name]), BigInteger).label(name)
                for name in ("amount_e6", "quantity_e6", "lines")
            ),
        )
        .select_from(
            dating.with_originals(contributions.join(orders, orders.c.pk == contributions.c.order_pk))
        )
        .join(buckets, buckets.c.pk == contributions.c.bucket_pk)
        .join(conversions, conversions.c.pk == contributions.c.conversion_pk)
        .where(
            # Through the members' own orders: contributions are found by order.
            orders.c.account_pk.in_(
                select(program_members.c.account_pk).where(program_members.c.member_pk.in_(members))
            ),
            contributions.c.period_pk == period_pk,
            contributions.c.member_pk.in_(members),
            buckets.c.name == bucket,
            dated.within(Days.of(within)),
        )
        .group_by(*keys)
    )
