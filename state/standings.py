"""Standings as saved: the current one of every member and period, and what it was after each run."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, tuple_, update

from state import bulk
from state.dialects import one_of, upsert
from state.in_force import IN_FORCE, out_of_force
from state.instants import micros, moment
from state.slices import slices
from state.tables.facts import accounts
from state.tables.programs import periods, programs
from state.tables.work import dirty_cells, standing_history, standings
from state.totals import CELLS_AT_ONCE, Cell, from_e6

PAYOUT_BEGINS = (
    '"payout":{'  # in a document, as `jobs.documents` spells it: names in the order of the alphabet
)
CARRIED_BEGINS = (
    f'{PAYOUT_BEGINS}"carried":"'  # the first of the names in it: open balances are looked for by this
)
SHOWN = standings.c.program_version > 0  # not one that was let go, or that should never have been


class StandingRow(NamedTuple):
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


class Saved(NamedTuple):
    """A standing that is new or changed; `before` is the former document, None for a new one."""

    cell: Cell
    revision: int
    before: str | None
    after: str


class StandingView(NamedTuple):
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


_COLUMNS = (
    "member_pk", "period_pk", "program_pk", "program_version", "revision", "qualifier_e6", "rebate_e6", "tier", "next_tier",
    "to_next_e6", "document", "content_hash", "changed_at", "run_pk",
)  # fmt: skip
_PAST = (
    "member_pk", "period_pk", "revision", "program_version", "qualifier_e6", "rebate_e6", "tier", "changed_at", "run_pk",
)  # fmt: skip


def save_standings(
    tx: Connection, rows: Sequence[StandingRow], *, now: datetime, run_pk: int | None = None
) -> list[Saved]:
    """Save computed standings and clear their dirty marks; returns those that really changed, in the order given.

    An equal document writes nothing at all.
    """
    current = _current(tx, [row.cell for row in rows])
    of_period = _programs_of(tx, {row.period_pk for row in rows})
    at = micros(now)
    saved: list[Saved] = []
    new: list[tuple[Any, ...]] = []
    moved: list[tuple[Any, ...]] = []
    history: list[tuple[Any, ...]] = []
    for row in rows:
        cell = row.cell
        before = current.get(cell)
        digest = hashlib.sha256(row.document.encode()).hexdigest()
        program = of_period[row.period_pk]
        if before is not None and before.content_hash == digest and before.program_version == program.version:
            continue
        revision = 1 if before is None else before.revision + 1
        amounts = (row.qualifier_e6, row.rebate_e6, row.tier)
        history.append((*cell, revision, program.version, *amounts, at, run_pk))
        (new if before is None else moved).append(
            (*cell, program.pk, program.version, revision, *amounts, row.next_tier, row.to_next_e6, row.document, digest, at, run_pk)
        )  # fmt: skip
        saved.append(Saved(cell, revision, None if before is None else before.document, row.document))
    bulk.fill_tuples(tx, standings, _COLUMNS, new)
    if moved:
        statement = upsert(tx, standings)
        changing = [c.name for c in standings.columns if not c.primary_key]
        tx.execute(
            statement.on_conflict_do_update(
                index_elements=["member_pk", "period_pk"], set_={c: statement.excluded[c] for c in changing}
            ),
            [dict(zip(_COLUMNS, values, strict=True)) for values in moved],
        )
    bulk.fill_tuples(tx, standing_history, _PAST, history)
    clear(tx, [row.cell for row in rows])
    return saved


def clear(tx: Connection, cells: Sequence[Cell]) -> None:
    """Take cells off the list of those to compute."""
    for some in slices(cells, CELLS_AT_ONCE):
        bulk.remove(tx, dirty_cells, some)


def orphans(tx: Connection, period_pks: Collection[int]) -> list[StandingView]:
    """Standings of periods that are not in force (`in_force.out_of_force`)."""
    if not period_pks:
        return []
    out = sorted(period_pks)
    whose = select(periods.c.program_pk).where(periods.c.pk.in_(out))  # there is an index on the program
    query = _views().where(standings.c.program_pk.in_(whose), standings.c.period_pk.in_(out))
    return [_viewed(row) for row in tx.execute(_ordered(query))]


def let_go(tx: Connection, cells: Sequence[Cell]) -> None:
    """The org was told that they are nobody's any more. They have no program version then (0): should they be computed again,
    they are saved as changed, whatever they come to, and the org is told anew."""
    for some in slices(cells, CELLS_AT_ONCE):
        mine = one_of(tx, (standings.c.member_pk, standings.c.period_pk), some)
        tx.execute(update(standings).where(mine).values(program_version=0))


def vanished(tx: Connection) -> list[StandingView]:
    """Those in force that should never have been, and that the org may still show (`never_bought.put_away`)."""
    query = _views().where(IN_FORCE, standings.c.program_version < 0)
    return [_viewed(row) for row in tx.execute(_ordered(query))]


def vanished_and_told(tx: Connection) -> list[StandingView]:
    """Those in force that should never have been, and of which the org was told that they count nothing."""
    query = _views().where(IN_FORCE, standings.c.program_version == 0)
    return [_viewed(row) for row in tx.execute(_ordered(query))]


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
    vanished: bool = False,
) -> list[StandingView]:
    """Standings in force by Salesforce account id, program key, period name, or the day their period holds; `vanished`:
    those that should never have been, too.

    In the order of (member, period); `after` continues where a limited answer ended.
    """
    query = _views().where(IN_FORCE) if vanished else _views().where(IN_FORCE, SHOWN)
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
        for pks in slices(sorted(members), CELLS_AT_ONCE):
            chosen = query.where(standings.c.member_pk.in_(pks))
            found += [_viewed(row) for row in tx.execute(_ordered(chosen)).all()]
        return found[:limit]
    if cells is not None:
        for some in slices(sorted(cells), CELLS_AT_ONCE):
            chosen = query.where(one_of(tx, (standings.c.member_pk, standings.c.period_pk), some))
            found += [_viewed(row) for row in tx.execute(_ordered(chosen)).all()]
        return found[:limit]
    return [_viewed(row) for row in tx.execute(_ordered(query).limit(limit)).all()]


def cells_on(tx: Connection, day: date, members: Collection[int]) -> list[Cell]:
    """The places of some members' saved standings in force whose period holds a day."""
    number = day.toordinal()
    query = (
        select(standings.c.member_pk, standings.c.period_pk)
        .join(periods, periods.c.pk == standings.c.period_pk)
        .join(programs, programs.c.pk == periods.c.program_pk)
        .where(IN_FORCE, SHOWN, periods.c.start_day <= number, periods.c.end_day > number)
    )
    return [
        Cell(*row)
        for pks in slices(sorted(members), CELLS_AT_ONCE)
        for row in tx.execute(query.where(standings.c.member_pk.in_(pks))).all()
    ]


