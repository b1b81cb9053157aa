"""Everything the org has of one entity, as ids and stamps, compared with the facts: the only way to see a hard delete.

Pages of ids are staged like any others, then compared in one statement. What is no longer there is buried: marked
as deleted, as if the org had said so, and everything that counted it is computed again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    delete,
    func,
    insert,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from state import bulk, dirty
from state.keys import NO_PRODUCT
from state.tables.facts import accounts, order_lines, orders, products, users
from state.tables.running import rejected_rows, staged_pages

TABLES: dict[str, Table] = {
    "account": accounts, "product": products, "order": orders, "order_line": order_lines, "user": users,
}  # fmt: skip
SCHEMA = pa.schema([("sf_id", pa.string()), ("modstamp", pa.int64()), ("deleted", pa.bool_())])
_STAGED = SCHEMA.append(pa.field("nobodys", pa.bool_()))
IDS_AT_ONCE = 400

present = bulk.scratch("present", sf_id="text!", modstamp="int", deleted="bool", nobodys="bool")
doomed = bulk.scratch("doomed", sf_id="text!")
doomed_lines = bulk.scratch("doomed_lines", order_pk="int!", sf_id="text!")


@dataclass(frozen=True)
class Compared:
    """`live` records the store knows, `there` the org showed; ids that the org lost, and ids to be read again."""

    live: int
    there: int
    missing: tuple[str, ...] = ()
    newer: tuple[str, ...] = ()


def stage(tx: Connection, run_pk: int, entity: str, page: pa.Table, nobodys: Collection[int] = ()) -> None:
    """Put one page of ids aside; its schema is `SCHEMA`. `nobodys`: rows that count for nobody (drafts without an account,
    what the mapping skips), which the store does not have, or has as deleted."""
    mine = pa.array([row in nobodys for row in range(page.num_rows)], pa.bool_())
    sink = pa.BufferOutputStream()
    page = page.append_column("nobodys", mine)
    with pa.ipc.new_stream(sink, _STAGED, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(page.cast(_STAGED))
    body = sink.getvalue().to_pybytes()
    tx.execute(
        insert(staged_pages),
        {"run_pk": run_pk, "entity": _staged_as(entity), "rows": page.num_rows, "body": body},
    )


def compare(tx: Connection, run_pk: int, entity: str) -> Compared:
    """The staged ids against the facts. A record that the org shows in its recycle bin is there, as deleted."""
    table, there = TABLES[entity], _load(tx, run_pk, entity)
    known = _live(table)
    live = live_count(tx, entity)
    absent = (
        select(table.c.sf_id)
        .select_from(table.outerjoin(present, present.c.sf_id == table.c.sf_id))
        .where(known, present.c.sf_id.is_(None))
        .order_by(table.c.sf_id)
    )
    differs = present.c.modstamp > table.c.modstamp
    if "known" in table.c:
        differs = or_(differs, not_(table.c.known))
    if "deleted" in table.c:
        left_out = or_(present.c.deleted, present.c.nobodys)
        differs = or_(differs, left_out != table.c.deleted)
    else:  # what cannot be marked as deleted stays as it was when it was ours
        differs = and_(differs, not_(present.c.nobodys))
    if "known" in table.c:  # of a record that counts for nobody, nothing but its id is ever kept
        differs = and_(differs, or_(table.c.known, not_(present.c.nobodys)))
    changed = (
        select(present.c.sf_id)
        .select_from(table.join(present, present.c.sf_id == table.c.sf_id))
        .where(differs)
    )
    # What lies in the recycle bin and was never here is nothing to us. Told apart by sets and not by an outer join:
    # order lines have no index on their id alone, and a look-up of each would read all of them every time.
    unseen = select(present.c.sf_id).where(not_(present.c.deleted), not_(present.c.nobodys))
    unseen_here = unseen.except_(select(table.c.sf_id).where(table.c.sf_id.is_not(None)))
    newer = sorted([*tx.execute(changed).scalars(), *tx.execute(unseen_here).scalars()])
    return Compared(live, there, tuple(tx.execute(absent).scalars()), tuple(newer))


def bury(tx: Connection, entity: str, ids: Sequence[str]) -> int:
    """These are gone from the org for good: from now on they count as deleted. Returns how many were alive.

    The same few statements for any number of ids: order lines have no index on their id alone (it would cost every
    load more than it saves here), so all of them are found in one pass.
    """
    table = TABLES[entity]
    if "deleted" not in table.c or not ids:
        return 0
    bulk.empty(tx, doomed, doomed_lines)
    bulk.fill_tuples(tx, doomed, ["sf_id"], [(sf_id,) for sf_id in dict.fromkeys(ids)])
    bulk.settle(tx, doomed)
    mine = and_(table.c.sf_id.in_(select(doomed.c.sf_id)), not_(table.c.deleted))
    if entity == "order_line":
        tx.execute(
            doomed_lines.insert().from_select(
                ["order_pk", "sf_id"], select(table.c.order_pk, table.c.sf_id).where(mine)
            )
        )
        bulk.settle(tx, doomed_lines)
        dirty.Orders(tx).mark(select(doomed_lines.c.order_pk).distinct())
        mine = tuple_(table.c.order_pk, table.c.sf_id).in_(
            select(doomed_lines.c.order_pk, doomed_lines.c.sf_id)
        )
    elif entity == "order":
        dirty.Orders(tx).mark(select(table.c.pk).where(mine))
    elif entity == "account":
        dirty.mark_accounts(tx, select(table.c.pk).where(mine))
    return tx.execute(update(table).where(mine).values(deleted=True)).rowcount


def rejected_gone(tx: Connection, entity: str) -> tuple[list[str], list[str]]:
    """Records set aside that are in the recycle bin, and those that the ids lack (call after `compare`)."""
    left_out = or_(present.c.deleted, present.c.nobodys)
    mine = (
        select(rejected_rows.c.sf_id, left_out.label("deleted"))
        .select_from(rejected_rows.outerjoin(present, present.c.sf_id == rejected_rows.c.sf_id))
        .where(rejected_rows.c.entity == entity, or_(present.c.sf_id.is_(None), left_out))
        .distinct()
        .order_by(rejected_rows.c.sf_id)
    )
    rows = tx.execute(mine).all()
    return [row.sf_id for row in rows if row.deleted], [row.sf_id for row in rows if not row.deleted]


def forget_rejected(tx: Connection, entity: str, ids: Sequence[str]) -> None:
    """Records set aside that the org no longer has: there is nothing left to mend."""
    for at in range(0, len(ids), IDS_AT_ONCE):
        gone = rejected_rows.c.sf_id.in_(ids[at : at + IDS_AT_ONCE])
        tx.execute(delete(rejected_rows).where(rejected_rows.c.entity == entity, gone))


def live_count(tx: Connection, entity: str) -> int:
    """Records of an entity that the org should show."""
    table = TABLES[entity]
    return int(tx.execute(_living(table)).scalar_one())


@cache
def _living(table: Table) -> Select[Any]:
    return select(func.count()).select_from(table).where(_live(table))


def merges_unknown(tx: Connection, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of (loser, winner) that the store does not have yet."""
    winner = accounts.alias("winner")
    have: set[tuple[str, str]] = set()
    for at in range(0, len(pairs), IDS_AT_ONCE):
        losers = [loser for loser, _ in pairs[at : at + IDS_AT_ONCE]]
        query = (
            select(accounts.c.sf_id, winner.c.sf_id.label("winner"))
            .join(winner, winner.c.pk == accounts.c.master_pk)
            .where(accounts.c.sf_id.in_(losers))
        )
        have |= {(row.sf_id, row.winner) for row in tx.execute(query)}
    return [pair for pair in pairs if pair not in have]


