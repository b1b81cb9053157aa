"""Payouts that stand under another account in the org than the one they were settled for, and no merge says so.

The package lets nobody move a payout. One of an earlier package could be given away, and finance would pay the wrong
partner: it is named as long as it stands there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from state import meta
from state.payouts import DELETED, FINAL, Seen, payees
from state.slices import slices
from state.tables.facts import accounts
from state.tables.payouts import payouts
from state.tables.work import postings

_MOVED = "payouts.moved"  # key → the account under which the org has it


class Moved(NamedTuple):
    """Account ids and what is known of names: whose the payout is, and under whom the org has it."""

    key: str
    settled_for: str
    stands_under: str
    is_final: bool  # paid or rejected there: nothing can be done about it any more


def elsewhere(tx: Connection, seen: Sequence[Seen]) -> set[str]:
    """The accounts that payouts just read were settled for, as far as we know, of those that stand under another one."""
    return {payee for payee, _ in _elsewhere(tx, seen)[0].values()}


def note(tx: Connection, seen: Sequence[Seen], *, gone: Collection[str] = ()) -> list[Moved]:
    """Of the payouts just read, those that were moved. One whose own account is gone by now keeps what was noted of it.

    `gone`: accounts `elsewhere` that the org does not have any more: we have not read yet that they were merged or deleted.
    """
    found, members, paid = _elsewhere(tx, seen)
    paid = {member: account for member, account in paid.items() if account not in gone}
    found = {key: both for key, both in found.items() if both[0] not in gone}
    before = noted(tx)
    settled = {key for key, member in members.items() if member in paid} - found.keys()
    after = {key: account for key, account in before.items() if key not in settled}
    after |= {key: account for key, (_, account) in found.items()}
    if after != before:
        meta.put(tx, _MOVED, json.dumps(after, sort_keys=True))
    names = _names(tx, {each for both in found.values() for each in both})
    final = {one.key for one in seen if one.status in FINAL}
    return [
        Moved(key, names.get(payee, payee), names.get(account, account), key in final)
        for key, (payee, account) in sorted(found.items())
    ]


def _elsewhere(
    tx: Connection, seen: Sequence[Seen]
) -> tuple[dict[str, tuple[str, str]], dict[str, int], dict[int, str]]:
    """Key → whose it is and under whom it stands, where that differs; the members of all that are there; whom those pay."""
    there = {one.key: one.account for one in seen if one.account is not None and one.status != DELETED}
    members = _members(tx, there)
    paid = payees(tx, set(members.values()))
    found = {
        key: (paid[member], account)
        for key, account in there.items()
        if (member := members.get(key)) is not None and paid.get(member, account) != account
    }
    return found, members, paid


def noted(tx: Connection) -> dict[str, str]:
    """Payouts (key → account) that were seen there while their own account was still in the org: a person moved them."""
    return dict(json.loads(meta.get(tx, _MOVED) or "{}"))


def _members(tx: Connection, keys: Collection[str]) -> dict[str, int]:
    found = dict[str, int]()
    query = select(payouts.c.key, postings.c.member_pk).join(postings, postings.c.pk == payouts.c.posting_pk)
    for some in slices(sorted(keys)):
        for key, member in tx.execute(query.where(payouts.c.key.in_(some))):
            found[key] = member
    return found


def _names(tx: Connection, ids: Collection[str]) -> dict[str, str]:
    found = dict[str, str]()
    for some in slices(sorted(ids)):
        which = accounts.c.sf_id.in_(some)
        for sf_id, name in tx.execute(select(accounts.c.sf_id, accounts.c.name).where(which)):
            if name:
                found[sf_id] = f"{name} ({sf_id})"
    return found