def cells_between(tx: Connection, first: date, last: date) -> set[Cell]:
    """The places of all saved standings in force whose period holds one of these days."""
    query = (
        select(standings.c.member_pk, standings.c.period_pk)
        .join(periods, periods.c.pk == standings.c.period_pk)
        .join(programs, programs.c.pk == periods.c.program_pk)
        .where(
            IN_FORCE, SHOWN, periods.c.start_day <= last.toordinal(), periods.c.end_day > first.toordinal()
        )
    )
    return {Cell(*row) for row in tx.execute(query)}


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


def cells(tx: Connection, *, changed_by: int | None = None) -> set[Cell]:
    """The places of all saved standings in force, or of those that a run has changed."""
    query = select(standings.c.member_pk, standings.c.period_pk).where(SHOWN)
    if changed_by is not None:
        query = query.where(standings.c.run_pk == changed_by)
    elif out := out_of_force(tx):
        query = query.where(standings.c.period_pk.not_in(sorted(out)))
    return set(map(Cell._make, tx.execute(query).all()))


def members(tx: Connection) -> set[int]:
    """Whose standings in force are saved: one number an account, however many standings it has."""
    query = select(standings.c.member_pk).where(SHOWN).distinct()
    if out := out_of_force(tx):
        query = query.where(standings.c.period_pk.not_in(sorted(out)))
    return set(tx.execute(query).scalars())


def _views() -> Any:
    """In the order in which `_viewed` takes the columns apart."""
    return (
        select(
            standings.c.member_pk,
            standings.c.period_pk,
            programs.c.key,
            programs.c.name,
            standings.c.program_version,
            programs.c.currency,
            accounts.c.sf_id,
            accounts.c.name.label("member_name"),
            accounts.c.owner_id,
            periods.c.name.label("period_name"),
            periods.c.start_day,
            periods.c.end_day,
            standings.c.tier,
            standings.c.next_tier,
            standings.c.qualifier_e6,
            standings.c.rebate_e6,
            standings.c.to_next_e6,
            standings.c.document,
            standings.c.revision,
            standings.c.changed_at,
            standings.c.run_pk,
        )
        .join(periods, periods.c.pk == standings.c.period_pk)
        .join(programs, programs.c.pk == standings.c.program_pk)
        .join(accounts, accounts.c.pk == standings.c.member_pk)
    )


def _ordered(query: Any) -> Any:
    return query.order_by(standings.c.member_pk, standings.c.period_pk)


def _viewed(row: Any) -> StandingView:
    member, period, *names = row[:10]
    start, end, tier, next_tier, qualifier, rebate, to_next, document, revision, at, run = row[10:]
    program, program_name, version, currency, member_id, member_name, owner_id, period_name = names
    return StandingView(
        Cell(member, period),
        program,
        program_name,
        version,
        currency,
        member_id,
        member_name,
        owner_id,
        period_name,
        date.fromordinal(start),
        date.fromordinal(end),
        tier,
        next_tier,
        from_e6(qualifier),
        from_e6(rebate),
        None if to_next is None else from_e6(to_next),
        document,
        revision,
        moment(at),
        run,
    )


def _current(tx: Connection, cells: Sequence[Cell]) -> dict[Cell, Any]:
    found: dict[Cell, Any] = {}
    for some in slices(cells, CELLS_AT_ONCE):
        query = select(standings).where(one_of(tx, (standings.c.member_pk, standings.c.period_pk), some))
        found |= {Cell(row.member_pk, row.period_pk): row for row in tx.execute(query).all()}
    return found


def _programs_of(tx: Connection, period_pks: set[int]) -> dict[int, Any]:
    query = (
        select(periods.c.pk.label("period_pk"), programs.c.pk, programs.c.version)
        .join(programs, programs.c.pk == periods.c.program_pk)
        .where(periods.c.pk.in_(sorted(period_pks)))
    )
    return {row.period_pk: row for row in tx.execute(query)}
