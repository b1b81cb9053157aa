"""Spark: a cluster that reads the snapshot from a folder which every worker sees (mounted, the same path everywhere).

The session lives in a process of its own, which ends with the answer: a Java machine does not stay behind in a
scheduler that runs for months, and what Spark logs never mixes with our results.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from state.engines.outside import EngineFailed, Outside
from state.snapshot import Snapshot

SESSION = Path(__file__).with_name("spark_session.py")
SAID = 600  # characters of its last words


class Spark(Outside):
    """`url`: a master (`local[*]`, `spark://host:7077`, `yarn`) or Spark Connect (`sc://host:15002`)."""

    name = "spark"
    dialect = "spark"

    def __init__(self, snapshot: Snapshot, url: str, options: Mapping[str, str]) -> None:
        super().__init__(snapshot)
        self._url = url
        self._options = dict(options)

    def answer(self, sql: str, tables: Mapping[str, Sequence[Path]], work: Path) -> list[Path]:
        target = work / "answer"
        asked = {
            "url": self._url,
            "options": self._options,
            "tables": {name: [_uri(file) for file in files] for name, files in tables.items()},
            "sql": sql,
            "target": _uri(target),
        }
        ended = subprocess.run(
            [sys.executable, str(SESSION)],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYSPARK_PYTHON": sys.executable},
        )
        if ended.returncode:
            raise EngineFailed(f"Spark at {self._url}: {_last_words(ended.stderr)}", where=str(work.parent))
        files = sorted(target.glob("part-*.parquet"))
        if not (target / "_SUCCESS").exists():
            raise EngineFailed(
                f"Spark at {self._url} wrote its answer where this host does not see it",
                where=str(target),
                hint="[engine] snapshot must be a folder that this host and every worker mount at the same path",
            )
        return files


def _uri(path: Path) -> str:
    return path.resolve().as_uri()


def _last_words(said: str) -> str:
    """The reason: Spark puts it on the last line that is not part of a trace."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("at ", "File ", "..."))]
    return (told[-1] if told else "it ended without a word")[:SAID]
