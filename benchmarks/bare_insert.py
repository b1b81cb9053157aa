"""The local limit: the typed rows of a store into a bare SQLite file with the same tables, by `executemany`, no more.

python -m benchmarks.bare_insert STORE TARGET

Reading the rows back is not counted; only the inserts and commits are. One transaction for each 50,000 rows.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import sys
import time

TABLES = ("accounts", "products", "orders", "order_lines")
ROWS = 50_000


def main(source: str, target: str) -> None:
    reading, writing = sqlite3.connect(source), sqlite3.connect(target, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536"):
        writing.execute(f"PRAGMA {pragma}")
    seconds, cpu, rows = 0.0, 0.0, 0
    for table in TABLES:
        (shape,) = reading.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        writing.execute(shape)
        for (index,) in reading.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type = 'index' AND sql IS NOT NULL",
            (table,),
        ).fetchall():
            writing.execute(index)
        cursor = reading.execute(f"SELECT * FROM {table}")
        marks = ", ".join("?" * len(cursor.description))
        while batch := cursor.fetchmany(ROWS):
            started, busy = time.perf_counter(), time.process_time()
            writing.execute("BEGIN IMMEDIATE")
            writing.executemany(f"INSERT INTO {table} VALUES ({marks})", batch)
            writing.execute("COMMIT")
            seconds += time.perf_counter() - started
            cpu += time.process_time() - busy
            rows += len(batch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "rows": rows, "peak_mb": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
