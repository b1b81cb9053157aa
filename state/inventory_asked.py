"""What a comparison of all ids with the org is asked for, and what one found out and nobody made good yet."""

from __future__ import annotations

import json
from collections.abc import Iterable

from sqlalchemy import Connection

from state import meta

# In `meta`:
_WHY = "inventory_needed"
_BURIED = "inventory.lost"


def why(tx: Connection) -> str | None:
    """Why the next sync takes an inventory by itself: a long gap, a restore, a new filter in the mapping; None: no need."""
    return meta.get(tx, _WHY)


def ask(tx: Connection, reason: str) -> None:
    """The next sync takes one."""
    meta.put(tx, _WHY, reason)


def taken(tx: Connection) -> None:
    """Of everything, and nothing stopped it."""
    meta.drop(tx, _WHY)


def buried(tx: Connection) -> list[str]:
    """Accounts that were buried and whose orders were not read again yet."""
    found: list[str] = json.loads(meta.get(tx, _BURIED) or "[]")
    return found


def note_buried(tx: Connection, account_ids: Iterable[str]) -> None:
    """These, too: in the transaction that buries them, so that a run that ends before it followed them leaves that to the next."""
    meta.put(tx, _BURIED, json.dumps(sorted({*buried(tx), *account_ids})))


def orders_read_again(tx: Connection) -> None:
    """Those of all of them."""
    meta.drop(tx, _BURIED)
