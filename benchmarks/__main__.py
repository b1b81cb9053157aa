"""`python -m benchmarks`: every claim about speed, measured side by side; tables on the screen, JSON in a file.

    python -m benchmarks                 small: 200,000 order lines, under five minutes
    python -m benchmarks --full          ten million order lines: an hour, 20 GB of disk
    python -m benchmarks --only compute  one of them
    python -m benchmarks --keep          also write benchmarks/RESULTS.md

Read the ratios: seconds belong to the machine and to what else it was doing (its load is printed).
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import computing, initial_load, pushing, serving, startup
from benchmarks.measuring import machine, table
from benchmarks.worlds import CACHE

SMALL, FULL = 200_000, 10_000_000
RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} order lines instead of {SMALL:,}")
    parser.add_argument("--lines", type=int, help="another number of order lines")
    parser.add_argument("--only", nargs="+", choices=("startup", "serve", "load", "compute", "push"))
    parser.add_argument("--postgres", metavar="URL", help="also compute there; the database must be empty")
    parser.add_argument("--keep", action="store_true", help=f"write {RESULTS.name} beside this file")
    options = parser.parse_args()
    lines = options.lines or (FULL if options.full else SMALL)
    changes = (10, 1_000, 20_000) if lines >= 1_000_000 else (10, 1_000)
    parts: dict[str, Callable[[], tuple[dict[str, Any], str]]] = {
        "startup": startup.measure,
        "serve": lambda: serving.measure(lines),
        "load": lambda: initial_load.measure(lines),
        "compute": lambda: computing.measure(lines),
        "push": lambda: pushing.measure(min(lines, 1_000_000), changes),
    }
    if options.postgres:
        parts["compute on PostgreSQL"] = lambda: computing.measure(lines, options.postgres)
    found: dict[str, Any] = {"machine": machine(), "lines": lines}
    texts = [_about(found)]
    print(texts[0])
    for name, work in parts.items():
        if options.only and name not in options.only and name != "compute on PostgreSQL":
            continue
        found[name], text = work()
        texts.append(text)
        print(text, flush=True)
    CACHE.mkdir(exist_ok=True)
    (CACHE / "last.json").write_text(json.dumps(found, indent=1))
    print(f"as JSON: {CACHE / 'last.json'}; load now {os.getloadavg()[0]:.1f}")
    if options.keep:
        RESULTS.write_text("# The last benchmark\n\n" + "\n".join(texts))


def _about(found: dict[str, Any]) -> str:
    machine_ = found["machine"]
    return table("Machine", list(machine_), [[str(value) for value in machine_.values()]])


if __name__ == "__main__":
    main()
