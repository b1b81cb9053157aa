"""The first load against the local limit, and against peers that only download, on one emulator in one run."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks.measuring import Measured, run, say, table
from benchmarks.peers.queries import SOQL
from benchmarks.peers.token import session_of
from benchmarks.worlds import ROOT, Size, World, world

JSFORCE = ROOT / "tests" / "emulator" / "judges" / "jsforce"


FILES_ONLY_UP_TO = 2_000_000  # lines; beyond, only what also keeps the rows is compared
PEER_SECONDS = 2_400.0


def measure(lines: int) -> tuple[dict[str, Any], str]:
    """Everything about one size; `lines` is about how many order lines the org has."""
    with world(Size.of_lines(lines)) as org:
        if lines <= FILES_ONLY_UP_TO:
            _peer(
                org, "simple_download", org.folder / "warm"
            )  # files and code of the emulator are warm for all
        idle = org.rebates("config", "show")
        pull = org.rebates("pull", "--json").require()
        bare = _bare(org)
        compute = org.rebates("compute", "--json", "--allow-many-tasks").require()
        size = org.store.stat().st_size / 2**20
        both = _in_one(org)
        peers: dict[str, Measured | None] = {}
        if lines <= FILES_ONLY_UP_TO:
            peers["simple-salesforce bulk2 to files"] = _peer(org, "simple_download", org.folder / "simple")
        peers["simple-salesforce bulk2 into sqlite3, nothing computed"] = _peer(
            org, "simple_sqlite", org.folder / "simple.db"
        )
        if lines <= FILES_ONLY_UP_TO:
            peers["jsforce bulk2 to files"] = _jsforce(org)
    pulled = json.loads(pull.out)["data"]
    ours = {
        "ours: pull (parse, check, map, stage, apply)": pull,
        "ours: compute from scratch, plan": compute,
        "ours: both in one (`rebates sync --no-push`)": both,
    }
    measured = {name: one for name, one in {**ours, **peers}.items() if one is not None}
    result: dict[str, Any] = {
        "rows": pulled["pulled"],
        "lines": next(s["rows"] for s in pulled["streams"] if s["entity"] == "order_line"),
        "api_calls": pulled["api_calls"],
        "store_mb": size,
        "start_up_cpu": idle.cpu,
        "standings": json.loads(compute.out)["data"]["standings"],
        "bare_insert": bare,
        **{name: _numbers(one) for name, one in measured.items()},
        "ratios": _ratios(bare, idle, pull, both, peers),
    }
    cells: list[list[object]] = [
        [name, one.seconds, one.cpu, round(one.peak_mb)] for name, one in measured.items()
    ]
    cells.append(
        ["bare sqlite3 insert of our typed rows", bare["seconds"], bare["cpu"], round(bare["peak_mb"])]
    )
    text = table(
        f"First load of {result['lines']:,} order lines ({result['rows']:,} rows, {result['api_calls']} API calls, "
        f"{result['standings']:,} standings)",
        ["what", "wall s", "CPU s", "peak MB"],
        cells,
    )
    return result, text + "\n" + table(
        "Ratios of that run", ["ratio", "value"], [[name, value] for name, value in result["ratios"].items()]
    )


def _ratios(
    bare: dict[str, float],
    idle: Measured,
    pull: Measured,
    both: Measured,
    peers: dict[str, Measured | None],
) -> dict[str, float]:
    found = {
        "bare insert / our pull, wall": bare["seconds"] / pull.seconds,
        "bare insert / our pull, CPU without start-up": bare["cpu"] / (pull.cpu - idle.cpu),
    }
    for name, peer in peers.items():
        if peer is not None:
            found[f"our pull / {name}, wall"] = pull.seconds / peer.seconds
            found[f"our pull and compute / {name}, wall"] = both.seconds / peer.seconds
            found[f"our pull / {name}, CPU"] = pull.cpu / peer.cpu
    return found


def _bare(org: World) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.bare_insert", str(org.store), str(org.folder / "bare.db")]
    found: dict[str, float] = json.loads(run(command, cwd=ROOT, name="bare insert").require().out)
    (org.folder / "bare.db").unlink()
    return found


def _in_one(org: World) -> Measured:
    """The same into another store, as an admin does it the first time: read and compute, write nothing to the org yet."""
    store = org.folder / "both.db"
    url = f"sqlite:///{store}"
    done = org.rebates("sync", "--no-push", "--allow-many-tasks", "--json", REBATES_STATE_URL=url).require()
    store.unlink()
    return done


def _numbers(one: Measured) -> dict[str, float]:
    return {"seconds": one.seconds, "cpu": one.cpu, "peak_mb": one.peak_mb}


def _peer(org: World, name: str, target: Path) -> Measured:
    if "download" in name:
        target.mkdir()
    command = [sys.executable, "-m", f"benchmarks.peers.{name}", org.url, str(target)]
    done = run(command, cwd=ROOT, at_most=PEER_SECONDS, name=name).require()
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    return done


def _jsforce(org: World) -> Measured | None:
    if not (JSFORCE / "node_modules" / "jsforce").is_dir():
        say("jsforce is not installed: left out")
        return None
    target = org.folder / "jsforce"
    target.mkdir()
    script = str(ROOT / "benchmarks" / "peers" / "jsforce_download.mjs")
    command = ["node", script, str(JSFORCE), org.url, session_of(org.url), str(target), *SOQL.values()]
    done = run(command, cwd=ROOT, at_most=PEER_SECONDS, name="jsforce").require()
    shutil.rmtree(target)
    return done
