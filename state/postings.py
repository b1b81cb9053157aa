"""Settled amounts: one posting a member when a period closes, and further ones for what turns out different later.

A posting is never changed (the database refuses it). Each batch is sealed in the audit trail with a hash over
its rows, so that changing one shows even where somebody got past the database.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Connection, bindparam, case, cast, func, insert, literal, select

from rebates.money import to_micro
from state import audit, meta
from state.instants import micros, moment
from state.slices import slices
from state.tables.programs import periods, programs
from state.tables.running import audit as trail
from state.tables.work import closed_periods, postings, standings
from state.totals import Cell, from_e6

SEALED = "postings made"
LEFT_OUT = "settled.left_out."  # in `meta`, by period
COMPLETE = '"incomplete":[]'  # as documents are spelled: an incomplete standing is not settled


@dataclass(frozen=True)
class Booking:
    """A correction of a closed period, in millionths. `parts`: what late lines earn, and what other terms or tiers change;
    None where that cannot be told."""

    cell: Cell
    booked_pk: int
    amount_e6: int
    parts: tuple[int, int] | None
    qualifier_e6: int
    tier: str | None
    program_version: int


@dataclass(frozen=True)
class Balance:
    """What a member's closed period was settled at. `tier` and `qualifier_e6` are those of its last posting."""

    amount_e6: int
    qualifier_e6: int
    tier: str | None
    program_version: int


@dataclass(frozen=True)
class Settled:
    """What is paid for a closed period: everything, and how much of it came later."""

    amount: Decimal
    adjustments: Decimal
    closed_at: datetime


@dataclass(frozen=True)
class PostingView:
    """A posting with the names that people know."""

    kind: str
    period: str
    booked_in: str
    amount: Decimal
    prior_period: Decimal
    rate: Decimal
    tier: str | None
    program_version: int
    posted_at: datetime

    @property
    def type(self) -> str:
        return type_of(self.kind, self.amount)

    @property
    def told_apart(self) -> bool:
        return is_told_apart(self.amount, self.prior_period, self.rate)


def type_of(kind: str, amount: Decimal) -> str:
    """What people call a posting: nothing is paid below zero, so what is settled below it is owed by the partner."""
    return "invoice" if kind == "settled" and amount < 0 else kind


def is_told_apart(amount: Decimal, prior_period: Decimal, rate: Decimal) -> bool:
    """Whether a correction says what late lines earn and what tier and terms change: an amount without either part does not."""
    return not amount or bool(prior_period or rate)


def settles_e6(payout: Mapping[str, str]) -> int:
    """What a standing's document settles the period at, where periods hang together: paid, or below zero to be invoiced."""
    return to_micro(Decimal(payout["paid"]) - Decimal(payout["invoiced"]))


_LAST = select(func.coalesce(func.max(postings.c.pk), 0))
_CLOSED = select(closed_periods)
_CLOSED_PKS = select(closed_periods.c.period_pk)
_SETTLED_IN = (
    select(func.count(), cast(func.coalesce(func.sum(func.abs(postings.c.amount_e6)), 0), BigInteger))
    .select_from(postings)
    .where(postings.c.kind == "settled", postings.c.period_pk.in_(bindparam("pks", expanding=True)))
)
_HOW_MANY = select(func.count()).select_from(postings)
_SEALS = select(trail.c.seq, trail.c.detail).where(trail.c.action == SEALED)
_AFTER = (
    select(postings.c.member_pk, postings.c.period_pk).where(postings.c.pk > bindparam("known")).distinct()
)
_VERSIONS = select(programs.c.key, programs.c.version)


def settled_in(tx: Connection, period_pks: Collection[int]) -> tuple[int, int]:
    """How many standings were settled for these periods, and at how much money, in millionths."""
    count, money_e6 = tx.execute(_SETTLED_IN, {"pks": sorted(period_pks)}).one()
    return int(count), int(money_e6)


def closed(tx: Connection) -> set[int]:
    """Periods that are closed."""
    return set(tx.execute(_CLOSED_PKS).scalars())


def closed_at(tx: Connection) -> dict[int, datetime]:
    """Closed periods, with the moment of closing."""
    return {row.period_pk: moment(row.closed_at) for row in tx.execute(_CLOSED)}


def incomplete(tx: Connection, period_pk: int) -> int:
    """How many standings of a period lack something: they are not settled."""
    lacking = ~standings.c.document.contains(COMPLETE, autoescape=True)
    query = select(func.count()).select_from(standings).where(standings.c.period_pk == period_pk, lacking)
    return int(tx.execute(query).scalar_one())


