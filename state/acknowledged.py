"""What the org has of ours, as far as it told us: the other side of every comparison before a push."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, tuple_

from state.dialects import upsert
from state.instants import micros, moment
from state.tables.work import acknowledged

KEYS_AT_ONCE = 400


@dataclass(frozen=True)
class Acknowledged:
    """The org confirmed `payload_hash` under this key, last with sequence `seq`."""

    object: str
    ext_key: str
    seq: int
    payload_hash: str
    sf_id: str | None
    seen_at: datetime


def remember(
    tx: Connection,
    object: str,
    ext_key: str,
    *,
    seq: int,
    payload_hash: str,
    sf_id: str | None,
    now: datetime,
) -> None:
    """Note what the org has; an older sequence never replaces a newer one. A known id is kept."""
    statement = upsert(tx, acknowledged).values(
        object=object, ext_key=ext_key, seq=seq, payload_hash=payload_hash, sf_id=sf_id, seen_at=micros(now)
    )
    new = statement.excluded
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["object", "ext_key"],
            set_={
                "seq": new.seq,
                "payload_hash": new.payload_hash,
                "sf_id": acknowledged.c.sf_id if sf_id is None else new.sf_id,
                "seen_at": new.seen_at,
            },
            where=new.seq >= acknowledged.c.seq,
        )
    )


def forget(tx: Connection, object: str, ext_keys: Sequence[str]) -> int:
    """The org no longer has these (a person deleted them): they will be sent again."""
    mine = (acknowledged.c.object == object) & acknowledged.c.ext_key.in_(list(ext_keys))
    return tx.execute(delete(acknowledged).where(mine)).rowcount


def hashes(tx: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """(object, key) → hash, for those the org has."""
    found = {}
    for at in range(0, len(keys), KEYS_AT_ONCE):
        which = tuple_(acknowledged.c.object, acknowledged.c.ext_key).in_(keys[at : at + KEYS_AT_ONCE])
        for row in tx.execute(select(acknowledged).where(which)):
            found[row.object, row.ext_key] = row.payload_hash
    return found


def of_object(tx: Connection, object: str) -> dict[str, Acknowledged]:
    """Everything the org has of one object, by key: for the nightly comparison."""
    query = select(acknowledged).where(acknowledged.c.object == object).order_by(acknowledged.c.ext_key)
    return {
        row.ext_key: Acknowledged(
            row.object, row.ext_key, row.seq, row.payload_hash, row.sf_id, moment(row.seen_at)
        )
        for row in tx.execute(query)
    }
