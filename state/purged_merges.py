"""Merges of which nothing tells but the payouts: the loser was purged before it was read, and is only gone.

The org gives the payouts of a merged account to the winner, as all children, and keeps our keys. Where a payout was
settled for an account that is gone for good and stands under another one, that one is the winner: otherwise what was
paid there would be settled for the winner's larger sales a second time.

A person could give a payout away, too (the package no longer lets them), and its account may be deleted since; then nobody
took its orders over. So a payout that was seen elsewhere while its account was there says nothing, and a merge is only
believed of an account that vanished without a word (of one in the recycle bin the org says who won, if anybody did), and
only where a reading of all payouts shows none of its own elsewhere: a merge leaves no child behind.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select, update

from state import dirty, meta, payouts_moved
from state.payouts import DELETED, Seen
from state.slices import slices
from state.tables.facts import accounts
from state.tables.payouts import payouts
from state.tables.work import postings

VANISHED = "accounts.vanished"  # of those with settled amounts: id → the stamp of what was last read of them

# Payouts that were settled for accounts that are gone, and not known to be merged.
_OF_THE_GONE = (
    select(payouts.c.key, accounts.c.pk, accounts.c.sf_id, accounts.c.modstamp)
    .join(postings, postings.c.pk == payouts.c.posting_pk)
    .join(accounts, accounts.c.pk == postings.c.member_pk)
    .where(accounts.c.deleted, accounts.c.master_pk.is_(None))
)
_SETTLED = select(accounts.c.sf_id, accounts.c.modstamp).where(
    accounts.c.sf_id.in_(bindparam("ids", expanding=True)), accounts.c.pk.in_(select(postings.c.member_pk))
)
_ALIVE = select(accounts.c.sf_id, accounts.c.pk).where(
    accounts.c.sf_id.in_(bindparam("ids", expanding=True)), accounts.c.known, ~accounts.c.deleted
)
_MERGED = update(accounts).where(accounts.c.pk == bindparam("loser")).values(master_pk=bindparam("winner"))


def note_vanished(tx: Connection, account_ids: Sequence[str]) -> None:
    """These are in the org no more, not even in its recycle bin: nobody said whether they were merged or deleted."""
    known = _vanished(tx)
    found = dict[str, int]()
    for some in slices(account_ids):
        rows = tx.execute(_SETTLED, {"ids": some})
        found |= {row.sf_id: row.modstamp for row in rows}
    if found:
        meta.put(tx, VANISHED, json.dumps(known | found, sort_keys=True))


def learn(tx: Connection, seen: Sequence[Seen]) -> list[str]:
    """Write down the merges that the payouts tell of, `seen` being all of the org; returns the ids of the losers.

    An account whose payouts stand under several others, or under itself or nobody, is left as it is: those that moved
    were given away one by one.
    """
    vanished = _vanished(tx)
    gone = {row.key: row for row in tx.execute(_OF_THE_GONE)} if vanished else {}
    given = payouts_moved.noted(tx) if gone else {}
    under: dict[int, set[str | None]] = {}
    ids: dict[int, str] = {}
    for one in seen:
        row = gone.get(one.key)
        # What was read of an account since it vanished moved its stamp: it came back, and the org had its say.
        if row is None or one.status == DELETED or vanished.get(row.sf_id) != row.modstamp:
            continue
        if one.account is None or given.get(one.key) != one.account:
            under.setdefault(row.pk, set()).add(one.account)
            ids[row.pk] = row.sf_id
    said = {
        loser: winner
        for loser, some in under.items()
        if len(some) == 1 and (winner := next(iter(some))) is not None and winner != ids[loser]
    }
    wanted, alive = sorted(set(said.values())), dict[str, int]()
    for some in slices(wanted):
        alive |= {row.sf_id: row.pk for row in tx.execute(_ALIVE, {"ids": some})}
    merges = [{"loser": pk, "winner": alive[winner]} for pk, winner in said.items() if winner in alive]
    if merges:
        tx.execute(_MERGED, merges)
    for merge in merges:
        dirty.mark_accounts(tx, select(accounts.c.pk).where(accounts.c.pk == merge["loser"]))
    return sorted(ids[merge["loser"]] for merge in merges)


def _vanished(tx: Connection) -> dict[str, int]:
    return dict(json.loads(meta.get(tx, VANISHED) or "{}"))
