"""Accounts and users as alerts and screens need them: names, owners, who still works here."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection, and_, bindparam, func, select

from state.slices import slices
from state.tables.facts import accounts, users
from state.tables.programs import programs
from state.tables.work import standings


@dataclass(frozen=True)
class Member:
    """An account. `gone`: deleted or merged away, so nothing can be written to it."""

    pk: int
    id: str
    name: str | None
    owner_id: str | None
    parent_id: str | None
    type: str | None
    region: str | None
    currency: str | None
    gone: bool


@dataclass(frozen=True)
class Person:
    """A user of the org."""

    id: str
    name: str | None
    active: bool


_parent = accounts.alias("parent")
_MEMBERS = (
    select(
        accounts.c.pk, accounts.c.sf_id, accounts.c.name, accounts.c.owner_id, _parent.c.sf_id.label("parent_id"),
        accounts.c.type, accounts.c.region, accounts.c.currency, accounts.c.deleted, accounts.c.master_pk,
    )
    .outerjoin(_parent, _parent.c.pk == accounts.c.parent_pk)
    .where(accounts.c.pk.in_(bindparam("pks", expanding=True)))
)  # fmt: skip
_PEOPLE = select(users).where(users.c.sf_id.in_(bindparam("ids", expanding=True)))


def members(tx: Connection, pks: Collection[int]) -> dict[int, Member]:
    """Accounts by our number."""
    wanted = sorted(pks)
    found = {}
    for part in slices(wanted):
        some = tx.execute(_MEMBERS, {"pks": part}).all()
        for pk, sf_id, name, owner, above, type_, region, currency, deleted, winner in some:
            gone = bool(deleted or winner is not None)
            found[pk] = Member(pk, sf_id, name, owner, above, type_, region, currency, gone)
    return found


def in_other_currencies(tx: Connection) -> list[tuple[str, str, str, int]]:
    """(program, its currency, that of the accounts, how many of them), where the two differ."""
    rows = tx.execute(
        select(
            programs.c.key,
            programs.c.currency,
            accounts.c.currency,
            func.count(standings.c.member_pk.distinct()),
        )
        .join(standings, standings.c.program_pk == programs.c.pk)
        .join(accounts, accounts.c.pk == standings.c.member_pk)
        .where(accounts.c.currency != programs.c.currency, accounts.c.deleted.is_not(True))
        .group_by(programs.c.key, programs.c.currency, accounts.c.currency)
        .order_by(programs.c.key, accounts.c.currency)
    )
    return [(key, theirs, own, count) for key, theirs, own, count in rows]


def some_ids(tx: Connection, *, limit: int = 5_000) -> list[str]:
    """Ids of accounts that are there, in the order in which we met them."""
    there = and_(accounts.c.known, ~accounts.c.deleted, accounts.c.master_pk.is_(None))
    return list(
        tx.execute(select(accounts.c.sf_id).where(there).order_by(accounts.c.pk).limit(limit)).scalars()
    )


def find_members(tx: Connection, text: str, *, limit: int = 10) -> list[Member]:
    """Accounts by id (15 or 18 characters) or name: exact first, else those that contain the text, else those that contain
    it but for accents and letter case ("lumiere" finds "Lumière")."""
    by_id = accounts.c.sf_id == text
    if len(text) == 15:  # ids of 15 differ by letter case, which a LIKE of SQLite does not see
        whole = func.substr(accounts.c.sf_id, 1, 15) == text
        by_id = and_(accounts.c.sf_id.startswith(text, autoescape=True), whole)
    for condition in (by_id, accounts.c.name == text, accounts.c.name.icontains(text, autoescape=True)):
        pks = list(
            tx.execute(
                select(accounts.c.pk)
                .where(condition, accounts.c.known)
                .order_by(accounts.c.name)
                .limit(limit)
            ).scalars()
        )
        if pks:
            rows = members(tx, pks)
            return [rows[pk] for pk in pks]
    pks = list(islice(_named_like(tx, text), limit))
    rows = members(tx, pks)
    return [rows[pk] for pk in pks]


def _named_like(tx: Connection, text: str) -> Iterator[int]:
    """By name as people type it: neither database folds accents by itself."""
    wanted = _plain(text)
    query = select(accounts.c.pk, accounts.c.name).where(accounts.c.known).order_by(accounts.c.name)
    for row in tx.execute(query) if wanted else ():
        if wanted in _plain(row.name or ""):
            yield row.pk


def _plain(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text)
    return "".join(one for one in apart if not unicodedata.combining(one)).casefold()


# Ids of the accounts that are deleted or merged away.
GONE = select(accounts.c.sf_id).where(accounts.c.deleted | accounts.c.master_pk.is_not(None))


def gone(tx: Connection) -> set[str]:
    """Ids of the accounts that are deleted or merged away: nothing is written to them any more."""
    return set(tx.execute(GONE).scalars())


def merged(tx: Connection, ids: Collection[str]) -> dict[int, Member]:
    """Those of some accounts that were merged into others, by our number."""
    pks, wanted = list[int](), sorted(ids)
    for some in slices(wanted):
        mine = and_(accounts.c.sf_id.in_(some), accounts.c.master_pk.is_not(None))
        pks += tx.execute(select(accounts.c.pk).where(mine)).scalars()
    return members(tx, pks)


def pks(tx: Connection, ids: Collection[str]) -> dict[str, int]:
    """Those of some accounts that are known and there."""
    found: dict[str, int] = {}
    wanted = sorted(ids)
    for some in slices(wanted):
        query = select(accounts.c.sf_id, accounts.c.pk).where(
            accounts.c.sf_id.in_(some), accounts.c.known, ~accounts.c.deleted
        )
        found |= {row.sf_id: row.pk for row in tx.execute(query)}
    return found


def names(tx: Connection, ids: Collection[str]) -> dict[str, str]:
    """What accounts are called, of those that have a name."""
    return {one.id: one.name for one in members(tx, pks(tx, ids).values()).values() if one.name}


def is_gone(tx: Connection, account_id: str | None) -> bool:
    """Whether an account is deleted or merged away."""
    return tx.execute(GONE.where(accounts.c.sf_id == account_id).limit(1)).first() is not None


def people(tx: Connection, ids: Collection[str]) -> dict[str, Person]:
    """Users by Salesforce id."""
    wanted = sorted(ids)
    found = {}
    for some in slices(wanted):
        for row in tx.execute(_PEOPLE, {"ids": some}):
            found[row.sf_id] = Person(row.sf_id, row.name, row.active)
    return found
