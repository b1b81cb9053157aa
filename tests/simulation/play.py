"""Plays one history: the steps of a tape, the checks after each, then peace. Also makes failing tapes smaller."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jobs.sync import EVERYTHING, Part
from tests.simulation import checks, peace
from tests.simulation.network import KINDS
from tests.simulation.processes import SimApp
from tests.simulation.tape import RUNS, WAITS, Step, Tape
from tests.simulation.template import Template
from tests.simulation.world import World

PARTS: dict[str, tuple[Part, ...]] = {
    "sync": EVERYTHING,
    "pull": ("pull",),
    "compute": ("compute",),
    "push": ("push",),
}


@dataclass
class Outcome:
    """What became of one history; no violations: all promises held."""

    tape: Tape
    digest: str = ""
    violations: list[str] = field(default_factory=list)
    coverage: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    trace: list[str] = field(default_factory=list)


def play_seed(template: Template, seed: int) -> Outcome:
    return play(template, Tape.from_seed(seed, KINDS))


def play(template: Template, tape: Tape) -> Outcome:
    """One history from its start to peace, in a folder of its own."""
    with template.folder_for_one() as folder:
        world = World(template, tape, folder)
        try:
            violations = _history(world)
        except Exception:  # anything that is no refusal of ours is a finding, whatever it is
            violations = [f"it fell over: {traceback.format_exc(limit=-6)}"]
        finally:
            outcome = Outcome(tape, world.digest(), [], world.coverage, world.requests, world.trace)
            world.close()
    outcome.violations = violations
    return outcome


def _history(world: World) -> list[str]:
    app = world.process()
    while (step := world.tape.next_step()) is not None:
        world.trace.append(f"step {step.name}")
        app = _step(world, app, step)
        violations = checks.after_step(world)
        if violations:
            return [f"after {step.name}: {one}" for one in violations]
    if app.alive:
        app.close()
    return [f"at peace: {one}" for one in peace.at_peace(world)]


def _step(world: World, app: SimApp, step: Step) -> SimApp:
    """Do one step; the process that goes on."""
    world.clock.sleep(2)
    if step.name == "wait":
        world.clock.sleep(WAITS[step.args[0] % len(WAITS)])
    elif step.name == "restart":
        app.close()
        app = world.process()
    elif step.name == "backup":
        world.back_up(app)
    elif step.name == "restore":
        app = world.restore(app)
    elif step.name == "our_clock":
        world.set_clock(step.args[0])
    elif step.name in RUNS:
        world.clock.sleep(2)  # a window ends up to three seconds ago: what people do is whole or not in it
        told = world.run_reconcile(app) if step.name == "reconcile" else world.run(app, PARTS[step.name])
        world.trace.append(f"{app.number} {step.name}: {told}")
        if not app.alive:
            app = world.process()
            world.clock.sleep(
                (0, 960, 960)[step.args[0] % 3 if step.args else 0]
            )  # the dead one's lease ends
    else:
        world.act(step.name, step.args)
    return app


def shrink(template: Template, tape: Tape, still_fails: Callable[[Outcome], bool], tries: int = 400) -> Tape:
    """The smallest tape found that still fails: without steps, then without what went wrong inside them."""

    def fails(data: dict[str, Any]) -> bool:
        nonlocal tries
        tries -= 1
        return tries >= 0 and still_fails(play(template, Tape.of(data)))

    data = tape.as_json()
    data["steps"] = _minimal(data["steps"], lambda steps: fails({**data, "steps": steps}))
    for number, step in enumerate(data["steps"]):
        for point in list(step.get("events", {})):
            events = {n: e for n, e in data["steps"][number]["events"].items() if n != point}
            without = [*data["steps"]]
            without[number] = {**data["steps"][number], "events": events}
            if fails({**data, "steps": without}):
                data["steps"] = without
    return play(template, Tape.of(data)).tape  # as it was played: what never came to pass is not in it


def _minimal(items: list[Any], fails: Callable[[list[Any]], bool]) -> list[Any]:
    """Delta debugging: leave out chunks, halving them, as long as it still fails."""
    size = max(1, len(items) // 2)
    while True:
        at = 0
        while at < len(items):
            fewer = items[:at] + items[at + size :]
            if fails(fewer):
                items = fewer
            else:
                at += size
        if size == 1:
            return items
        size = max(1, size // 2)
