"""`python -m benchmarks`: every claim about speed, measured side by side; tables on the screen, JSON in a file.

    python -m benchmarks                 small: 200,000 order lines, under five minutes
    python -m benchmarks --full          one million and ten million order lines: an hour, 20 GB of disk
    python -m benchmarks --only compute  one of them
    python -m benchmarks --keep          also write benchmarks/RESULTS.md; parts that did not run stay as they were

Every part runs in a process of its own and is stopped when its time is over; what others found is kept.
Read the ratios: seconds belong to the machine and to what else it was doing (its load is printed).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measuring import machine, say, table
from benchmarks.worlds import CACHE, FOLDER, ROOT

SMALL, MILLION, FULL = 200_000, 1_000_000, 10_000_000
RESULTS = Path(__file__).with_name("RESULTS.md")
PARTS = ("startup", "serve", "load", "compute", "engines", "repeated", "push", "workers")
ALWAYS = ("startup", "serve", "load", "compute", "engines", "push")
SMALL_MINUTES, FULL_MINUTES = 15.0, 90.0  # all parts together, at most: a quiet machine needs less
PART_SHARE = 0.5  # of that, the most that one part may take
HEADING = "## "
GRACE_SECONDS = 20


@dataclass(frozen=True)
class Part:
    """One thing to measure, at one size."""

    name: str
    lines: int

    @property
    def title(self) -> str:
        return f"{self.name}, {self.lines:,} order lines"


def main() -> None:
    """See the module's text."""
    options = _options()
    if options.told:
        _measure(options)
        return
    limit = (options.minutes or (FULL_MINUTES if options.full else SMALL_MINUTES)) * 60
    until = time.monotonic() + limit
    about = machine()
    found: dict[str, Any] = {"machine": about}
    said = table("Machine", list(about), [[str(value) for value in about.values()]])
    print(said, flush=True)
    texts: dict[str, str] = {}
    for part in _chosen(options):
        left = min(until - time.monotonic(), limit * PART_SHARE)
        if left <= 0:
            texts[part.title] = "left out: the time was over\n"
        else:
            say(f"{part.title} (at most {left / 60:.0f} min)")
            found[part.title], texts[part.title] = _in_its_own_process(part, options, left)
        print(f"{HEADING}{part.title}\n\n{texts[part.title]}", flush=True)
        CACHE.mkdir(exist_ok=True)
        (CACHE / "last.json").write_text(json.dumps(found, indent=1))
        if options.keep:
            _keep(texts, about)
    print(f"as JSON: {CACHE / 'last.json'}; load now {os.getloadavg()[0]:.1f}")
    if any(found.get(part.title) is None for part in _chosen(options)):
        sys.exit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} order lines instead of {SMALL:,}")
    parser.add_argument("--lines", type=int, help="another number of order lines")
    parser.add_argument("--only", nargs="+", choices=PARTS)
    parser.add_argument(
        "--postgres",
        metavar="URL",
        help="also compute there (the database must be empty), and one worker against two",
    )
    parser.add_argument(
        "--spark", metavar="URL", help="a master or Spark Connect for the engines; left out: local[*]"
    )
    parser.add_argument(
        "--repeat", type=int, metavar="N", help="also DuckDB and Spark on the set N times over"
    )
    parser.add_argument("--minutes", type=float, help="all parts together; what does not fit is left out")
    parser.add_argument("--keep", action="store_true", help=f"write {RESULTS.name} beside this file")
    parser.add_argument(
        "--told", help=argparse.SUPPRESS
    )  # the file in which a part's own process writes its answer
    options = parser.parse_args()
    if "workers" in (options.only or ()) and not options.postgres:
        parser.error("workers need --postgres URL: SQLite has one writer")
    return options


