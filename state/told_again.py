"""Standings whose orders are other ones now, though their sums are the same: an order was cancelled and entered again, or
its number or day was changed. The org shows the newest orders of a standing, so it is told again. And those of accounts
whose currency may be another one now.

They are written down in the transaction that counts the orders: what tells the org may come in a later one.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Select, func, select

from state import meta
from state.tables.work import dirty_accounts, standings
from state.totals import Cell

_KEY = "compute.retold"
_OF_CHANGED_ACCOUNTS = (
    select(standings.c.member_pk, func.max(standings.c.period_pk))
    .where(standings.c.member_pk.in_(select(dirty_accounts.c.account_pk)))
    .group_by(standings.c.member_pk)
)


def note(tx: Connection, cells: Select[Any]) -> None:
    """These cells (member_pk, period_pk), beside those that wait already."""
    found = {Cell(*row) for row in tx.execute(cells)}
    if found:
        meta.put(tx, _KEY, json.dumps(sorted(found | waiting(tx))))


def note_changed_accounts(tx: Connection) -> None:
    """One standing of each account whose record changed since the rules last looked at it."""
    note(tx, _OF_CHANGED_ACCOUNTS)


def waiting(tx: Connection) -> set[Cell]:
    """What the org has to be told again."""
    return {Cell(*cell) for cell in json.loads(meta.get(tx, _KEY) or "[]")}


def forget(tx: Connection) -> None:
    """The outbox has it."""
    meta.drop(tx, _KEY)
