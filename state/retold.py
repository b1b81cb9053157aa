"""Standings whose orders are other ones now, though their sums are the same: an order was cancelled and entered again, or
its number or day was changed. The org shows the newest orders of a standing, so it is told again.

They are written down in the transaction that counts the orders: what tells the org may come in a later one.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Select

from state import meta
from state.totals import Cell

_KEY = "compute.retold"


def note(tx: Connection, cells: Select[Any]) -> None:
    """These cells (member_pk, period_pk), beside those that wait already."""
    found = {Cell(*row) for row in tx.execute(cells)}
    if found:
        meta.put(tx, _KEY, json.dumps(sorted(found | waiting(tx))))


def waiting(tx: Connection) -> set[Cell]:
    """What the org has to be told again."""
    return {Cell(*cell) for cell in json.loads(meta.get(tx, _KEY) or "[]")}


def forget(tx: Connection) -> None:
    """The outbox has it."""
    meta.drop(tx, _KEY)