def left_out(tx: Connection, period_pk: int) -> set[int]:
    """Members whose standings of a period were incomplete when it was closed by hand all the same: nothing was settled
    for them, and what is settled once they are whole is not late."""
    return set(json.loads(meta.get(tx, f"{LEFT_OUT}{period_pk}") or "[]"))


def _note_left_out(tx: Connection, period_pk: int) -> None:
    lacking = (standings.c.period_pk == period_pk) & ~standings.c.document.contains(COMPLETE, autoescape=True)
    members = tx.execute(select(standings.c.member_pk).where(lacking)).scalars().all()
    if members:
        meta.put(tx, f"{LEFT_OUT}{period_pk}", json.dumps(sorted(members)))


def last(tx: Connection) -> int:
    """The number of the newest posting; 0: there is none."""
    return int(tx.execute(_LAST).scalar_one())


def count_of(tx: Connection, period_pk: int, *, after: int) -> int:
    """How many postings about a period came after the one with this number."""
    mine = (postings.c.period_pk == period_pk) & (postings.c.pk > after)
    return int(tx.execute(select(func.count()).select_from(postings).where(mine)).scalar_one())


def cells_after(tx: Connection, pk: int) -> set[Cell]:
    """Members and periods that later postings are about."""
    return {Cell(*row) for row in tx.execute(_AFTER, {"known": pk})}


def versions(tx: Connection) -> dict[str, int]:
    """The current version of every program."""
    return {row.key: row.version for row in tx.execute(_VERSIONS)}


def close(tx: Connection, period_pk: int, *, by_payout: bool, now: datetime, run_pk: int | None) -> int:
    """Settle every complete standing of a period, once and for ever; returns how many.

    `by_payout`: what is settled is what the standing's document pays, or invoices, after the periods before it.
    """
    tx.execute(insert(closed_periods).values(period_pk=period_pk, closed_at=micros(now), run_pk=run_pk))
    complete = (
        (standings.c.period_pk == period_pk)
        & (standings.c.program_version > 0)  # else it should never have been
        & standings.c.document.contains(COMPLETE, autoescape=True)
    )
    _note_left_out(tx, period_pk)
    before = last(tx)
    if by_payout:
        query = select(standings).where(complete).order_by(standings.c.member_pk)
        rows = [
            _row(row, settles_e6(json.loads(row.document)["payout"]), now, run_pk)
            for row in tx.execute(query)
        ]
        if rows:
            tx.execute(insert(postings), rows)
    else:
        columns = {
            "kind": literal("settled"),
            "member_pk": standings.c.member_pk,
            "period_pk": standings.c.period_pk,
            "booked_pk": standings.c.period_pk,
            "amount_e6": standings.c.rebate_e6,
            "prior_period_e6": literal(0),
            "rate_e6": literal(0),
            "qualifier_e6": standings.c.qualifier_e6,
            "tier": standings.c.tier,
            "program_version": standings.c.program_version,
            "posted_at": literal(micros(now)),
            "run_pk": literal(run_pk),
        }
        made = select(*columns.values()).where(complete).order_by(standings.c.member_pk)
        tx.execute(insert(postings).from_select(list(columns), made))
    return seal(tx, before, now, f"period {period_pk}")


def correct(tx: Connection, bookings: Sequence[Booking], *, now: datetime, run_pk: int | None) -> int:
    """Post corrections; returns how many."""
    before = last(tx)
    rows = [
        {
            "kind": "adjustment",
            "member_pk": one.cell.member_pk,
            "period_pk": one.cell.period_pk,
            "booked_pk": one.booked_pk,
            "amount_e6": one.amount_e6,
            "prior_period_e6": one.parts[0] if one.parts else 0,
            "rate_e6": one.parts[1] if one.parts else 0,
            "qualifier_e6": one.qualifier_e6,
            "tier": one.tier,
            "program_version": one.program_version,
            "posted_at": micros(now),
            "run_pk": run_pk,
        }
        for one in bookings
    ]
    if rows:
        tx.execute(insert(postings), rows)
    return seal(tx, before, now, "adjustments")


