"""Payouts: postings as records of the org. Each is made there once under a key of its own; finance decides about it there.

The key is worked out from whose posting it is and which in the row of that member and period, never from our row
numbers: a store that was restored finds its own payouts again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from state import meta, postings
from state.instants import micros, moment
from state.slices import slices
from state.tables.facts import accounts
from state.tables.payouts import payouts
from state.tables.programs import periods, programs
from state.tables.work import acknowledged, outbox
from state.tables.work import postings as rows_of
from state.totals import from_e6

APPROVED = ("Approved", "Generated", "Paid", "PaymentRejected")
DELETED = "Deleted"  # told by the recycle bin, or by its absence
REJECTED = "Rejected"
FINAL = ("Paid", REJECTED, DELETED)
UNSENT, SENT = "unsent", "sent"  # not in the org; in the org, which has not shown its status yet
_PLANNED = "payouts.planned"
_FROM, _BUT = " from ", " but "  # in it: "1200 from 2026-10-01 but 17 340"
_REFUSED = "payouts.refused"
_NOT_EXACT = "payouts.not_exact"
_UNREADABLE = "payouts.unreadable"


@dataclass(frozen=True)
class Due:
    """A posting with everything that a payout says. `number`: which posting of its member and period, from 1."""

    posting_pk: int
    number: int
    kind: str
    member_pk: int
    program: str
    program_name: str
    currency: str
    time_zone: str
    period: str
    start: date
    end: date
    booked_in: str
    amount: Decimal
    prior_period: Decimal
    rate: Decimal
    tier: str | None
    posted_at: datetime

    @property
    def type(self) -> str:
        """What a payout is called."""
        return postings.type_of(self.kind, self.amount)

    @property
    def told_apart(self) -> bool:
        return postings.is_told_apart(self.amount, self.prior_period, self.rate)


@dataclass(frozen=True)
class Seen:
    """A payout as the org shows it."""

    key: str
    sf_id: str
    status: str | None
    amount: Decimal | None
    currency: str | None
    approved_by: str | None
    paid_on: date | None
    reference: str | None
    made_by: str | None
    changed_by: str | None
    account: str | None = None  # whose it is in the org now: a merge gives it to the winner


def any_planned(tx: Connection) -> bool:
    """Whether a payout was ever planned."""
    return tx.execute(select(payouts.c.posting_pk).limit(1)).first() is not None


def unplanned(tx: Connection, since: date | None = None) -> list[Due]:
    """Postings of some amount that no payout was planned for, of periods whose last day is `since` or later. Only those that came
    after the last look, and those that were left then; all where none was looked at, or another `since` was said."""
    before = _looked_at(tx, since)
    planned = exists().where(payouts.c.posting_pk == rows_of.c.pk)
    query = dues().where(~planned, rows_of.c.amount_e6 != 0).order_by(rows_of.c.pk)
    if since is not None:
        query = query.where(of_period.c.end_day > since.toordinal())
    if before is None:
        return [due(row) for row in tx.execute(query)]
    last, left = before
    found = [due(row) for part in slices(left) for row in tx.execute(query.where(rows_of.c.pk.in_(part)))]
    if last != postings.last(tx):
        found += [due(row) for row in tx.execute(query.where(rows_of.c.pk > last))]
    return found


def _looked_at(tx: Connection, since: date | None) -> tuple[int, list[int]] | None:
    """Up to which posting all were looked at for this `since`, and which of them could not be paid; None: none were."""
    said, _, left = (meta.get(tx, _PLANNED) or "").partition(_BUT)
    last, _, day = said.partition(_FROM)
    if not last or day != (since.isoformat() if since is not None else ""):
        return None
    return int(last), [int(pk) for pk in left.split()]


def plan(
    tx: Connection, keys: Sequence[tuple[int, str]], *, left: Collection[int] = (), since: date | None = None
) -> None:
    """Postings with the keys of their payouts; all others that were unplanned are `left`, and asked for again."""
    if keys:
        tx.execute(insert(payouts), [{"posting_pk": pk, "key": key} for pk, key in keys])
    said = str(postings.last(tx)) + (f"{_FROM}{since}" if since is not None else "")
    if left:
        said += _BUT + " ".join(str(pk) for pk in sorted(left))
    if said != meta.get(tx, _PLANNED):
        meta.put(tx, _PLANNED, said)


def refuse(tx: Connection, keys: Collection[str]) -> None:
    """Of these the org has another payout under the same key: they are not sent, as long as that is so."""
    said = " ".join(sorted(keys))
    if said != " ".join(refused(tx)):
        meta.put(tx, _REFUSED, said)


def refused(tx: Connection) -> list[str]:
    """Keys of payouts that are not sent because the org has another one under each."""
    return (meta.get(tx, _REFUSED) or "").split()


def cannot_be_written(tx: Connection, some: Sequence[tuple[str, str, str]]) -> None:
    """Of these (key, program, period) the org's field cannot hold the amount: they are not sent, as long as that is so."""
    said = json.dumps(sorted(some))
    if said != (meta.get(tx, _NOT_EXACT) or "[]"):
        meta.put(tx, _NOT_EXACT, said)


