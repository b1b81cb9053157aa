"""Deletions of records of which nothing else can be read: by id, with the last values that could be read.

The org says that such a record is deleted, and since when; what its fields held no longer matters. Staged beside the
pages of the entity, applied after them. A record that was never known here is nothing to us.
"""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
from sqlalchemy import Connection, and_, bindparam, delete, insert, or_, select, update

from mappings.canonical import GONE
from state import bulk, dirty, inventory, keys
from state.tables.facts import accounts, order_lines, orders
from state.tables.running import rejected_rows, staged_pages

gone = bulk.scratch("gone", sf_id="text!", modstamp="int")


def staged_as(entity: str) -> str:
    """Under which name they wait for `apply`."""
    return f"gone of {entity}"


def stage(tx: Connection, run_pk: int, entity: str, rows: pa.Table) -> None:
    """Put deletions aside; their schema is `GONE`."""
    if rows.num_rows == 0:
        return
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, GONE) as writer:
        writer.write_table(rows.cast(GONE))
    page = {"run_pk": run_pk, "entity": staged_as(entity), "rows": rows.num_rows}
    tx.execute(insert(staged_pages), page | {"body": sink.getvalue().to_pybytes()})


def apply(tx: Connection, run_pk: int, entity: str) -> tuple[int, int]:
    """Mark what is staged as deleted, where the store has no newer version: how many rows, how many of them changed."""
    rows, newest = _staged(tx, run_pk, entity)
    if not newest:
        return rows, 0
    bulk.empty(tx, gone)
    bulk.fill_tuples(
        tx, gone, ["sf_id", "modstamp"], [(sf_id, stamp) for sf_id, (stamp, _) in newest.items()]
    )
    bulk.settle(tx, gone)
    table = inventory.TABLES[entity]
    older = or_(
        table.c.modstamp < gone.c.modstamp, and_(table.c.modstamp == gone.c.modstamp, ~table.c.deleted)
    )
    mine = select(table.c.sf_id).join(gone, gone.c.sf_id == table.c.sf_id).where(older)
    if "known" in table.c:
        mine = mine.where(table.c.known)
    ids = list(tx.execute(mine).scalars())
    inventory.bury(tx, entity, ids)
    if entity == "order":  # those that take back from them may count on their day
        taken_from = orders.c.original_order_id.in_(select(gone.c.sf_id))
        dirty.Orders(tx).mark(select(orders.c.pk).where(taken_from))
    if ids:
        _move_on(tx, entity, {sf_id: newest[sf_id] for sf_id in ids})
    _forget_rejected(tx, run_pk, entity)
    return rows, len(ids)


def leave_out(tx: Connection, order_ids: Collection[str]) -> None:
    """Orders that the org shows and the mapping does not: none of ours, until one is read. Their lines wait for nothing."""
    if not order_ids:
        return
    mine = keys.resolve(tx, orders, pa.chunked_array([pa.array(sorted(order_ids), pa.string())]))
    tx.execute(update(orders).where(orders.c.pk.in_(mine.to_pylist()), ~orders.c.known).values(deleted=True))


def _staged(tx: Connection, run_pk: int, entity: str) -> tuple[int, dict[str, tuple[int, str | None]]]:
    mine = and_(staged_pages.c.run_pk == run_pk, staged_pages.c.entity == staged_as(entity))
    bodies = tx.execute(select(staged_pages.c.body).where(mine).order_by(staged_pages.c.pk)).scalars().all()
    rows, newest = 0, dict[str, tuple[int, str | None]]()
    for body in bodies:
        with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
            for row in reader.read_all().to_pylist():
                rows += 1
                if row["id"] not in newest or newest[row["id"]][0] <= row["modstamp"]:
                    newest[row["id"]] = row["modstamp"], row["master_id"]
    if bodies:
        tx.execute(delete(staged_pages).where(mine))
    return rows, newest


def _move_on(tx: Connection, entity: str, rows: dict[str, tuple[int, str | None]]) -> None:
    """Their stamps, so that no older version brings them back; and who took an account over."""
    table = inventory.TABLES[entity]
    values = [{"of": sf_id, "stamp": stamp} for sf_id, (stamp, _) in rows.items()]
    if entity == "order_line":  # no index on their id alone
        found = select(order_lines.c.order_pk, order_lines.c.sf_id).join(
            gone, gone.c.sf_id == order_lines.c.sf_id
        )
        values = [
            {"order": row.order_pk, "of": row.sf_id, "stamp": rows[row.sf_id][0]}
            for row in tx.execute(found)
            if row.sf_id in rows
        ]
        key = and_(order_lines.c.order_pk == bindparam("order"), order_lines.c.sf_id == bindparam("of"))
        tx.execute(update(table).where(key).values(modstamp=bindparam("stamp")), values)
        return
    tx.execute(
        update(table).where(table.c.sf_id == bindparam("of")).values(modstamp=bindparam("stamp")), values
    )
    if entity == "account":
        masters = pa.chunked_array([pa.array([master for _, master in rows.values()], pa.string())])
        taken = keys.resolve(tx, accounts, masters).to_pylist()
        tx.execute(
            update(accounts).where(accounts.c.sf_id == bindparam("of")).values(master_pk=bindparam("master")),
            [{"of": sf_id, "master": master} for sf_id, master in zip(rows, taken, strict=True)],
        )
        dirty.mark_accounts(tx, select(accounts.c.pk).join(gone, gone.c.sf_id == accounts.c.sf_id))


def _forget_rejected(tx: Connection, run_pk: int, entity: str) -> None:
    """There is nothing left to mend, unless this very run set the record aside: then it may have come back since."""
    ours = or_(rejected_rows.c.run_pk.is_(None), rejected_rows.c.run_pk != abs(run_pk))
    waiting = and_(rejected_rows.c.entity == entity, rejected_rows.c.sf_id.in_(select(gone.c.sf_id)))
    tx.execute(delete(rejected_rows).where(waiting, ours))
