"""Standings as saved: the current one of every member and period, and what it was after each run."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, insert, select, tuple_

from state.dialects import one_of, upsert
from state.instants import micros, moment
from state.tables.facts import accounts
from state.tables.programs import periods, programs
from state.tables.work import dirty_cells, standing_history, standings
from state.totals import CELLS_AT_ONCE, Cell, from_e6

T = TypeVar("T")


@dataclass(frozen=True)
class StandingRow:
    """A standing to save. `document` is its canonical JSON: it decides whether anything changed."""

    member_pk: int
    period_pk: int
    qualifier_e6: int
    rebate_e6: int
    tier: str | None
    next_tier: str | None
    to_next_e6: int | None
    document: str

    @property
    def cell(self) -> Cell:
        return Cell(self.member_pk, self.period_pk)


@dataclass(frozen=True)
class Saved:
    """A standing that is new or changed; `before` is the former document, None for a new one."""

    cell: Cell
    revision: int
    before: str | None
    after: str


@dataclass(frozen=True)
class StandingView:
    """A saved standing with the names that people know. Amounts in the program's currency."""

    cell: Cell
    program: str
    program_name: str
    program_version: int
    currency: str
    member: str
    member_name: str | None
    owner_id: str | None
    period: str
    start: date
    end: date  # the first day after
    tier: str | None
    next_tier: str | None
    qualifier: Decimal
    rebate: Decimal
    to_next: Decimal | None
    document: str
    revision: int
    changed_at: datetime
    run_pk: int | None


@dataclass(frozen=True)
class Past:
    """A standing as a run left it."""

    revision: int
    program_version: int
    tier: str | None
    qualifier: Decimal
    rebate: Decimal
    changed_at: datetime
    run_pk: int | None


def save_standings(
    tx: Connection, rows: Sequence[StandingRow], *, now: datetime, run_pk: int | None = None
) -> list[Saved]:
    """Save computed standings and clear their dirty marks; returns those that really changed, in the order given.

    An equal document writes nothing at all.
    """
    current = _current(tx, [row.cell for row in rows])
    of_period = _programs_of(tx, {row.period_pk for row in rows})
    saved, fresh, history = [], [], []
    for row in rows:
        before = current.get(row.cell)
        digest = hashlib.sha256(row.document.encode()).hexdigest()
        program = of_period[row.period_pk]
        if before is not None and before.content_hash == digest and before.program_version == program.version:
            continue
        revision = 1 if before is None else before.revision + 1
        shared = {
            "member_pk": row.member_pk,
            "period_pk": row.period_pk,
            "program_version": program.version,
            "revision": revision,
            "qualifier_e6": row.qualifier_e6,
            "rebate_e6": row.rebate_e6,
            "tier": row.tier,
            "changed_at": micros(now),
            "run_pk": run_pk,
        }
        history.append(shared)
        fresh.append(
            {
                **shared,
                "program_pk": program.pk,
                "next_tier": row.next_tier,
                "to_next_e6": row.to_next_e6,
                "document": row.document,
                "content_hash": digest,
            }
        )
        saved.append(Saved(row.cell, revision, None if before is None else before.document, row.document))
    if fresh:
        statement = upsert(tx, standings)
        changing = [c.name for c in standings.columns if not c.primary_key]
        tx.execute(
            statement.on_conflict_do_update(
                index_elements=["member_pk", "period_pk"], set_={c: statement.excluded[c] for c in changing}
            ),
            fresh,
        )
        tx.execute(insert(standing_history), history)
    clear(tx, [row.cell for row in rows])
    return saved


def clear(tx: Connection, cells: Sequence[Cell]) -> None:
    """Take cells off the list of those to compute."""
    for some in _slices(cells):
        tx.execute(
            delete(dirty_cells).where(one_of(tx, (dirty_cells.c.member_pk, dirty_cells.c.period_pk), some))
        )


def orphans(tx: Connection) -> list[StandingView]:
    """Standings whose program was retired or whose period is no longer part of it: they should leave the org."""
    query = _views().where(~(programs.c.active & periods.c.active))
    return [_viewed(row) for row in tx.execute(query.order_by(standings.c.member_pk, standings.c.period_pk))]


def remove(tx: Connection, cells: Sequence[Cell]) -> int:
    """Forget standings (their history stays). Returns how many there were."""
    removed = 0
    for some in _slices(cells):
        removed += tx.execute(
            delete(standings).where(one_of(tx, (standings.c.member_pk, standings.c.period_pk), some))
        ).rowcount
    clear(tx, cells)
    return removed