def not_exact(tx: Connection) -> list[tuple[str, str, str]]:
    """(key, program, period) of payouts that are not sent because the org would show another amount."""
    return [(key, program, period) for key, program, period in json.loads(meta.get(tx, _NOT_EXACT) or "[]")]


def note_unreadable(tx: Connection, read: Collection[str], bad: Mapping[str, str]) -> None:
    """Of the payouts just read (their keys), those of which something could not be read (key → which of our names)."""
    before = dict(unreadable(tx))
    after = {key: name for key, name in before.items() if key not in read} | dict(bad)
    if after != before:
        meta.put(tx, _UNREADABLE, json.dumps(after, sort_keys=True))


def unreadable(tx: Connection) -> list[tuple[str, str]]:
    """(key, which of our names) of payouts of which something could not be read when the org was last asked."""
    return sorted(json.loads(meta.get(tx, _UNREADABLE) or "{}").items())


def payees(tx: Connection, member_pks: Iterable[int]) -> dict[int, str]:
    """Member → id of the account that is paid: itself, or who it was merged into; left out: deleted for good."""
    found, todo = dict[int, str](), {pk: pk for pk in member_pks}
    seen: set[tuple[int, int]] = set()
    while todo:
        after: dict[int, int] = {}
        at = sorted(set(todo.values()))
        records: dict[int, Any] = {}
        for part in slices(at):
            some = accounts.c.pk.in_(part)
            records |= {row.pk: row for row in tx.execute(select(accounts).where(some))}
        for member, pk in todo.items():
            row = records.get(pk)
            if row is None or (member, pk) in seen:
                continue
            seen.add((member, pk))
            if row.master_pk is not None:
                after[member] = row.master_pk
            elif not row.deleted:
                found[member] = row.sf_id
        todo = after
    return found


def found(tx: Connection, key: str, *, sf_id: str, status: str | None = None) -> None:
    """The org has this payout. `status`: as it was written, which holds until finance says something."""
    known = func.coalesce(payouts.c.status, status)
    tx.execute(update(payouts).where(payouts.c.key == key).values(sf_id=sf_id, status=known))


def saw(tx: Connection, seen: Sequence[Seen], *, now: datetime) -> int:
    """What finance made of some payouts; returns how many changed. Payouts that nobody here knows are left out, and what is
    as it was is only looked at: most payouts are paid, and stay as they are for years."""
    changed = 0
    for some in slices(seen):
        before = {
            row.key: tuple(row[1:]) for row in tx.execute(_AS_SEEN, {"keys": [one.key for one in some]})
        }
        for one in some:
            shown = _shown(one)
            if one.key in before and before[one.key] != shown:
                values = dict(zip(_SHOWN, shown, strict=True))
                mine = update(payouts).where(payouts.c.key == one.key)
                tx.execute(mine.values(**values, read_at=micros(now)))
                before[one.key] = shown
                changed += 1
    return changed


_SHOWN = (
    "sf_id", "status", "amount_e6", "currency", "approved_by", "paid_on", "reference", "made_by", "changed_by",
)  # fmt: skip
_AS_SEEN = select(payouts.c.key, *(payouts.c[name] for name in _SHOWN)).where(
    payouts.c.key.in_(bindparam("keys", expanding=True))
)


