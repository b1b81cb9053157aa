"""The from-scratch statement on each engine: the same facts, one run, answers compared to the last digit.

SQLite and PostgreSQL answer by themselves. DuckDB and Spark read the Parquet snapshot, and their answer replaces
contributions and totals of the store in one transaction: both are timed, the statement alone and the whole.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from benchmarks import computing
from benchmarks.measuring import table
from benchmarks.worlds import CACHE, NOW
from state import contributions, row_by_row
from state.copy import copy
from state.engines import IN_THE_STORE, Engine
from state.engines.duck import Duck
from state.engines.outside import Outside
from state.engines.spark import Spark
from state.snapshot import Snapshot
from state.store import Store
from state.tables.work import contributions as trace
from state.tables.work import totals

SERVER = os.environ.get("REBATES_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/test")
MEMORY = "2GB"


def measure(lines: int, spark: str | None = None) -> tuple[dict[str, Any], str]:
    """Seconds of wall and CPU for each engine that is here; raises when two answers differ."""
    CACHE.mkdir(exist_ok=True)
    rows: list[list[Any]] = []
    with tempfile.TemporaryDirectory(dir=CACHE) as folder, _stores(Path(folder), lines) as stores:
        first: str | None = None
        snapshots = {one.dialect: Snapshot(Path(folder) / one.dialect, now=NOW) for one in stores}
        for store in stores:
            took = _timed(lambda store=store: snapshots[store.dialect].refresh(store))
            rows.append([f"snapshot written from {store.dialect}", "", *took])
            again = _timed(lambda store=store: snapshots[store.dialect].refresh(store))
            rows.append(["… when nothing changed", "", *again])
        for store in stores:
            for engine in _engines(store, snapshots[store.dialect], spark):
                alone, whole = _computed(store, engine)
                digest = _digest(store)
                if first is not None and digest != first:
                    raise RuntimeError(f"{engine.name} on {store.dialect} gives another answer")
                first = digest
                where = "by itself" if engine is IN_THE_STORE else f"by {engine.name}"
                rows.append([f"{store.dialect} {where}", alone, *whole])
        size = sum(path.stat().st_size for path in (Path(folder) / "sqlite").iterdir())
    base = next(row for row in rows if row[0] == "sqlite by itself")
    for row in rows:
        row.append(row[2] / base[2])
    titles = [
        "what",
        "statement alone, wall s",
        "contributions and totals replaced, wall s",
        "CPU s",
        "wall ratio",
    ]
    result = {
        "lines": lines,
        "snapshot_bytes": size,
        "digest": first,
        "rows": [dict(zip(titles, row, strict=True)) for row in rows],
    }
    title = f"From scratch by engine: {lines:,} lines, 12 programs, snapshot {size:,} bytes, digest {(first or '')[:12]}"
    return result, table(title, titles, rows)


def _engines(store: Store, snapshot: Snapshot, spark: str | None) -> Iterator[Engine]:
    yield IN_THE_STORE
    yield from outside(snapshot, spark)


def outside(snapshot: Snapshot, spark: str | None) -> Iterator[Outside]:
    """The engines beside the store that are installed here."""
    yield Duck(snapshot, MEMORY)
    if find_spec("pyspark") is not None and shutil.which("java") is not None:
        yield Spark(snapshot, spark or "local[*]", {"spark.driver.memory": "4g"})


@contextmanager
def _stores(folder: Path, lines: int) -> Iterator[list[Store]]:
    """The same facts in a SQLite file and, where there is a server, in a schema of PostgreSQL."""
    import psycopg

    made = [Store.open(f"sqlite:///{folder / 'store.db'}")]
    computing.fill(made[0], lines)
    plain, schema = SERVER.replace("+psycopg", ""), f"rebates_engines_{os.getpid()}"
    try:
        server = psycopg.connect(plain, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        server = None
        print(f"no PostgreSQL at {SERVER}: SQLite only", flush=True)
    try:
        if server is not None:
            server.execute(f"CREATE SCHEMA {schema}")
            made.append(Store.open(f"{SERVER}?options=-csearch_path%3D{schema}"))
            copy(made[0], made[1])
            server.execute(f"ANALYZE {schema}.orders, {schema}.order_lines, {schema}.program_members")
        yield made
    finally:
        for store in made:
            store.close()
        if server is not None:
            server.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            server.close()


def _computed(store: Store, engine: Engine) -> tuple[float, tuple[float, float]]:
    """(seconds of the statement alone, (wall, CPU) of replacing everything)."""
    alone: list[float] = []
    if isinstance(engine, Outside):
        answer = engine.answer

        def timed(*words: Any) -> Any:
            started = time.perf_counter()
            files = answer(*words)
            alone.append(time.perf_counter() - started)
            return files

        engine.answer = timed  # type: ignore[method-assign]
    else:
        with store.read() as tx:
            asked = contributions.contribution_query(row_by_row.find(tx)).subquery()
            alone.append(_timed(lambda: tx.execute(select(func.count(), func.sum(asked.c.lines))).one())[0])

    def replace() -> None:
        with store.transaction() as tx:
            contributions.rebuild(tx, engine=engine)

    whole = _timed(replace)
    return alone[0], whole


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds, of child processes too (of PostgreSQL's server not)."""
    started, before = time.perf_counter(), os.times()
    work()
    after = os.times()
    return time.perf_counter() - started, sum(after[:4]) - sum(before[:4])


def _digest(store: Store) -> str:
    found = hashlib.sha256()
    with store.read() as tx:
        for kept in (trace, totals):
            asked = select(*kept.columns).order_by(*kept.primary_key.columns)
            for row in tx.execute(asked.execution_options(yield_per=50_000)):
                found.update(repr(tuple(row)).encode())
    return found.hexdigest()
