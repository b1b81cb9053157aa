"""What is known of exclusive programs over time: whose rivals they were last, which group each was in at any moment, which
of their periods are closed, and what was settled there.

Programs that never were exclusive are none of it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from state import meta
from state.instants import micros, moment
from state.slices import slices
from state.tables.programs import periods, program_versions, programs
from state.tables.work import closed_periods, postings
from state.totals import Cell

KEPT = "rivals"  # in `meta`


class Closing(NamedTuple):
    """A closed period of a program that is or was exclusive; half-open days."""

    program_pk: int
    period_pk: int
    start: date
    end: date
    at: datetime


class Kept(NamedTuple):
    """Exclusive program → its rivals, as the last compute knew them; and from when to when programs that were computed
    before were not (without an end: they are not now)."""

    rivals: dict[str, list[str]]
    away: dict[str, list[list[int | None]]]

    def now(self, rivals: dict[str, list[str]], when: datetime) -> Kept:
        """The same, once the rivals are these."""
        at, away = micros(when), {key: [list(span) for span in spans] for key, spans in self.away.items()}
        for key in self.rivals.keys() - rivals.keys():
            away.setdefault(key, []).append([at, None])
        for key in rivals.keys() & away.keys():
            away[key][-1][1] = away[key][-1][1] or at
        return Kept(rivals, away)

    def was_away(self, key: str, when: datetime) -> bool:
        """Whether a program was removed, or could not be computed, at a moment."""
        at = micros(when)
        return any(
            (since or 0) <= at and (until is None or at < until) for since, until in self.away.get(key, ())
        )


class History(NamedTuple):
    """From when on a program was in which exclusive group (None: it was not exclusive), the oldest first."""

    key: str
    groups: tuple[tuple[datetime, str | None], ...]

    def group_at(self, when: datetime) -> str | None:
        """The group of the terms that were in force at a moment."""
        return next((group for since, group in reversed(self.groups) if since <= when), None)

    @property
    def since(self) -> datetime:
        """When it was computed for the first time."""
        return self.groups[0][0]


_EVER = select(program_versions.c.program_pk).where(
    program_versions.c.definition.contains(
        '"mode":"exclusive"', autoescape=True
    )  # as definitions are spelled
)
_CLOSINGS = (
    select(periods, closed_periods.c.closed_at)
    .join(closed_periods, closed_periods.c.period_pk == periods.c.pk)
    .where(periods.c.program_pk.in_(_EVER))
)
_VERSIONS = (
    select(programs.c.key, program_versions)
    .join(program_versions, program_versions.c.program_pk == programs.c.pk)
    .where(programs.c.pk.in_(_EVER))
    .order_by(programs.c.pk, program_versions.c.version)
)


def kept(tx: Connection) -> Kept | None:
    """What the last compute knew of exclusive programs; None: it never met one."""
    text = meta.get(tx, KEPT)
    return None if text is None else Kept(**json.loads(text))


def keep(tx: Connection, known: Kept) -> None:
    meta.put(tx, KEPT, json.dumps(known._asdict(), sort_keys=True, ensure_ascii=False))


def closings(tx: Connection) -> list[Closing]:
    """Closed periods of programs that are or were exclusive, of retired ones, too."""
    return [
        Closing(
            row.program_pk,
            row.pk,
            date.fromordinal(row.start_day),
            date.fromordinal(row.end_day),
            moment(row.closed_at),
        )
        for row in tx.execute(_CLOSINGS)
    ]


def histories(tx: Connection) -> dict[int, History]:
    """Every program that is or was exclusive, by its pk."""
    found: dict[int, History] = {}
    for row in tx.execute(_VERSIONS):
        stacking = json.loads(row.definition)["stacking"]
        group = stacking["group"] if stacking["mode"] == "exclusive" else None
        before = found[row.program_pk].groups if row.program_pk in found else ()
        found[row.program_pk] = History(row.key, (*before, (moment(row.installed_at), group)))
    return found


def settled(tx: Connection, period_pks: Collection[int], members: Collection[int]) -> set[Cell]:
    """Those of the members and periods for which more than nothing is settled by now."""
    wanted, found = sorted(members), set[Cell]()
    for some in slices(wanted):
        query = (
            select(postings.c.member_pk, postings.c.period_pk)
            .where(
                postings.c.member_pk.in_(some),
                postings.c.period_pk.in_(sorted(period_pks)),
            )
            .group_by(postings.c.member_pk, postings.c.period_pk)
            .having(func.sum(postings.c.amount_e6) > 0)
        )
        found |= {Cell(*row) for row in tx.execute(query)}
    return found
