"""The promise under fire: seeds, tapes that once failed, and whether the simulator itself can be trusted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.network import FAULTS, KINDS
from tests.simulation.play import Outcome, play, play_seed, shrink
from tests.simulation.run import coverage_table
from tests.simulation.sentinels import SENTINELS, broken, seeds_for
from tests.simulation.tape import Step, Tape
from tests.simulation.teeth import broken_promise

SECONDS = 30  # of seeds in each of two tests, which run side by side: the count is for `make simulate`
TAPES = sorted((Path(__file__).parent / "tapes").glob("*.json"))


@pytest.mark.long
@pytest.mark.parametrize("start", [0, 1_000])
def test_every_seed_keeps_every_promise(template, start):
    started, seed = time.monotonic(), start
    while time.monotonic() - started < SECONDS or seed < start + 3:
        outcome = play_seed(template, seed)
        assert not outcome.violations, f"seed {seed}: {outcome.violations}"
        assert outcome.requests > 0
        seed += 1


@pytest.mark.parametrize("path", TAPES, ids=[path.stem for path in TAPES])
def test_a_tape_that_once_failed_passes(template, path):
    outcome = play(template, Tape.load(path))
    assert not outcome.violations, "\n".join(outcome.violations)


@pytest.mark.parametrize("name", SENTINELS)
def test_a_known_mistake_is_seen(template, name):
    """On its known seed; once a change of the program has moved that history, on another one within its budget.
    `make simulate-sentinels` measures all of them from seed 0, against the healthy program."""
    with broken(name):
        assert any(broken_promise(play_seed(template, seed)) for seed in seeds_for(name))


def test_the_same_seed_is_the_same_history(template):
    first, again = play_seed(template, 5), play_seed(template, 5)
    assert first.digest == again.digest
    assert first.trace == again.trace
    replayed = play(template, Tape.of(json.loads(json.dumps(first.tape.as_json()))))
    assert replayed.digest == first.digest, "the recorded tape is the seed's history"


def test_a_history_does_not_depend_on_the_order_of_sets(template):
    program = (
        "from tests.simulation.template import Template, quiet; from tests.simulation.play import play_seed\n"
        "quiet(); print(play_seed(Template(), 3).digest)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": "."},
        capture_output=True, text=True, check=True, timeout=200,
    )  # fmt: skip
    assert done.stdout.strip() == play_seed(template, 3).digest


def test_a_failing_tape_is_made_small(template):
    """With the cursor before the rows it takes an order, some time and a sync that dies: all else is left out."""
    with broken("the_cursor_moves_before_the_rows"):
        steps = [
            Step("wait", [3]), Step("change_owner", [1, 1]), Step("order", [0, 0, 9, 2, 0, 1]), Step("wait", [3]),
            Step("sync", [], {3: ["fault", "ack_lost", 1, 1], 9: ["crash"]}), Step("wait", [2]), Step("end_sessions", []),
        ]  # fmt: skip
        tape = Tape({"jitter": 1}, steps, None)
        assert _ran_ahead(play(template, Tape.of(tape_json(steps)))), "the mistake shows on this tape"
        small = shrink(template, Tape.of(tape_json(steps)), _ran_ahead, tries=60)
    assert tape.setup == small.setup
    assert [step.name for step in small.steps] == ["order", "wait", "sync"]
    assert sum(len(step.events) for step in small.steps) == 1


def _ran_ahead(outcome: Outcome) -> bool:
    return any(one.startswith("after sync: the watermark is ahead") for one in outcome.violations)


def tape_json(steps: list[Step]) -> dict[str, object]:
    return {"setup": {"jitter": 1}, "steps": [step.as_json() for step in steps]}


def test_every_fault_can_strike_and_is_counted():
    struck = Counter(f"fault: {name} @ {kind}" for kind, names in FAULTS.items() for name in names)
    table, missing = coverage_table(struck)
    assert not missing
    assert all(name in table for name in KINDS)
