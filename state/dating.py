"""On which day an order counts: on its own; where a program says so, a return on that of the order it takes back from.

A day decides, or an instant where the order has no day. What an order takes back from may be deleted since: its day
is still known. While it has not arrived, or has no day (a draft that was not activated), the return counts on its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, or_

from rebates.periods import Period
from state.instants import micros
from state.tables.facts import orders

original = orders.alias("original")


@dataclass(frozen=True)
class Days:
    """A span that is no row."""

    start_day: int
    end_day: int
    start_at: int
    end_at: int

    @classmethod
    def of(cls, period: Period) -> Days:
        start, end = period.start.toordinal(), period.end.toordinal()
        return cls(start, end, micros(period.start_at), micros(period.end_at))


@dataclass(frozen=True)
class Dated:
    """The two columns that date an order, and what they are read from."""

    on: ColumnElement[Any]
    at: ColumnElement[Any]

    def within(self, span: Any) -> ColumnElement[bool]:
        """Whether the order lies within a half-open span: anything with `start_day`, `end_day`, `start_at`, `end_at`."""
        return or_(
            and_(self.on.is_not(None), span.start_day <= self.on, self.on < span.end_day),
            and_(self.on.is_(None), span.start_at <= self.at, self.at < span.end_at),
        )


OWN = Dated(orders.c.ordered_on, orders.c.ordered_at)


def with_originals(tables: FromClause) -> FromClause:
    """The same rows, each order beside the one that it takes back from, where that has a day."""
    has_day = or_(original.c.ordered_on.is_not(None), original.c.ordered_at.is_not(None))
    found = and_(original.c.sf_id == orders.c.original_order_id, original.c.known, has_day)
    return tables.outerjoin(original, found)


def by_original(applies: ColumnElement[bool]) -> Dated:
    """Over `with_originals`: the original's day where `applies` and where there is an original."""
    there = and_(applies, original.c.pk.is_not(None))
    return Dated(
        case((there, original.c.ordered_on), else_=orders.c.ordered_on),
        case((there, original.c.ordered_at), else_=orders.c.ordered_at),
    )
