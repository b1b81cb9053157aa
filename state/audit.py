"""The audit trail: who did what, each row sealed with the hash of the one before.

Written in the transaction of the deed itself. Changing, removing or reordering a row breaks the chain
(`verify`); the database refuses both besides. Only a copy of the head kept elsewhere shows a cut-off tail.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from state import bulk
from state.instants import micros, moment
from state.tables.running import audit

GENESIS = "0" * 64
_LOCK = 7_262_174_002


@dataclass(frozen=True)
class Entry:
    """One deed. `detail` holds no secrets and no personal data but the names of who decided."""

    seq: int
    at: datetime
    actor: str
    action: str
    object: str
    detail: Mapping[str, Any]
    hash: str


def append(
    tx: Connection,
    *,
    actor: str,
    action: str,
    object: str,
    detail: Mapping[str, Any] | None = None,
    now: datetime,
) -> str:
    """Write one deed; returns the new head of the chain."""
    if tx.dialect.name == "postgresql":
        # One writer at a time: the chain has no gaps. SQLite has one writer anyway.
        tx.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    seq, previous = head(tx)
    row = {
        "seq": seq + 1,
        "at": micros(now),
        "actor": actor,
        "action": action,
        "object": object,
        "detail": json.dumps(
            detail or {}, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str
        ),
        "prev_hash": previous,
    }
    row["hash"] = _seal(row)
    tx.execute(insert(audit), row)
    return str(row["hash"])


def head(tx: Connection) -> tuple[int, str]:
    """The last sequence number and its hash; keep a copy outside the database to notice a cut-off tail."""
    row = tx.execute(select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)).one_or_none()
    return (0, GENESIS) if row is None else (row.seq, row.hash)


_CHAIN = select(audit).order_by(audit.c.seq)


def verify(tx: Connection, *, anchor: tuple[int, str] | None = None) -> str | None:
    """What is wrong with the chain, as a sentence; None: nothing. `anchor` is a head noted earlier elsewhere."""
    expected, previous = 1, GENESIS
    anchored = anchor is None or anchor[0] == 0
    with bulk.streamed(tx, _CHAIN) as chain:  # a chain that breaks is not read to its end
        for row in (found._asdict() for found in chain):
            if row["seq"] != expected:
                return f"audit row {expected} is missing"
            if row["prev_hash"] != previous or row["hash"] != _seal(row):
                return f"audit row {expected} was changed after it was written"
            if anchor is not None and row["seq"] == anchor[0]:
                if row["hash"] != anchor[1]:
                    return f"audit row {expected} is not the one that was noted outside"
                anchored = True
            expected, previous = expected + 1, row["hash"]
    return None if anchored else "the end of the audit trail is missing"


def entries(tx: Connection, *, limit: int = 100, action: str | None = None) -> list[Entry]:
    """The newest first; with `action` only deeds of that name."""
    which = select(audit) if action is None else select(audit).where(audit.c.action == action)
    rows = tx.execute(which.order_by(audit.c.seq.desc()).limit(limit))
    return [
        Entry(r.seq, moment(r.at), r.actor, r.action, r.object, json.loads(r.detail), r.hash) for r in rows
    ]


def _seal(row: Mapping[str, Any]) -> str:
    parts = [row[name] for name in ("seq", "at", "actor", "action", "object", "detail", "prev_hash")]
    return hashlib.sha256(json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()
