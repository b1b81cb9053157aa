"""Does a second worker shorten compute + push? One and two processes in turns, each from the same state, on PostgreSQL.

Every run has a fresh copy of the org (served by an emulator process of its own, with or without a pause in each answer)
and a database copied from one that holds everything pulled and nothing computed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from statistics import median
from typing import Any

import psycopg
from sqlalchemy import make_url
from sqlalchemy.engine import URL

from benchmarks.measuring import table
from benchmarks.worlds import NOW, Size, World, world

PAIRS = 3
PARTS = ("compute", "push")
NAME = f"rebates_bench_{os.getpid()}"


def measure(
    lines: int, url: str, *, workers: Sequence[int] = (1, 2), pairs: int = PAIRS
) -> tuple[dict[str, Any], str]:
    """Medians of wall seconds by part and number of workers, of runs that take turns."""
    server = make_url(url)
    seconds: dict[tuple[str, int], list[float]] = {}
    cpu: dict[tuple[str, int], list[float]] = {}
    calls: dict[int, int] = {}
    loads: list[float] = []
    size = Size.of_lines(lines)
    with _database(server, f"{NAME}_pulled") as pulled:
        with world(size) as org:
            org.rebates("pull", "--json", REBATES_STATE_URL=pulled).require()
        for turn in range(pairs * len(workers)):
            count = workers[turn % len(workers)]
            with _database(server, f"{NAME}_run", like=f"{NAME}_pulled") as copy, world(size) as org:
                loads.append(round(os.getloadavg()[0], 1))
                for later, part in enumerate(PARTS, 1):
                    clock = (NOW + timedelta(minutes=later)).isoformat()  # each process starts its own clock
                    done = org.rebates(
                        part,
                        "--workers",
                        str(count),
                        "--json",
                        REBATES_STATE_URL=copy,
                        REBATES_CLOCK=clock,
                    ).require()
                    said = json.loads(done.out)["data"]
                    seconds.setdefault((part, count), []).append(done.seconds)
                    cpu.setdefault((part, count), []).append(done.cpu)
                calls[count] = said["api_calls"]
                written = said["pushed"]
                _require_nothing_left(org, copy)
    rows: list[list[object]] = []
    found: dict[str, Any] = {"loads": loads, "written": written, "api_calls": calls}
    for part in (*PARTS, "both"):
        of = {n: _of(seconds, part, n) for n in workers}
        used = {n: _of(cpu, part, n) for n in workers}
        ratios = [two / one for one, two in zip(of[workers[0]], of[workers[-1]], strict=True)]
        found[part] = {"seconds": of, "cpu": used, "ratio": median(ratios)}
        rows.append(
            [part, *(median(of[n]) for n in workers), median(ratios), *(median(used[n]) for n in workers)]
        )
    heads = ["part", *(f"{n} worker{'s'[: n > 1]}, wall s" for n in workers), "ratio (median of pairs)",
             *(f"CPU s with {n}" for n in workers)]  # fmt: skip
    title = f"Workers: {written:,} writes, {calls} API calls by number of workers, load {min(loads)} to {max(loads)}"
    return found, table(title, heads, rows)


def _of(values: dict[tuple[str, int], list[float]], part: str, count: int) -> list[float]:
    if part in PARTS:
        return values[part, count]
    return [sum(both) for both in zip(*(values[one, count] for one in PARTS), strict=True)]


def _require_nothing_left(org: World, url: str) -> None:
    said = json.loads(org.rebates("status", "--json", REBATES_STATE_URL=url).require().out)["data"]
    left = {
        state: rows for state, rows in said["outbox"].items() if state not in ("done", "superseded") and rows
    }
    if left:
        raise RuntimeError(f"the outbox still holds {left}")


@contextmanager
def _database(server: URL, name: str, *, like: str | None = None) -> Iterator[str]:
    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {like}" if like else ""))
    try:
        yield server.set(drivername="postgresql+psycopg", database=name).render_as_string(hide_password=False)
    finally:
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