def find(
    tx: Connection,
    *,
    account: str | None = None,
    program: str | None = None,
    period: str | None = None,
    on: date | None = None,
    cells: Collection[Cell] | None = None,
    members: Collection[int] | None = None,
    limit: int | None = None,
    after: Cell | None = None,
) -> list[StandingView]:
    """Standings by Salesforce account id, program key, period name, or the day their period holds.

    In the order of (member, period); `after` continues where a limited answer ended.
    """
    query = _views()
    if account is not None:
        query = query.where(accounts.c.sf_id == account)
    if program is not None:
        query = query.where(programs.c.key == program)
    if period is not None:
        query = query.where(periods.c.name == period)
    if on is not None:
        query = query.where(periods.c.start_day <= on.toordinal(), periods.c.end_day > on.toordinal())
    if after is not None:
        query = query.where(tuple_(standings.c.member_pk, standings.c.period_pk) > tuple_(*after))
    found: list[StandingView] = []
    if members is not None:
        for pks in _slices(sorted(members)):
            chosen = query.where(standings.c.member_pk.in_(pks))
            found += [_viewed(row) for row in tx.execute(_ordered(chosen))]
        return found[:limit]
    if cells is not None:
        for some in _slices(sorted(cells)):
            chosen = query.where(one_of(tx, (standings.c.member_pk, standings.c.period_pk), some))
            found += [_viewed(row) for row in tx.execute(_ordered(chosen))]
        return found[:limit]
    return [_viewed(row) for row in tx.execute(_ordered(query).limit(limit))]


def history(tx: Connection, cell: Cell, *, since: datetime | None = None) -> list[Past]:
    """What a standing was, oldest first; with `since`, the one that held then comes first."""
    mine = (standing_history.c.member_pk == cell.member_pk) & (standing_history.c.period_pk == cell.period_pk)
    rows = tx.execute(select(standing_history).where(mine).order_by(standing_history.c.revision)).all()
    if since is not None:
        earlier = [row for row in rows if row.changed_at <= micros(since)]
        rows = [*earlier[-1:], *(row for row in rows if row.changed_at > micros(since))]
    return [
        Past(
            row.revision,
            row.program_version,
            row.tier,
            from_e6(row.qualifier_e6),
            from_e6(row.rebate_e6),
            moment(row.changed_at),
            row.run_pk,
        )
        for row in rows
    ]


def _views() -> Any:
    return (
        select(
            standings,
            programs.c.key.label("program_key"),
            programs.c.name.label("program_name"),
            programs.c.currency.label("program_currency"),
            accounts.c.sf_id,
            accounts.c.name.label("member_name"),
            accounts.c.owner_id,
            periods.c.name.label("period_name"),
            periods.c.start_day,
            periods.c.end_day,
        )
        .join(periods, periods.c.pk == standings.c.period_pk)
        .join(programs, programs.c.pk == standings.c.program_pk)
        .join(accounts, accounts.c.pk == standings.c.member_pk)
    )


def _ordered(query: Any) -> Any:
    return query.order_by(standings.c.member_pk, standings.c.period_pk)


def _viewed(row: Any) -> StandingView:
    return StandingView(
        cell=Cell(row.member_pk, row.period_pk),
        program=row.program_key,
        program_name=row.program_name,
        program_version=row.program_version,
        currency=row.program_currency,
        member=row.sf_id,
        member_name=row.member_name,
        owner_id=row.owner_id,
        period=row.period_name,
        start=date.fromordinal(row.start_day),
        end=date.fromordinal(row.end_day),
        tier=row.tier,
        next_tier=row.next_tier,
        qualifier=from_e6(row.qualifier_e6),
        rebate=from_e6(row.rebate_e6),
        to_next=None if row.to_next_e6 is None else from_e6(row.to_next_e6),
        document=row.document,
        revision=row.revision,
        changed_at=moment(row.changed_at),
        run_pk=row.run_pk,
    )


def _current(tx: Connection, cells: Sequence[Cell]) -> dict[Cell, Any]:
    found: dict[Cell, Any] = {}
    for some in _slices(cells):
        query = select(standings).where(one_of(tx, (standings.c.member_pk, standings.c.period_pk), some))
        found |= {Cell(row.member_pk, row.period_pk): row for row in tx.execute(query)}
    return found


def _programs_of(tx: Connection, period_pks: set[int]) -> dict[int, Any]:
    query = (
        select(periods.c.pk.label("period_pk"), programs.c.pk, programs.c.version)
        .join(programs, programs.c.pk == periods.c.program_pk)
        .where(periods.c.pk.in_(sorted(period_pks)))
    )
    return {row.period_pk: row for row in tx.execute(query)}


def _slices(cells: Sequence[T]) -> Iterable[Sequence[T]]:
    return (cells[at : at + CELLS_AT_ONCE] for at in range(0, len(cells), CELLS_AT_ONCE))
