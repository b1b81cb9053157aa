"""The first load against the local limit, and against peers that only download, on one emulator in one run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.measuring import Measured, run, table
from benchmarks.peers.queries import SOQL
from benchmarks.peers.token import session_of
from benchmarks.worlds import ROOT, Size, World, world

JSFORCE = ROOT / "tests" / "emulator" / "judges" / "jsforce"


def measure(lines: int) -> tuple[dict[str, Any], str]:
    """Everything about one size; `lines` is about how many order lines the org has."""
    with world(Size.of_lines(lines)) as org:
        _peer(org, "simple_download", org.folder / "warm")  # files and code of the emulator are warm for all
        idle = org.rebates("config", "show")
        pull = org.rebates("pull", "--json").require()
        compute = org.rebates("compute", "--json").require()
        bare = json.loads(
            run(
                [sys.executable, "-m", "benchmarks.bare_insert", str(org.store), str(org.folder / "bare.db")],
                cwd=ROOT,
            )
            .require()
            .out
        )
        download = _peer(org, "simple_download", org.folder / "simple")
        script = _peer(org, "simple_sqlite", org.folder / "simple.db")
        node = _jsforce(org)
        size = org.store.stat().st_size / 2**20
    pulled = json.loads(pull.out)["data"]
    result: dict[str, Any] = {
        "rows": pulled["pulled"],
        "lines": next(s["rows"] for s in pulled["streams"] if s["entity"] == "order_line"),
        "api_calls": pulled["api_calls"],
        "store_mb": size,
        "start_up_cpu": idle.cpu,
        "pull": _numbers(pull),
        "compute": _numbers(compute),
        "standings": json.loads(compute.out)["data"]["standings"],
        "bare_insert": bare,
        "simple_salesforce_download": _numbers(download),
        "simple_salesforce_sqlite": _numbers(script),
        "jsforce_download": _numbers(node) if node else None,
    }
    result["ratios"] = {
        "bare insert / our pull, wall": bare["seconds"] / pull.seconds,
        "bare insert / our pull, CPU without start-up": bare["cpu"] / (pull.cpu - idle.cpu),
        "our pull / simple-salesforce download, wall": pull.seconds / download.seconds,
        "our pull / simple-salesforce into sqlite3, wall": pull.seconds / script.seconds,
        "our pull / simple-salesforce into sqlite3, CPU": pull.cpu / script.cpu,
    }
    if node:
        result["ratios"]["our pull / jsforce download, wall"] = pull.seconds / node.seconds
        result["ratios"]["our pull / jsforce download, CPU"] = pull.cpu / node.cpu
    rows: list[tuple[str, Measured | None]] = [
        ("ours: pull (parse, check, map, stage, apply)", pull),
        ("ours: compute from scratch, plan", compute),
        ("simple-salesforce bulk2 to files", download),
        ("simple-salesforce bulk2 into sqlite3, nothing computed", script),
        ("jsforce bulk2 to files", node),
    ]
    cells: list[list[object]] = [
        [name, m.seconds, m.cpu, round(m.peak_mb)] for name, m in rows if m is not None
    ]
    cells.append(
        ["bare sqlite3 insert of our typed rows", bare["seconds"], bare["cpu"], round(bare["peak_mb"])]
    )
    text = table(
        f"First load of {result['lines']:,} order lines ({result['rows']:,} rows, {result['api_calls']} API calls)",
        ["what", "wall s", "CPU s", "peak MB"],
        cells,
    )
    return result, text + "\n" + table(
        "Ratios of that run", ["ratio", "value"], [[name, value] for name, value in result["ratios"].items()]
    )


def _numbers(one: Measured) -> dict[str, float]:
    return {"seconds": one.seconds, "cpu": one.cpu, "peak_mb": one.peak_mb}


def _peer(org: World, name: str, target: Path) -> Measured:
    if "download" in name:
        target.mkdir()
    command = [sys.executable, "-m", f"benchmarks.peers.{name}", org.url, str(target)]
    return run(command, cwd=ROOT).require()


def _jsforce(org: World) -> Measured | None:
    if not (JSFORCE / "node_modules" / "jsforce").is_dir():
        return None
    target = org.folder / "jsforce"
    target.mkdir()
    script = str(ROOT / "benchmarks" / "peers" / "jsforce_download.mjs")
    return run(
        ["node", script, str(JSFORCE), org.url, session_of(org.url), str(target), *SOQL.values()], cwd=ROOT
    ).require()
