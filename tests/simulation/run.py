"""`python -m tests.simulation.run --seeds 1000`: any number of seeds on all cores, with coverage and seeds a minute.

A failing seed is shrunk (unless `--no-shrink`) and its tape written to `--keep`, to be replayed with `--tape`.
`--sentinels` runs every known mistake within its seed budget and exits with 1 when one is not noticed. `--json FILE`
writes what was found where machines read it.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.simulation import teeth
from tests.simulation.network import FAULTS
from tests.simulation.play import Outcome, play, play_seed, shrink
from tests.simulation.sentinels import SENTINELS
from tests.simulation.tape import Tape
from tests.simulation.template import Template, quiet

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


def _played(seeds: list[int], processes: int, end: float) -> Iterator[Line]:
    """Each seed as it is done; none is begun after `end` (of the monotonic clock)."""
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    if processes == 1:
        for chunk in chunks:
            yield from _chunk(chunk) if time.monotonic() < end else ()
        return
    wave = 10 * processes  # a pool takes all that it is given at once
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for at in range(0, len(chunks), wave):
            if time.monotonic() >= end:
                return
            for lines in pool.imap_unordered(_chunk, chunks[at : at + wave]):
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
    parser.add_argument("--minutes", type=float, help="stop after so long, however many seeds are left")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, default=Path(".simulation"))
    parser.add_argument("--no-shrink", action="store_true")
    parser.add_argument("--tape", type=Path, help="replay one tape and show its trace")
    parser.add_argument("--sentinels", nargs="*", metavar="NAME", help="run known mistakes (all, or these)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there, too")
    chosen = parser.parse_args(arguments)
    if chosen.tape is not None:
        return _replay(chosen.tape)
    if chosen.sentinels is not None:
        return _teeth(chosen.sentinels or list(SENTINELS), chosen.start, chosen.processes, chosen.json)
    started = time.monotonic()
    coverage: Counter[str] = Counter()
    failed, done, asked = 0, 0, 0
    for seed, _, violations, covered, requests, tape in _played(
        list(range(chosen.start, chosen.start + chosen.seeds)),
        chosen.processes,
        started + chosen.minutes * 60 if chosen.minutes is not None else math.inf,
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
    if missing:
        print(f"never happened: {', '.join(missing)}")
    if chosen.json is not None:
        told = {
            "seeds": done, "requests": asked, "failed": failed, "seeds_a_minute": round(done / minutes),
            "coverage": dict(sorted(coverage.items())), "never_happened": missing,
        }  # fmt: skip
        chosen.json.write_text(json.dumps(told, indent=1) + "\n")
    if failed and not chosen.no_shrink:
        _shrink_all(chosen.keep)
    return 1 if failed or (missing and done >= FLOOR_SEEDS) else 0


def _teeth(names: list[str], start: int, processes: int, result: Path | None) -> int:
    """Every known mistake in its own process, as many at a time as there are cores."""
    with multiprocessing.get_context("spawn").Pool(min(processes, len(names))) as pool:
        found = []
        for one in pool.imap_unordered(_caught, [(name, start) for name in names]):
            found.append(one)
            print(f"{one.name}: {'not caught' if one.seed is None else 'caught'} in {one.tried}", flush=True)
    print(teeth.table(found))
    if result is not None:
        result.write_text(json.dumps([one.as_json() for one in found], indent=1) + "\n")
    return 0 if all(one.seed is not None for one in found) else 1


def _caught(what: tuple[str, int]) -> teeth.Caught:
    return teeth.catch(_here(), *what)


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