def _chosen(options: argparse.Namespace) -> Iterator[Part]:
    lines = options.lines or (FULL if options.full else SMALL)
    for name in PARTS:
        asked = (name == "repeated" and options.repeat) or (name == "workers" and options.postgres)
        if name not in (options.only or ALWAYS) and not (asked and not options.only):
            continue
        if name == "load" and lines > MILLION:  # the peers that only write files are compared at a million
            yield Part(name, MILLION)
        yield Part(name, min(lines, MILLION) if name in ("push", "workers") else lines)


def _measure(options: argparse.Namespace) -> None:
    """In the part's own process: measure, and write down what was found."""
    from benchmarks import computing, engines, initial_load, pushing, repeated, serving, startup, workers

    lines = options.lines
    changes = (10, 1_000, 20_000) if lines >= MILLION else (10, 1_000)
    works: dict[str, Callable[[], tuple[dict[str, Any], str]]] = {
        "startup": startup.measure,
        "serve": lambda: serving.measure(lines),
        "load": lambda: initial_load.measure(lines),
        "compute": lambda: _computed(lines, options.postgres, computing.measure),
        "engines": lambda: engines.measure(lines, options.spark),
        "repeated": lambda: repeated.measure(lines, options.repeat or 10, options.spark),
        "push": lambda: pushing.measure(lines, changes),
        "workers": lambda: workers.measure(lines, options.postgres),
    }
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # worlds are taken down
    result, text = works[options.only[0]]()
    Path(options.told).write_text(json.dumps({"result": result, "text": text}))


def _computed(
    lines: int, postgres: str | None, measure: Callable[..., tuple[dict[str, Any], str]]
) -> tuple[dict[str, Any], str]:
    result, text = measure(lines)
    if postgres:
        result["postgresql"], more = measure(lines, postgres)
        text += "\n" + more
    return result, text


def _in_its_own_process(
    part: Part, options: argparse.Namespace, seconds: float
) -> tuple[dict[str, Any] | None, str]:
    """What a part found, or None and why it found nothing."""
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="part-", dir=CACHE) as folder:
        told = Path(folder) / "told.json"
        command = [sys.executable, "-m", "benchmarks", "--only", part.name, "--lines", str(part.lines)]
        command += ["--told", str(told), *_passed_on(options)]
        environment = {**os.environ, FOLDER: folder}  # its worlds go with it, even if it is killed
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, env=environment)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            say(f"{part.title}: stopped after {seconds:.0f} s")
        except BaseException:
            _stop(process)
            raise
        _stop(process)
        if not told.exists():
            return None, f"it did not end well (exit {process.returncode}) within {seconds:.0f} s\n"
        answer = json.loads(told.read_text())
        return answer["result"], answer["text"]


def _passed_on(options: argparse.Namespace) -> list[str]:
    given = (("--postgres", options.postgres), ("--spark", options.spark), ("--repeat", options.repeat))
    return [word for name, value in given if value for word in (name, str(value))]


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The part's process may tidy up, then it and all that it started must go."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            say("it does not stop by itself")
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _keep(texts: dict[str, str], about: dict[str, Any]) -> None:
    """Write RESULTS.md: the sections of this run, and of earlier runs those that this one did not measure."""
    kept = _sections(RESULTS.read_text()) if RESULTS.exists() else {}
    when = f"commit {about['commit']}, {about['cores']} cores, {about['memory_gib']} GiB, load {about['load_before']}"
    for title, text in texts.items():
        kept[title] = f"{when}\n\n{text}"
    body = "\n".join(f"{HEADING}{title}\n\n{text.strip()}\n" for title, text in kept.items())
    RESULTS.write_text(f"# The last benchmark\n\n{_ABOUT}\n\n{body}")


_ABOUT = (
    "Written by `python -m benchmarks --keep`, section by section: each says at which commit it was measured and how busy the\n"
    "machine was before. Every ratio is of two things measured in the same run."
)


def _sections(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for piece in text.split(f"\n{HEADING}")[1:]:
        title, _, rest = piece.partition("\n")
        found[title.strip()] = rest.strip()
    return found


if __name__ == "__main__":
    main()
