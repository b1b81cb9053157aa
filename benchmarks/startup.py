"""How long the command line takes to say what it can do, and how much of that is Python itself."""

from __future__ import annotations

import statistics
import sys
from typing import Any

from benchmarks.measuring import run, table
from benchmarks.worlds import ROOT

TIMES = 7


def measure() -> tuple[dict[str, Any], str]:
    """Median of several starts."""
    python = [run([sys.executable, "-c", "pass"], cwd=ROOT).require() for _ in range(TIMES)]
    ours = [run([sys.executable, "-m", "cli.main", "--help"], cwd=ROOT).require() for _ in range(TIMES)]
    result = {
        "help_seconds": statistics.median(m.seconds for m in ours),
        "help_cpu": statistics.median(m.cpu for m in ours),
        "python_cpu": statistics.median(m.cpu for m in python),
    }
    rows = [
        ["rebates --help", result["help_seconds"], result["help_cpu"]],
        ["python -c pass", "", result["python_cpu"]],
    ]
    return result, table("Start-up, median of seven", ["command", "wall s", "CPU s"], rows)
