"""What the org has of ours, as far as it told us: the other side of every comparison before a push."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import Insert

from state.dialects import given, one_of_given, upsert_into
from state.instants import micros, moment
from state.slices import slices
from state.tables.work import acknowledged

if TYPE_CHECKING:
    from state.outbox import Row


KEYS_AT_ONCE = 1_000  # of one statement that takes them as one list


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
    _remember(tx, [_values(object, ext_key, seq, payload_hash, sf_id, now)])


def remember_all(tx: Connection, confirmed: Sequence[tuple[Row, str | None]], *, now: datetime) -> None:
    """The same for many outbox rows, each with the record id that the org told, if it told one."""
    _remember(
        tx,
        [_values(row.object, row.ext_key, row.seq, row.payload_hash, sf_id, now) for row, sf_id in confirmed],
    )


def _values(
    object: str, ext_key: str, seq: int, payload_hash: str, sf_id: str | None, now: datetime
) -> dict[str, Any]:
    return {
        "object": object,
        "ext_key": ext_key,
        "seq": seq,
        "payload_hash": payload_hash,
        "sf_id": sf_id,
        "seen_at": micros(now),
    }


def _remember(tx: Connection, rows: list[dict[str, Any]]) -> None:
    tx.execute(_newer_wins(tx.dialect.name), rows)


@cache
def _newer_wins(dialect: str) -> Insert:
    statement = upsert_into(dialect, acknowledged)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["object", "ext_key"],
        set_={
            "seq": new.seq,
            "payload_hash": new.payload_hash,
            "sf_id": func.coalesce(new.sf_id, acknowledged.c.sf_id),
            "seen_at": new.seen_at,
        },
        where=new.seq >= acknowledged.c.seq,
    )


def distrust(tx: Connection, object: str, ext_keys: Sequence[str]) -> int:
    """The org no longer shows what it confirmed (a person changed or deleted it): the next plan sends it again."""
    changed = 0
    for some in slices(ext_keys):
        mine = (acknowledged.c.object == object) & acknowledged.c.ext_key.in_(some)
        changed += tx.execute(update(acknowledged).where(mine).values(payload_hash="")).rowcount
    return changed


def hashes(tx: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """(object, key) → hash, for those the org has."""
    found = {}
    for part in slices(keys, KEYS_AT_ONCE):
        some = given(tx.dialect.name, part)
        for object, key, hash in tx.execute(_hashes(tx.dialect.name), {"keys": some}).all():
            found[object, key] = hash
    return found


@cache
def _hashes(dialect: str) -> Select[Any]:
    which = one_of_given(dialect, acknowledged.c.object, acknowledged.c.ext_key)
    return select(acknowledged.c.object, acknowledged.c.ext_key, acknowledged.c.payload_hash).where(which)


def record_ids(tx: Connection, object: str, ext_keys: Sequence[str]) -> dict[str, str]:
    """Key → record id, of those whose id the org told."""
    found: dict[str, str] = {}
    for some in slices(ext_keys):
        which = acknowledged.c.ext_key.in_(some)
        query = select(acknowledged.c.ext_key, acknowledged.c.sf_id).where(
            which, acknowledged.c.object == object, acknowledged.c.sf_id.is_not(None)
        )
        found |= {row.ext_key: row.sf_id for row in tx.execute(query)}
    return found


def seen_at(tx: Connection, object: str, ext_key: str) -> datetime | None:
    """When the org last confirmed something under a key."""
    which = (acknowledged.c.object == object) & (acknowledged.c.ext_key == ext_key)
    found = tx.execute(select(acknowledged.c.seen_at).where(which)).scalar()
    return None if found is None else moment(found)


def count(tx: Connection, object: str, *, besides: str) -> int:
    """How many records of an object the org has of ours, without those whose content has this hash."""
    mine = (acknowledged.c.object == object) & (acknowledged.c.payload_hash != besides)
    return int(tx.execute(select(func.count()).select_from(acknowledged).where(mine)).scalar_one())


_SEQUENCES = select(acknowledged.c.ext_key, acknowledged.c.seq).where(
    acknowledged.c.object == bindparam("of")
)


def sequences(tx: Connection, object: str) -> dict[str, int]:
    """Key → the number under which the org confirmed it last."""
    return {row.ext_key: row.seq for row in tx.execute(_SEQUENCES, {"of": object})}


def sequence(tx: Connection, object: str, ext_key: str) -> int | None:
    """The same of one key; None: the org has nothing of ours under it, as far as we know."""
    which = (acknowledged.c.object == object) & (acknowledged.c.ext_key == ext_key)
    found: int | None = tx.execute(select(acknowledged.c.seq).where(which)).scalar()
    return found