def balances(tx: Connection, cells: Collection[Cell]) -> dict[Cell, Balance]:
    """What was posted for some members and periods so far."""
    wanted, out = sorted(cells), dict[Cell, Balance]()
    for some in slices(wanted):
        query = (
            select(postings)
            .where(
                postings.c.member_pk.in_({cell.member_pk for cell in some}),
                postings.c.period_pk.in_({cell.period_pk for cell in some}),
            )
            .order_by(postings.c.pk)
        )
        for row in tx.execute(query):
            cell = Cell(row.member_pk, row.period_pk)
            so_far = out[cell].amount_e6 if cell in out else 0
            out[cell] = Balance(so_far + row.amount_e6, row.qualifier_e6, row.tier, row.program_version)
    return out


def settled(tx: Connection, cells: Collection[Cell]) -> dict[Cell, Settled]:
    """What is paid for closed periods so far; cells of open periods, and of members that got nothing posted, are left out."""
    closings = closed_at(tx)
    found = dict[Cell, Settled]()
    wanted = sorted(cell for cell in cells if cell.period_pk in closings)
    for some in slices(wanted):
        adjusted = func.sum(case((postings.c.kind == "adjustment", postings.c.amount_e6), else_=0))
        query = (
            select(
                postings.c.member_pk,
                postings.c.period_pk,
                cast(func.sum(postings.c.amount_e6), BigInteger),
                cast(adjusted, BigInteger),
            )
            .where(
                postings.c.member_pk.in_({cell.member_pk for cell in some}),
                postings.c.period_pk.in_({cell.period_pk for cell in some}),
            )
            .group_by(postings.c.member_pk, postings.c.period_pk)
        )
        for member_pk, period_pk, amount, adjustments in tx.execute(query):
            on = closings[period_pk]
            found[Cell(member_pk, period_pk)] = Settled(from_e6(amount), from_e6(adjustments), on)
    return found


def about(tx: Connection, cell: Cell) -> list[PostingView]:
    """Postings about a standing's period, and those of other periods that are booked in it."""
    of, booked = periods.alias("of"), periods.alias("booked")
    query = (
        select(postings, of.c.name.label("period"), booked.c.name.label("booked_in"))
        .join(of, of.c.pk == postings.c.period_pk)
        .join(booked, booked.c.pk == postings.c.booked_pk)
        .where(
            postings.c.member_pk == cell.member_pk,
            (postings.c.period_pk == cell.period_pk) | (postings.c.booked_pk == cell.period_pk),
        )
        .order_by(postings.c.pk)
    )
    return [
        PostingView(
            row.kind, row.period, row.booked_in, from_e6(row.amount_e6), from_e6(row.prior_period_e6),
            from_e6(row.rate_e6), row.tier, row.program_version, moment(row.posted_at),
        )
        for row in tx.execute(query)
    ]  # fmt: skip


def broken_seals(tx: Connection) -> Iterator[str]:
    """Batches of postings that are not what the audit trail sealed; and postings that nobody sealed."""
    sealed = 0
    for row in tx.execute(_SEALS):
        detail = json.loads(row.detail)
        sealed += detail["count"]
        if _digest(tx, detail["first"], detail["last"]) != (detail["count"], detail["sha256"]):
            yield f"the postings {detail['first']} to {detail['last']} were changed after they were made"
    if tx.execute(_HOW_MANY).scalar_one() != sealed:
        yield "there are postings that the audit trail does not know"


def _row(row: object, amount_e6: int, now: datetime, run_pk: int | None) -> dict[str, object]:
    shared = {
        name: getattr(row, name)
        for name in ("member_pk", "period_pk", "qualifier_e6", "tier", "program_version")
    }
    return shared | {
        "kind": "settled",
        "booked_pk": shared["period_pk"],
        "amount_e6": amount_e6,
        "prior_period_e6": 0,
        "rate_e6": 0,
        "posted_at": micros(now),
        "run_pk": run_pk,
    }


def seal(tx: Connection, before: int, now: datetime, what: str) -> int:
    """Seal in the audit trail all postings after the one with this number; returns how many."""
    newest = last(tx)
    if newest == before:
        return 0
    count, digest = _digest(tx, before + 1, newest)
    detail = {"first": before + 1, "last": newest, "count": count, "sha256": digest}
    audit.append(tx, actor="sync", action=SEALED, object=what, detail=detail, now=now)
    return count


def _digest(tx: Connection, first: int, last: int) -> tuple[int, str]:
    """(rows, hash) of a range of postings."""
    seal, count = hashlib.sha256(), 0
    query = select(postings).where(postings.c.pk.between(first, last)).order_by(postings.c.pk)
    for row in tx.execute(query):
        seal.update(json.dumps(list(row), separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
        count += 1
    return count, seal.hexdigest()