def _shown(one: Seen) -> tuple[Any, ...]:
    """In the order of `_SHOWN`, as the store keeps it."""
    return (
        one.sf_id, one.status, None if one.amount is None else int(one.amount.scaleb(6)), one.currency, one.approved_by,
        None if one.paid_on is None else one.paid_on.toordinal(), one.reference, one.made_by, one.changed_by,
    )  # fmt: skip


_UNDECIDED = (
    select(payouts.c.posting_pk)
    .where(payouts.c.sf_id.is_not(None), or_(payouts.c.status.is_(None), payouts.c.status.not_in(FINAL)))
    .limit(1)
)


def undecided(tx: Connection) -> bool:
    """Whether the org has payouts about which finance may still say something."""
    return tx.execute(_UNDECIDED).first() is not None


def deleted(tx: Connection) -> set[str]:
    """Keys of payouts that a person deleted in the org."""
    return set(tx.execute(select(payouts.c.key).where(payouts.c.status == DELETED)).scalars())


def unsent_of(tx: Connection, object: str, account_ids: Collection[str]) -> list[Any]:
    """Outbox rows (pk, ext_key, payload) of payouts that still wait for accounts that are gone."""
    query = select(outbox.c.pk, outbox.c.ext_key, outbox.c.account_id, outbox.c.payload).where(
        outbox.c.object == object,
        outbox.c.state.in_(("pending", "quarantined")),
        outbox.c.account_id.in_(sorted(account_ids)),
    )
    return list(tx.execute(query)) if account_ids else []


_GIVEN_UP = (
    select(outbox.c.pk, outbox.c.payload, rows_of.c.member_pk)
    .select_from(payouts)
    .join(rows_of, rows_of.c.pk == payouts.c.posting_pk)
    .join(outbox, and_(outbox.c.object == bindparam("of"), outbox.c.ext_key == payouts.c.key))
    .where(payouts.c.sf_id.is_(None), outbox.c.kind == "event", outbox.c.state == "superseded")
    .where(~exists().where(acknowledged.c.object == outbox.c.object, acknowledged.c.ext_key == payouts.c.key))
    .order_by(outbox.c.pk)
)


def given_up(tx: Connection, object: str) -> list[Any]:
    """Outbox rows (pk, payload, member_pk) of payouts that nobody will send although the org does not have them: their
    accounts were gone."""
    return list(tx.execute(_GIVEN_UP, {"of": object}))


def readdress(tx: Connection, outbox_pk: int, *, account_id: str, payload: str, digest: str) -> None:
    """A payout that was not sent yet goes to the account that is paid now: same key, same amount."""
    tx.execute(
        update(outbox)
        .where(outbox.c.pk == outbox_pk)
        .values(
            account_id=account_id, payload=payload, payload_hash=digest, state="pending",
            stuck=None, code=None, message=None, finished_at=None,
        )
    )  # fmt: skip


of_period = periods.alias("of")
_booked, _earlier = periods.alias("booked"), rows_of.alias("earlier")


def dues() -> Select[Any]:
    """Every posting with what `due` reads of it."""
    number = (
        select(func.count())
        .where(
            _earlier.c.member_pk == rows_of.c.member_pk,
            _earlier.c.period_pk == rows_of.c.period_pk,
            _earlier.c.pk <= rows_of.c.pk,
        )
        .scalar_subquery()
    )
    return (
        select(
            *rows_of.columns,
            number.label("number"),
            programs.c.key.label("program"),
            programs.c.name.label("program_name"),
            programs.c.currency,
            programs.c.time_zone,
            of_period.c.name.label("period"),
            of_period.c.start_day,
            of_period.c.end_day,
            _booked.c.name.label("booked_in"),
        )
        .join(of_period, of_period.c.pk == rows_of.c.period_pk)
        .join(_booked, _booked.c.pk == rows_of.c.booked_pk)
        .join(programs, programs.c.pk == of_period.c.program_pk)
    )


def due(row: Row[Any]) -> Due:
    """One row of `dues`."""
    return Due(
        row.pk, row.number, row.kind, row.member_pk, row.program, row.program_name, row.currency, row.time_zone,
        row.period, date.fromordinal(row.start_day), date.fromordinal(row.end_day), row.booked_in,
        from_e6(row.amount_e6), from_e6(row.prior_period_e6), from_e6(row.rate_e6), row.tier, moment(row.posted_at),
    )  # fmt: skip
