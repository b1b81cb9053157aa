"""`python -m tests.simulation.run --seeds 1000`: any number of seeds on all cores, with coverage and seeds a minute.

A failing seed is shrunk (unless `--no-shrink`) and its tape written to `--keep`, to be replayed with `--tape`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.simulation.network import FAULTS
from tests.simulation.play import Outcome, play, play_seed, shrink
from tests.simulation.tape import Tape
from tests.simulation.world import Template, quiet

CHUNK = 5
FLOOR_SEEDS = 2_000  # from this many seeds on, every fault must have struck every kind of request
_template: Template | None = None

Line = tuple[int, str, list[str], Counter[str], int, dict[str, object]]


def _here() -> Template:
    global _template
    if _template is None:
        quiet()
        _template = Template()
    return _template


def _chunk(seeds: list[int]) -> list[Line]:
    lines = []
    for seed in seeds:
        one = play_seed(_here(), seed)
        lines.append(
            (
                seed,
                one.digest,
                one.violations,
                one.coverage,
                one.requests,
                one.tape.as_json() if one.violations else {},
            )
        )
    return lines


def _played(seeds: list[int], processes: int) -> Iterator[Line]:
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    if processes == 1:
        for chunk in chunks:
            yield from _chunk(chunk)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for lines in pool.imap_unordered(_chunk, chunks):
            yield from lines


def coverage_table(coverage: Counter[str]) -> tuple[str, list[str]]:
    """Fault by kind of request, as text; and the pairs that never happened."""
    kinds = list(FAULTS)
    names = sorted({name for faults in FAULTS.values() for name in faults})
    lines = ["fault".ljust(20) + "".join(kind[:8].rjust(9) for kind in kinds)]
    missing = []
    for name in names:
        cells = []
        for kind in kinds:
            count = coverage[f"fault: {name} @ {kind}"]
            possible = name in FAULTS[kind]
            cells.append((str(count) if possible else "·").rjust(9))
            if possible and not count:
                missing.append(f"{name} @ {kind}")
        lines.append(name.ljust(20) + "".join(cells))
    for prefix in ("crash @", "preempt @", "disk @", "stop @", "order @", "org:", "ended:"):
        found = {name: n for name, n in sorted(coverage.items()) if name.startswith(prefix)}
        if found:
            lines.append("  ".join(f"{name} {n}" for name, n in found.items()))
    return "\n".join(lines), missing


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, default=Path(".simulation"))
    parser.add_argument("--no-shrink", action="store_true")
    parser.add_argument("--tape", type=Path, help="replay one tape and show its trace")
    chosen = parser.parse_args(arguments)
    if chosen.tape is not None:
        return _replay(chosen.tape)
    started = time.monotonic()
    coverage: Counter[str] = Counter()
    failed, done, asked = 0, 0, 0
    for seed, _, violations, covered, requests, tape in _played(
        list(range(chosen.start, chosen.start + chosen.seeds)), chosen.processes
    ):
        coverage += covered
        done += 1
        asked += requests
        if violations:
            failed += 1
            print(f"seed {seed}: " + "\n    ".join(violations[:3]), flush=True)
            chosen.keep.mkdir(parents=True, exist_ok=True)
            (chosen.keep / f"seed-{seed}.json").write_text(json.dumps({"violation": violations[0], **tape}))
        if done % 500 == 0:
            print(
                f"{done} seeds, {failed} failed, {done / (time.monotonic() - started) * 60:.0f} seeds a minute",
                flush=True,
            )
    minutes = (time.monotonic() - started) / 60
    table, missing = coverage_table(coverage)
    print(table)
    print(
        f"{done} seeds, {asked} requests, {failed} failed, {done / minutes:.0f} seeds a minute on {chosen.processes} cores"
    )
    if failed and not chosen.no_shrink:
        _shrink_all(chosen.keep)
    if missing and done >= FLOOR_SEEDS:
        print(f"never happened: {', '.join(missing)}")
        return 1
    return 1 if failed else 0


def _replay(path: Path) -> int:
    outcome = play(_here(), Tape.load(path))
    print("\n".join(outcome.trace))
    for violation in outcome.violations:
        print(violation)
    return 1 if outcome.violations else 0


def _shrink_all(folder: Path) -> None:
    for path in sorted(folder.glob("seed-*.json"))[:5]:
        data = json.loads(path.read_text())

        def same(outcome: Outcome, told: str = _about(data["violation"])) -> bool:
            return bool(outcome.violations) and _about(outcome.violations[0]) == told

        small = shrink(_here(), Tape.of(data), same)
        path.with_suffix(".small.json").write_text(
            json.dumps({"violation": data["violation"], **small.as_json()}, indent=1)
        )
        print(f"{path}: {len(data['steps'])} steps, {len(small.steps)} after shrinking")


def _about(violation: str) -> str:
    """What a violation is about: its first words after the step's name, or the last line of a traceback."""
    if "it fell over" in violation:
        return violation.strip().rsplit("\n", 1)[-1].split(":", 1)[0]
    return " ".join(violation.split(": ", 1)[-1].split()[:4])


if __name__ == "__main__":
    sys.exit(main())