def left_by(tx: Connection, entity: str, account_ids: Sequence[str]) -> list[str]:
    """Orders (or child accounts) that the store still gives to these accounts, by id."""
    table, parent = TABLES[entity], accounts.alias("parent")
    owner = table.c.account_pk if entity == "order" else table.c.parent_pk
    found: list[str] = []
    for at in range(0, len(account_ids), IDS_AT_ONCE):
        query = (
            select(table.c.sf_id)
            .join(parent, parent.c.pk == owner)
            .where(parent.c.sf_id.in_(account_ids[at : at + IDS_AT_ONCE]), _live(table))
        )
        found += tx.execute(query.order_by(table.c.pk)).scalars()
    return found


def _live(table: Table) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [table.c.sf_id.is_not(None)]
    if table is products:
        conditions.append(table.c.pk != NO_PRODUCT)
    if "known" in table.c:
        conditions.append(table.c.known)
    if "deleted" in table.c:
        conditions.append(not_(table.c.deleted))
    return and_(*conditions)


def _load(tx: Connection, run_pk: int, entity: str) -> int:
    bulk.empty(tx, present)
    mine = (staged_pages.c.run_pk == run_pk) & (staged_pages.c.entity == _staged_as(entity))
    rows = 0
    for pk in tx.execute(select(staged_pages.c.pk).where(mine).order_by(staged_pages.c.pk)).scalars().all():
        body = tx.execute(select(staged_pages.c.body).where(staged_pages.c.pk == pk)).scalar_one()
        with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
            page = reader.read_all()
        # A record that moved while it was paged through may come twice: one row an id.
        once = page.group_by("sf_id").aggregate([("modstamp", "max"), ("deleted", "max"), ("nobodys", "max")])
        once = once.rename_columns(["sf_id", "modstamp", "deleted", "nobodys"])
        new = _not_present(tx, once) if rows else once
        bulk.fill(tx, present, new)
        rows += new.num_rows
    tx.execute(delete(staged_pages).where(mine))
    bulk.settle(tx, present)
    return rows


def _not_present(tx: Connection, page: pa.Table) -> pa.Table:
    ids = page["sf_id"].to_pylist()
    if tx.dialect.name == "postgresql":
        found = tx.exec_driver_sql("SELECT sf_id FROM scratch_present WHERE sf_id = ANY(%s)", (ids,))
    else:
        found = tx.exec_driver_sql(
            "SELECT sf_id FROM scratch_present WHERE sf_id IN (SELECT value FROM json_each(?))",
            (json.dumps(ids),),
        )
    double = {row[0] for row in found}
    return page if not double else page.filter(pa.array([one not in double for one in ids]))


def _staged_as(entity: str) -> str:
    return f"ids of {entity}"
