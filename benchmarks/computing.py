"""From scratch against hand-written SQL for the same answer, and the difference after some lines changed.

The store is filled directly with generated facts: no org, no HTTP. Everything runs in this process on one connection.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection

from benchmarks.measuring import table
from benchmarks.worlds import CACHE, NOW
from mappings.canonical import ENTITIES
from rebates import parse_program
from state import contributions, rules, staging
from state.store import Store

ACCOUNTS, PRODUCTS, LINES_PER_ORDER, BATCH = 20_000, 5_000, 5, 50_000
FIRST_DAY, DAYS = date(2025, 1, 1).toordinal(), 730
FAMILIES = tuple("ABCDEFGH")

# What somebody who knows the schema would write: only the sums, or the sums with the trace of every order in them.
JOINED = """
FROM orders o
JOIN program_members m ON m.account_pk = o.account_pk
JOIN bucket_order_kinds k ON k.bucket_pk = m.bucket_pk AND k.kind_pk = o.kind_pk
JOIN periods p ON p.program_pk = m.program_pk AND o.ordered_on >= p.start_day AND o.ordered_on < p.end_day
JOIN order_lines l ON l.order_pk = o.pk
JOIN bucket_products b ON b.bucket_pk = m.bucket_pk AND b.product_pk = l.product_pk
JOIN bucket_line_kinds n ON n.bucket_pk = m.bucket_pk AND n.kind_pk = l.kind_pk
WHERE o.known AND o.active AND NOT o.deleted AND NOT l.deleted AND p.active
"""
SUMS = "sum(l.amount_e6) AS amount_e6, sum(l.quantity_e6) AS quantity_e6, count(*) AS lines"
BY_HAND = (
    f"SELECT m.member_pk, p.pk AS period_pk, m.bucket_pk, k.conversion_pk, {SUMS} {JOINED} "
    "GROUP BY m.member_pk, p.pk, m.bucket_pk, k.conversion_pk"
)
TRACED = (
    f"SELECT o.pk, m.bucket_pk, m.member_pk, p.pk, k.conversion_pk, {SUMS} {JOINED} "
    "GROUP BY o.pk, m.bucket_pk, m.member_pk, p.pk, k.conversion_pk"
)
TRACE_TABLE = (
    "CREATE TABLE trace (order_pk BIGINT, bucket_pk BIGINT, member_pk BIGINT, period_pk BIGINT, conversion_pk BIGINT, "
    "amount_e6 BIGINT, quantity_e6 BIGINT, lines BIGINT, "
    "PRIMARY KEY (order_pk, bucket_pk, member_pk, period_pk, conversion_pk))"
)
FROM_TRACE = (
    "SELECT member_pk, period_pk, bucket_pk, conversion_pk, sum(amount_e6) AS amount_e6, "
    "sum(quantity_e6) AS quantity_e6, sum(lines) AS lines FROM trace "
    "GROUP BY member_pk, period_pk, bucket_pk, conversion_pk"
)


def programs() -> list[Any]:
    """Twelve: six a quarter, three a year, three a month; each counts three families of products."""
    made = []
    for number in range(12):
        length = "quarter" if number < 6 else "year" if number < 9 else "month"
        families = ", ".join(f'"{FAMILIES[(number + n) % 8]}"' for n in range(3))
        made.append(
            parse_program(
                f'key = "p{number}"\nstarts = 2025-01-01\nends = 2026-12-31\nperiod = "{length}"\n'
                f'[members]\ntype = ["T{number % 4}"]\n[counts]\nproduct.family = [{families}]\n'
                '[[tiers]]\nthreshold = "1000"\nrate = "0.02"\n[[tiers]]\nthreshold = "5000"\nrate = "0.04"\n'
            )
        )
    return made


def _table(entity: str, columns: dict[str, list[Any]]) -> pa.Table:
    schema = ENTITIES[entity].schema
    rows = len(columns["id"])
    plain: dict[str, Any] = {"deleted": False, "active": True, "attributes": "{}", "modstamp": 1}
    return pa.table(
        {
            field.name: pa.array(columns.get(field.name, [plain.get(field.name)] * rows), field.type)
            for field in schema
        },
        schema=schema,
    )


def _facts(lines: int) -> Iterator[tuple[str, pa.Table]]:
    chance = random.Random(1)
    ids = [f"001{n:015d}" for n in range(ACCOUNTS)]
    yield "account", _table("account", {"id": ids, "type": [f"T{n % 10}" for n in range(ACCOUNTS)]})
    goods = [f"01t{n:015d}" for n in range(PRODUCTS)]
    yield "product", _table("product", {"id": goods, "family": [FAMILIES[n % 8] for n in range(PRODUCTS)]})
    for at in range(0, lines // LINES_PER_ORDER, BATCH):
        numbers = range(at, min(at + BATCH, lines // LINES_PER_ORDER))
        whose = [ids[int(ACCOUNTS * chance.random() ** 3)] for _ in numbers]
        days = [FIRST_DAY + chance.randrange(DAYS) for _ in numbers]
        orders = {"id": [f"801{n:015d}" for n in numbers], "account_id": whose, "ordered_on": days}
        yield "order", _table("order", {**orders, "status": ["Activated"] * len(whose)})
    for at in range(0, lines, BATCH):
        yield "order_line", line_batch(range(at, min(at + BATCH, lines)), chance, modstamp=1)


def line_batch(numbers: Any, chance: random.Random, *, modstamp: int) -> pa.Table:
    """Lines by number, at chance amounts."""
    return _table(
        "order_line",
        {
            "id": [f"802{n:015d}" for n in numbers],
            "order_id": [f"801{n // LINES_PER_ORDER:015d}" for n in numbers],
            "product_id": [f"01t{int(PRODUCTS * chance.random() ** 2):015d}" for _ in numbers],
            "quantity": [chance.randrange(1, 50) * 1_000_000 for _ in numbers],
            "amount": [chance.randrange(100, 900_000) * 10_000 for _ in numbers],
            "modstamp": [modstamp] * len(numbers),
        },
    )


def fill(store: Store, lines: int) -> None:
    """Twelve programs, then the facts, as a pull would bring them."""
    with store.transaction() as tx:
        for entity, batch in _facts(lines):
            staging.stage(tx, 1, entity, batch)
            if entity != "order_line":
                staging.apply(tx, 1, entity, now=NOW)
        staging.apply(tx, 1, "order_line", now=NOW)
        rules.install_programs(tx, programs(), NOW)


def measure(lines: int, url: str | None = None) -> tuple[dict[str, Any], str]:
    """Seconds of each way on one store; the answers are compared to the last digit."""
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        store = Store.open(url or f"sqlite:///{Path(folder) / 'store.db'}")
        filled = _timed(lambda: fill(store, lines))
        with store.transaction() as tx:
            by_hand = _timed(lambda: tx.exec_driver_sql(f"CREATE TABLE by_hand AS {BY_HAND}"))
            traced = _timed(lambda: _by_hand_traced(tx))
            cells = tx.exec_driver_sql("SELECT count(*) FROM by_hand").scalar_one()
        with store.transaction() as tx:
            scratch = _timed(lambda: contributions.rebuild(tx))
            _require_equal(tx)
        incremental = []
        for turn in range(3):
            chosen = random.Random(turn + 2).sample(range(lines), 1_000)
            with store.transaction() as tx:
                staging.stage(tx, 2, "order_line", line_batch(chosen, random.Random(turn), modstamp=2 + turn))
                staging.apply(tx, 2, "order_line", now=NOW)
                incremental.append(_timed(lambda: contributions.recompute_dirty(tx)))
        with store.transaction() as tx:
            tx.exec_driver_sql("DROP TABLE by_hand")
            tx.exec_driver_sql(f"CREATE TABLE by_hand AS {BY_HAND}")
            _require_equal(tx)
            tx.exec_driver_sql("DROP TABLE by_hand")
        dialect = store.dialect
        store.close()
    best = sorted(incremental)[1]
    result = {
        "store": dialect, "lines": lines, "cells": cells, "fill": filled, "by_hand": by_hand, "from_scratch": scratch,
        "by_hand_traced": traced, "thousand_lines": best,
        "scratch_over_by_hand_traced": scratch / traced, "scratch_over_thousand": scratch / best,
    }  # fmt: skip
    rows = [
        ["hand-written SQL, only the totals", by_hand, by_hand / traced],
        ["hand-written SQL, totals and what each order adds", traced, 1.0],
        ["ours from scratch, the same and what changed", scratch, scratch / traced],
        ["ours after 1,000 changed lines (median of 3)", best, best / traced],
    ]
    title = f"Compute on {dialect}: {lines:,} lines, 12 programs, {cells:,} totals"
    return result, table(title, ["what", "wall s", "ratio"], rows)


def _by_hand_traced(tx: Connection) -> None:
    tx.exec_driver_sql(TRACE_TABLE + (" WITHOUT ROWID" if tx.dialect.name == "sqlite" else ""))
    tx.exec_driver_sql(f"INSERT INTO trace {TRACED}")
    tx.exec_driver_sql(f"CREATE TABLE by_hand_traced AS {FROM_TRACE}")
    for name in ("trace", "by_hand_traced"):
        tx.exec_driver_sql(f"DROP TABLE {name}")


def _require_equal(tx: Connection) -> None:
    columns = "member_pk, period_pk, bucket_pk, conversion_pk, amount_e6, quantity_e6, lines"
    one, other = "SELECT * FROM by_hand", f"SELECT {columns} FROM totals"
    for first, second in ((one, other), (other, one)):
        if tx.exec_driver_sql(f"SELECT count(*) FROM ({first} EXCEPT {second}) AS d").scalar_one():
            raise RuntimeError("the two ways do not agree")


def _timed(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
