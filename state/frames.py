"""What was closed and settled of every program, by its days and its currency: what a changed file is held against."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, select

from rebates.frames import Frame
from rebates.periods import Period
from state.tables.programs import periods, programs
from state.tables.work import closed_periods, postings

_CLOSED = (
    select(
        programs.c.key,
        programs.c.currency,
        programs.c.time_zone,
        periods.c.name,
        periods.c.start_day,
        periods.c.end_day,
    )
    .select_from(closed_periods)
    .join(periods, periods.c.pk == closed_periods.c.period_pk)
    .join(programs, programs.c.pk == periods.c.program_pk)
    .order_by(programs.c.key, periods.c.start_day, periods.c.end_day)
)
# Reads every posting: asked only where something is to be refused for it.
_SETTLED = _CLOSED.where(closed_periods.c.period_pk.in_(select(postings.c.period_pk).distinct()))


def closed(tx: Connection) -> dict[str, Frame]:
    """Program key → its closed periods, retired programs and periods too."""
    return _frames(tx, _CLOSED)


def settled(tx: Connection) -> dict[str, Frame]:
    """The same, of periods in which something was settled for somebody."""
    return _frames(tx, _SETTLED)


def _frames(tx: Connection, query: Select[Any]) -> dict[str, Frame]:
    found: dict[str, Frame] = {}
    for row in tx.execute(query):
        before = found[row.key].periods if row.key in found else ()
        start, end = date.fromordinal(row.start_day), date.fromordinal(row.end_day)
        found[row.key] = Frame(row.currency, (*before, Period(start, end, row.name, row.time_zone)))
    return found
