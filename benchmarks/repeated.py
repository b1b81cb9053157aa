"""The statement alone on a set that is repeated: a hundred times a million lines without a store of that size.

Order numbers are shifted by copy, everything else stays: the same cells, so many times the lines. The answer must be
the answer for one copy, so many times over, to the last digit.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks import computing
from benchmarks.engines import MEMORY, outside
from benchmarks.measuring import table
from benchmarks.worlds import CACHE, NOW
from state import contributions, parquet, row_by_row
from state.engines.outside import Outside
from state.snapshot import BY_ORDER, Snapshot
from state.store import Store
from state.tables import metadata
from state.tables.work import contributions as trace

KEYS = {name: column.name for name, column in BY_ORDER.items()}


def measure(lines: int, times: int, spark: str | None = None) -> tuple[dict[str, Any], str]:
    """Seconds of each outside engine for `times` copies of `lines` lines."""
    from state.engines.spelling import spelled

    CACHE.mkdir(exist_ok=True)
    rows: list[list[Any]] = []
    with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
        folder = Path(temporary)
        store = Store.open(f"sqlite:///{folder / 'store.db'}")
        computing.fill(store, lines)
        snapshot = Snapshot(folder / "facts", now=NOW)
        snapshot.refresh(store)
        with store.transaction() as tx:
            facts = snapshot.current(tx)
            asked = contributions.contribution_query(row_by_row.find(tx))
            rules = _rules(tx, set(spelled(asked, "duckdb").columns) - set(KEYS), folder)
        store.close()
        one = {name: snapshot.files(facts, name) for name in KEYS}
        many = {name: list(_copies(name, files, times, folder)) for name, files in one.items()}
        size = sum(path.stat().st_size for files in many.values() for path in files)
        for engine in outside(snapshot, spark):
            sql = spelled(asked, engine.dialect, order=tuple(c.name for c in trace.primary_key)).sql
            small, _ = _sums(engine, sql, {**one, **rules}, folder / f"{engine.name}-one")
            large, seconds = _sums(engine, sql, {**many, **rules}, folder / f"{engine.name}-many")
            if large != {name: value * times for name, value in small.items()}:
                raise RuntimeError(f"{engine.name}: {times} copies are not {times} times one")
            rows.append([engine.name, seconds, lines * times / seconds])
    titles = ["engine", "statement alone, wall s", "lines a second"]
    title = f"{times} × {lines:,} lines = {times * lines:,}, {size:,} bytes of Parquet, DuckDB with {MEMORY}"
    result = {
        "lines": lines * times,
        "bytes": size,
        "rows": [dict(zip(titles, row, strict=True)) for row in rows],
    }
    return result, table(title, titles, rows)


def _rules(tx: Any, names: set[str], folder: Path) -> dict[str, list[Path]]:
    written = {}
    for name in names:
        columns = list(metadata.tables[name].columns)
        target = folder / f"{name}.parquet"
        parquet.write(tx, metadata.tables[name].select(), columns, target)
        written[name] = [target]
    return written


def _copies(name: str, files: Sequence[Path], times: int, folder: Path) -> Iterator[Path]:
    rows = pa.concat_tables(pq.read_table(file) for file in files)
    at = rows.schema.get_field_index(KEYS[name])
    step = pc.max(rows.column(at)).as_py() + 1  # every order has lines: the same for both
    for copy in range(times):
        shifted = rows.set_column(
            at, rows.schema.field(at), pc.add(rows.column(at), pa.scalar(copy * step, pa.int64()))
        )
        target = folder / f"{name}-{copy}.parquet"
        pq.write_table(shifted, target, compression="zstd")
        yield target


def _sums(
    engine: Outside, sql: str, tables: Mapping[str, Sequence[Path]], work: Path
) -> tuple[dict[str, int], float]:
    work.mkdir()
    started = time.perf_counter()
    files = engine.answer(sql, tables, work)
    seconds = time.perf_counter() - started
    found = {"rows": 0, "amount_e6": 0, "quantity_e6": 0, "lines": 0}
    for file in files:
        with pq.ParquetFile(file) as reader:
            for batch in reader.iter_batches(columns=list(found)[1:]):
                found["rows"] += batch.num_rows
                for column in list(found)[1:]:
                    found[column] += pc.sum(batch.column(column)).as_py()
    return found, seconds
