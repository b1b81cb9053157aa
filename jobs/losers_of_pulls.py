"""Accounts that pulls saw merged into others, until a plan has looked at their records: their standings need not move."""

from __future__ import annotations

import json
from collections.abc import Collection

from sqlalchemy import Connection

from state import meta

_KEY = "merged.losers"


def note(tx: Connection, account_ids: Collection[str]) -> None:
    """In the transaction that applies the merge."""
    if account_ids:
        meta.put(tx, _KEY, json.dumps(sorted(noted(tx).union(account_ids))))


def noted(tx: Connection) -> set[str]:
    """Ids of the accounts that were merged away."""
    return set(json.loads(meta.get(tx, _KEY) or "[]"))


def forget(tx: Connection) -> None:
    """In the transaction that plans what becomes of their records."""
    if noted(tx):
        meta.drop(tx, _KEY)
