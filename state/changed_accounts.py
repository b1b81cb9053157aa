"""What changed of accounts, and for whom their orders count, since standings were last computed: what a correction of
settled money is told by.

The facts keep a record only as it is now. Nothing is noted where nothing was settled yet, and of a change of all
accounts no more than can be told.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, Table, and_, select

from state import meta
from state.slices import slices
from state.tables.facts import accounts
from state.tables.work import closed_periods

FIELDS = "changed.fields"  # in `meta`: account → field → value before and now
MEMBERS = "changed.members"  # program → member → accounts whose records moved orders to it or away from it
TERMS = "changed.terms"  # programs whose terms changed
WAITING = "changed.waiting"  # program that is refused → the fields that changed meanwhile
AT_MOST = 5_000  # records that are noted
COLUMNS = ("type", "region", "currency", "owner_id", "name")

_SETTLED = select(closed_periods.c.period_pk).limit(1)


@dataclass(frozen=True)
class Known:
    """An account as people know it."""

    sf_id: str
    name: str | None
    merged_into: str | None = None  # the id of the winner


Fields = Mapping[int, Mapping[str, tuple[object, object]]]  # account → field → value before and now


@dataclass(frozen=True)
class Changes:
    """`members`: program → member → accounts behind it. `waiting`: by the key of a program, what changed while it was refused."""

    fields: Fields = field(default_factory=dict)
    members: Mapping[int, Mapping[int, Collection[int]]] = field(default_factory=dict)
    terms: Collection[str] = ()
    waiting: Mapping[str, Fields] = field(default_factory=dict)

    def of(self, *programs: str) -> Fields:
        """What changed since standings of these programs were computed last."""
        found = self.fields
        for key in programs:
            if key in self.waiting:
                found = _one_after_the_other(self.waiting[key], found)
        return found


def anything_settled(tx: Connection) -> bool:
    """Whether any period was closed yet."""
    return tx.execute(_SETTLED).first() is not None


def note_fields(tx: Connection, scratch: Table, changed: Table) -> None:
    """Before a batch of accounts is merged: what its records change."""
    if not anything_settled(tx):
        return
    noted: dict[str, dict[str, list[object]]] = json.loads(meta.get(tx, FIELDS) or "{}")
    rows = tx.execute(_both(scratch, changed)).all() if len(noted) < AT_MOST else []
    for row in rows:
        before, now = _fields(row, "old_"), _fields(row, "new_")
        mine = noted.setdefault(str(row.pk), {})
        for name in sorted(before.keys() | now.keys()):
            was = mine[name][0] if name in mine else before.get(name)
            if was == now.get(name):
                mine.pop(name, None)
            else:
                mine[name] = [was, now.get(name)]
        if not mine:
            del noted[str(row.pk)]
    if rows:
        meta.put(tx, FIELDS, json.dumps(noted, sort_keys=True, ensure_ascii=False))


def note_members(tx: Connection, program_pk: int, moved: Iterable[tuple[int, int]]) -> None:
    """For whom orders came to count, or do no more: (member, account whose record did it)."""
    pairs = set(moved)
    if not pairs or not anything_settled(tx):
        return
    noted: dict[str, dict[str, list[int]]] = json.loads(meta.get(tx, MEMBERS) or "{}")
    mine = noted.setdefault(str(program_pk), {})
    for member, account in sorted(pairs):
        if str(member) in mine or len(mine) < AT_MOST:
            mine[str(member)] = sorted({*mine.get(str(member), ()), account})
    meta.put(tx, MEMBERS, json.dumps(noted, sort_keys=True))


def note_terms(tx: Connection, programs: Collection[str]) -> None:
    """Programs whose terms are not those of before."""
    if programs and anything_settled(tx):
        noted: list[str] = json.loads(meta.get(tx, TERMS) or "[]")
        meta.put(tx, TERMS, json.dumps(sorted({*noted, *programs})))


def read(tx: Connection) -> Changes:
    """Everything that was noted."""
    fields = json.loads(meta.get(tx, FIELDS) or "{}")
    waiting = json.loads(meta.get(tx, WAITING) or "{}")
    members: dict[str, dict[str, list[int]]] = json.loads(meta.get(tx, MEMBERS) or "{}")
    return Changes(
        _numbered(fields),
        {
            int(program): {int(member): frozenset(them) for member, them in mine.items()}
            for program, mine in members.items()
        },
        frozenset(json.loads(meta.get(tx, TERMS) or "[]")),
        {key: _numbered(meanwhile) for key, meanwhile in waiting.items()},
    )


def forget(tx: Connection, refused: Collection[str] = ()) -> None:
    """Standings are up to date with all of it, but for those of programs that are refused: what changed waits for them."""
    noted = read(tx)
    waiting = {
        key: dict(list(found.items())[:AT_MOST]) for key in sorted(refused) if (found := noted.of(key))
    }
    if waiting:
        meta.put(tx, WAITING, json.dumps(waiting, sort_keys=True, ensure_ascii=False))
    for key in (FIELDS, MEMBERS, TERMS, *(() if waiting else (WAITING,))):
        meta.drop(tx, key)


def _numbered(found: Mapping[str, Mapping[str, list[object]]]) -> Fields:
    return {
        int(pk): {name: (both[0], both[1]) for name, both in named.items()} for pk, named in found.items()
    }


def _one_after_the_other(first: Fields, then: Fields) -> Fields:
    """Two spans of changes as one; what is as it was did not change."""
    found = {}
    for pk in [*first, *(pk for pk in then if pk not in first)]:
        old, new = first.get(pk, {}), then.get(pk, {})
        both = {
            name: (
                old[name][0] if name in old else new[name][0],
                new[name][1] if name in new else old[name][1],
            )
            for name in sorted({*old, *new})
        }
        if moved := {name: pair for name, pair in both.items() if pair[0] != pair[1]}:
            found[pk] = moved
    return found


def known(tx: Connection, pks: Collection[int]) -> dict[int, Known]:
    """Accounts by number."""
    winner = accounts.alias("winner")
    query = select(
        accounts.c.pk, accounts.c.sf_id, accounts.c.name, winner.c.sf_id.label("winner")
    ).select_from(accounts.outerjoin(winner, winner.c.pk == accounts.c.master_pk))
    return {
        row.pk: Known(row.sf_id, row.name, row.winner)
        for some in slices(sorted(pks))
        for row in tx.execute(query.where(accounts.c.pk.in_(some)))
    }


def merged(tx: Connection, pks: Collection[int]) -> frozenset[int]:
    """Those of some accounts that were merged into another one."""
    query, found = select(accounts.c.pk).where(accounts.c.master_pk.is_not(None)), set[int]()
    for some in slices(sorted(pks)):
        found |= set(tx.execute(query.where(accounts.c.pk.in_(some))).scalars())
    return frozenset(found)


def winners(tx: Connection, ids: Collection[str]) -> dict[str, str]:
    """Of some account ids, those that were merged: whom they were merged into."""
    winner, found = accounts.alias("winner"), dict[str, str]()
    query = select(accounts.c.sf_id, winner.c.sf_id.label("winner")).join(
        winner, winner.c.pk == accounts.c.master_pk
    )
    for some in slices(sorted(ids)):
        found |= {row.sf_id: row.winner for row in tx.execute(query.where(accounts.c.sf_id.in_(some)))}
    return found


@cache
def _both(scratch: Table, changed: Table) -> Select[Any]:
    """Records that change, as they are and as they will be."""
    before, after = accounts.alias("before"), accounts.alias("after")
    names = (*COLUMNS, "attributes", "deleted", "master_pk")
    return (
        select(
            accounts.c.pk,
            *(accounts.c[name].label(f"old_{name}") for name in names),
            *(scratch.c[name].label(f"new_{name}") for name in names),
            before.c.sf_id.label("old_parent"),
            after.c.sf_id.label("new_parent"),
        )
        .select_from(
            changed.join(scratch, scratch.c.sf_id == changed.c.sf_id)
            .join(accounts, and_(accounts.c.sf_id == changed.c.sf_id, accounts.c.known))
            .outerjoin(before, before.c.pk == accounts.c.parent_pk)
            .outerjoin(after, after.c.pk == scratch.c.parent_pk)
        )
        .where(~changed.c.is_new)
        .order_by(accounts.c.pk)
        .limit(AT_MOST)
    )


def _fields(row: Any, side: str) -> dict[str, object]:
    """A record as the rules see it; one that was merged is not called deleted: its orders are the winner's."""
    attributes = getattr(row, f"{side}attributes")
    found: dict[str, object] = json.loads(attributes) if attributes else {}
    found |= {name: getattr(row, side + name) for name in COLUMNS}
    gone = getattr(row, f"{side}deleted") and getattr(row, f"{side}master_pk") is None
    return found | {"parent_id": getattr(row, f"{side}parent"), "deleted": bool(gone)}
