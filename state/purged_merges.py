"""Merges of which nothing tells but the payouts: the loser was purged before it was read, and is only gone.

The org gives the payouts of a merged account to the winner, as all children, and keeps our keys. Where a payout was
settled for an account that is gone for good and stands under another one, that one is the winner: otherwise what was
paid there would be settled for the winner's larger sales a second time.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select, update

from state import dirty
from state.payouts import Seen
from state.tables.facts import accounts
from state.tables.payouts import payouts
from state.tables.work import postings

IDS_AT_ONCE = 400

# Payouts that were settled for accounts that are gone, and not known to be merged.
_OF_THE_GONE = (
    select(payouts.c.key, accounts.c.pk, accounts.c.sf_id)
    .join(postings, postings.c.pk == payouts.c.posting_pk)
    .join(accounts, accounts.c.pk == postings.c.member_pk)
    .where(accounts.c.deleted, accounts.c.master_pk.is_(None))
)
_ALIVE = select(accounts.c.sf_id, accounts.c.pk).where(
    accounts.c.sf_id.in_(bindparam("ids", expanding=True)), accounts.c.known, ~accounts.c.deleted
)
_MERGED = update(accounts).where(accounts.c.pk == bindparam("loser")).values(master_pk=bindparam("winner"))


def learn(tx: Connection, seen: Sequence[Seen]) -> list[str]:
    """Write down the merges that some payouts tell of; returns the ids of the losers.

    An account whose payouts stand under several others is left as it is: those were given away one by one.
    """
    gone = {row.key: row for row in tx.execute(_OF_THE_GONE)}
    under: dict[int, set[str]] = {}
    ids: dict[int, str] = {}
    for one in seen:
        row = gone.get(one.key)
        if row is not None and one.account is not None and one.account != row.sf_id:
            under.setdefault(row.pk, set()).add(one.account)
            ids[row.pk] = row.sf_id
    said = {loser: next(iter(some)) for loser, some in under.items() if len(some) == 1}
    wanted, alive = sorted(set(said.values())), dict[str, int]()
    for at in range(0, len(wanted), IDS_AT_ONCE):
        alive |= {row.sf_id: row.pk for row in tx.execute(_ALIVE, {"ids": wanted[at : at + IDS_AT_ONCE]})}
    merges = [{"loser": pk, "winner": alive[winner]} for pk, winner in said.items() if winner in alive]
    if merges:
        tx.execute(_MERGED, merges)
    for merge in merges:
        dirty.mark_accounts(tx, select(accounts.c.pk).where(accounts.c.pk == merge["loser"]))
    return sorted(ids[merge["loser"]] for merge in merges)
