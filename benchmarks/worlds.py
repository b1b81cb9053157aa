"""An org big enough to measure with: generated once, kept in a file, served by an emulator process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measuring import Measured, run, say

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "benchmarks" / ".data"
NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
LINES_PER_ORDER = 4.945  # of the generator, on average
# As it is installed: with its bytecode, which a machine for tests may forbid to write.
BYTECODE = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(CACHE / "bytecode")}
PACKAGES = ("cli", "connector", "jobs", "mappings", "rebates", "state")
FOLDER = "REBATES_BENCH_FOLDER"  # where worlds are made
READY_SECONDS = 600
STOP_SECONDS = 30


@dataclass(frozen=True)
class Size:
    """How big an org is."""

    orders: int

    @classmethod
    def of_lines(cls, lines: int) -> Size:
        return cls(round(lines / LINES_PER_ORDER))

    @property
    def accounts(self) -> int:
        return min(20_000, max(200, self.orders // 10))

    @property
    def file(self) -> Path:
        return CACHE / f"org-{self.accounts}-{self.orders}.db"


@dataclass
class World:
    """A served org and a folder with a configuration for it."""

    folder: Path
    url: str
    user: str
    pid: int

    @property
    def config(self) -> Path:
        return self.folder / "rebates.toml"

    def rebates(self, *args: str, **environment: str) -> Measured:
        """Our command line as a process of its own, measured."""
        env = {"REBATES_CLOCK": NOW.isoformat(), **BYTECODE, **environment}
        command = [sys.executable, "-m", "cli.main", "--config", str(self.config), *args]
        return run(command, cwd=ROOT, env=env, name=f"rebates {args[0]}")

    @property
    def store(self) -> Path:
        return self.folder / "rebates.db"


def build(size: Size) -> float:
    """Make the cached org unless it is there; seconds that it took."""
    if size.file.exists():
        return 0.0
    from emulator.clock import MovableClock
    from emulator.org import Org
    from emulator.seed_generated import seed_generated

    CACHE.mkdir(exist_ok=True)
    say(f"making an org of {size.orders:,} orders, once")
    started = time.monotonic()
    partial = size.file.with_suffix(".partial")
    for ending in ("", "-wal", "-shm"):
        Path(f"{partial}{ending}").unlink(missing_ok=True)
    org = Org.create(partial, clock=MovableClock(NOW), seed=1)
    seed_generated(org, size.accounts, size.orders, 1)
    seed = {"seed": "generated", "accounts": size.accounts, "orders": size.orders, "random_seed": 1}
    org.storage.keep("emulator", "seed", seed)
    org.close()
    partial.rename(size.file)
    return time.monotonic() - started


@contextmanager
def world(size: Size, *, deploy: bool = True) -> Iterator[World]:
    """A fresh copy of the org, served until the block ends."""
    build(size)
    folder = Path(tempfile.mkdtemp(prefix="world-", dir=os.environ.get(FOLDER, CACHE)))
    process: subprocess.Popen[bytes] | None = None
    try:
        shutil.copyfile(size.file, folder / "org.db")
        ready = folder / "ready.json"
        process = subprocess.Popen(
            [
                sys.executable, "-m", "emulator", "--quiet", "--seed", "generated",
                "--accounts", str(size.accounts), "--orders", str(size.orders), "--file", str(folder / "org.db"),
                "--now", NOW.isoformat(), "--ready-file", str(ready), "--api-max", "100000000",
                "--write-config", str(folder / "rebates.toml"), "--programs", str(ROOT / "programs"),
            ],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder)},
        )  # fmt: skip
        started = time.monotonic()
        while not ready.exists():
            if process.poll() is not None or time.monotonic() - started > READY_SECONDS:
                raise RuntimeError("the emulator did not start")
            time.sleep(0.05)
        told = json.loads(ready.read_text())
        made = World(folder, told["url"], told["user"], process.pid)
        run([sys.executable, "-m", "compileall", "-q", *PACKAGES], cwd=ROOT, env=BYTECODE).require()
        if deploy:
            made.rebates("org", "deploy").require()
        yield made
    finally:
        if process is not None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)
