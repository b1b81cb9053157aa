"""Real kills: `rebates sync` as a process of its own, SIGKILLed at random moments, on a file and on PostgreSQL."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli.main import run
from emulator.clock import MovableClock
from emulator.org import Org
from emulator.seed_common import INTEGRATION
from emulator.server import serve
from emulator.write_config import write_config
from state.store import Store
from tests.postgres_schemas import url_of
from tests.simulation import checks, peace, truth
from tests.simulation.people import People
from tests.simulation.processes import START
from tests.simulation.template import seed_org

KILLS = 3
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store_url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'rebates.db'}"
        return
    schemas = request.getfixturevalue("postgres_schemas")
    name = schemas.lend()
    yield url_of(name)
    schemas.give_back(name)


@pytest.mark.long
def test_killed_at_any_moment_it_ends_in_the_same_state(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    chance = random.Random(7)
    clock = MovableClock(START - timedelta(hours=2))
    org = Org.create(clock=clock, seed=3)
    seed_org(org)
    people = People(org)
    clock.advance(hours=2)
    with serve(org) as served:
        config = tmp_path / "rebates.toml"
        write_config(org, served.url, config, INTEGRATION, truth.PROGRAMS)
        config.write_text(config.read_text().partition("[state]")[0] + f'[state]\nurl = "{store_url}"\n')

        def rebates(*words: str) -> subprocess.Popen[str]:
            environment = {**os.environ, "REBATES_CLOCK": clock().isoformat(), "PYTHONPATH": str(ROOT)}
            return subprocess.Popen(
                [sys.executable, "-c", "from cli.main import main; main()", *words], cwd=tmp_path, env=environment, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip

        def finished(*words: str) -> None:
            """In this process: only what is killed needs one of its own."""
            monkeypatch.setenv("REBATES_CLOCK", clock().isoformat())
            assert run(words) == 0, words

        finished("org", "deploy")
        started = time.monotonic()
        first = rebates("sync")
        told, _ = first.communicate(timeout=120)
        assert first.returncode == 0, told
        whole = time.monotonic() - started
        killed = 0
        for _ in range(KILLS):
            people.act("order", [chance.randrange(1000) for _ in range(6)])
            clock.advance(minutes=20)  # beyond the lease of the one before
            process = rebates("sync")
            # Starting up takes most of the time: the later part of a run is what is worth ending.
            time.sleep(whole * chance.uniform(0.55, 1.05))
            process.send_signal(signal.SIGKILL)
            killed += process.wait(timeout=60) == -signal.SIGKILL
            assert process.stdout is not None
            process.stdout.close()
        assert killed, "every run was over before it was killed"
        for _ in range(2):
            clock.advance(hours=5)
            finished("sync")
        world = SimpleNamespace(org=org, template=SimpleNamespace(rules=truth.programs()))
        assert not checks.told_once(world)
        expected = truth.truth(org, world.template.rules)
        shown = peace.standings_in_org(world)
        assert {key: (one.amount, one.tier, one.rebate, one.gap) for key, one in expected.items()} == {
            key: value for key, value in shown.items() if key in expected
        }
        finished("verify", "--deep")
        store = Store.open(store_url)
        with store.read() as tx:
            assert not peace.undelivered(tx)
        store.close()
    org.close()
