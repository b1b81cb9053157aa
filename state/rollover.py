"""The turn of a period: which rows a program's periods are, and who should have a standing when a new one opens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, literal, select

from state import dirty
from state.in_force import IN_FORCE, OWN
from state.instants import moment
from state.tables.programs import periods, program_versions, programs
from state.tables.work import standings, totals


@dataclass(frozen=True)
class PeriodRow:
    """A period of an active program; half-open days."""

    pk: int
    name: str
    start: date
    end: date


# Asked for every program of every run: built once.
_PERIODS = (
    select(periods)
    .join(programs, programs.c.pk == periods.c.program_pk)
    .where(programs.c.key == bindparam("program"), IN_FORCE)
    .order_by(periods.c.start_day)
)


def periods_of(tx: Connection, program_key: str) -> list[PeriodRow]:
    """A program's periods in order."""
    return _rows(tx, _PERIODS, program_key)


def _rows(tx: Connection, query: Select[Any], program_key: str) -> list[PeriodRow]:
    return [
        PeriodRow(row.pk, row.name, date.fromordinal(row.start_day), date.fromordinal(row.end_day))
        for row in tx.execute(query, {"program": program_key})
    ]


_LEFT = (
    select(periods)
    .join(programs, programs.c.pk == periods.c.program_pk)
    .where(programs.c.key == bindparam("program"), OWN)
    .order_by(periods.c.start_day)
)
_EVER = select(programs.c.key)


def ever_installed(tx: Connection) -> set[str]:
    """Keys of the programs that were ever computed."""
    return set(tx.execute(_EVER).scalars())


def periods_left(tx: Connection, program_key: str) -> list[PeriodRow]:
    """The periods that a program had when it was computed last, in order; it may have been removed since."""
    return _rows(tx, _LEFT, program_key)


_FIRST = (
    select(programs.c.key, func.min(program_versions.c.installed_at).label("at"))
    .join(program_versions, program_versions.c.program_pk == programs.c.pk)
    .group_by(programs.c.key)
)


def first_installed(tx: Connection) -> dict[str, datetime]:
    """When each program was computed for the first time."""
    return {row.key: moment(row.at) for row in tx.execute(_FIRST)}


def mark_again(tx: Connection, period_pks: list[int]) -> int:
    """All standings of some periods are computed again: time alone can change them, but for those out of sight."""
    return dirty.mark_cells(
        tx,
        select(standings.c.member_pk, standings.c.period_pk).where(
            standings.c.period_pk.in_(period_pks), standings.c.program_version > 0
        ),
    )


def open_for(tx: Connection, period_pk: int, earlier_pks: list[int]) -> int:
    """Everybody who bought in an earlier period gets a standing in the new one, at zero if need be.

    Otherwise the org would go on showing last period's numbers until the next order.
    """
    if not earlier_pks:
        return 0
    bought = (
        select(totals.c.member_pk, literal(period_pk)).where(totals.c.period_pk.in_(earlier_pks)).distinct()
    )
    return dirty.mark_cells(tx, bought)
