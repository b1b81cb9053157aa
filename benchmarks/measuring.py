"""Processes measured from outside: wall time, CPU time, peak memory; and the machine they ran on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST_SECONDS = 3_600.0  # of one process: what takes longer is stopped and said to be too long
LOOK_SECONDS = 0.02


class TooLong(RuntimeError):
    """A process did not end in its time."""


@dataclass(frozen=True)
class Measured:
    """What a process took. `cpu` is user and system time together, `peak_mb` the most memory it ever held."""

    code: int
    seconds: float
    cpu: float
    peak_mb: float
    out: str
    err: str
    late: bool = False  # it was stopped because its time was over

    def require(self) -> Measured:
        """Raises unless the process ended well and in time."""
        if self.late:
            raise TooLong(f"stopped after {self.seconds:.0f} s\n{self.err[-2000:]}")
        if self.code != 0:
            raise RuntimeError(f"exit {self.code}\n{self.out[-2000:]}\n{self.err[-4000:]}")
        return self


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    at_most: float = LONGEST_SECONDS,
    name: str | None = None,
) -> Measured:
    """Run a command to its end, or until `at_most` seconds are over; `name` is told on stderr with its time."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdout=out,
            stderr=err,
            stdin=subprocess.DEVNULL,
        )
        late = False
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if not late and time.monotonic() - started > at_most:
                late = True
                process.kill()
            time.sleep(LOOK_SECONDS)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if name is not None:
            say(f"{name}: {seconds:.1f} s{', stopped' if late else ''}")
        out.seek(0)
        err.seek(0)
        return Measured(
            process.returncode,
            seconds,
            usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss / 1024,
            out.read().decode("utf-8", "replace"),
            err.read().decode("utf-8", "replace"),
            late,
        )


def say(text: str) -> None:
    """How far it is, for people who wait: on stderr, the tables are on stdout."""
    print(f"  {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """Cores, memory, versions, and how busy the machine is with other things."""
    import sqlite3

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        check=False,
    )
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load_before": [round(x, 2) for x in os.getloadavg()],
        "commit": commit.stdout.strip(),
        "executable": Path(sys.executable).name,
    }


def table(title: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [f"### {title}", "", "| " + " | ".join(headings) + " |", "|" + " --- |" * len(headings)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if value < 100 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
