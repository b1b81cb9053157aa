"""Whether the simulator sees: every known mistake is put into the program and must be noticed within its seed budget.

Caught means: a promise is broken with the mistake, on a seed on which the healthy program keeps every promise. A
program that merely falls over on the mistake proves nothing and is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.play import Outcome, play_seed
from tests.simulation.sentinels import SENTINELS, broken
from tests.simulation.template import Template


@dataclass(frozen=True)
class Caught:
    """How soon a mistake was noticed; `seed` is None when it was not."""

    name: str
    budget: int
    seed: int | None
    tried: int
    violation: str = ""

    def as_json(self) -> dict[str, object]:
        return {
            "sentinel": self.name, "budget": self.budget, "caught": self.seed is not None, "seed": self.seed,
            "seeds_needed": self.tried, "violation": self.violation,
        }  # fmt: skip


def broken_promise(outcome: Outcome) -> str | None:
    """The first violation that is one of a promise."""
    return next((one for one in outcome.violations if "it fell over" not in one), None)


def catch(template: Template, name: str, start: int = 0) -> Caught:
    """Seed after seed until the mistake shows, at most as many as its budget allows."""
    budget = SENTINELS[name][1]
    fell = ""
    for tried, seed in enumerate(range(start, start + budget), 1):
        with broken(name):
            outcome = play_seed(template, seed)
        seen = broken_promise(outcome)
        fell = fell or " ".join(outcome.violations[:1])[-100:].replace("\n", " ")
        if seen is not None and not play_seed(template, seed).violations:
            return Caught(name, budget, seed, tried, seen)
    return Caught(name, budget, None, budget, fell)  # a patch that no longer fits the program falls over


def table(found: list[Caught]) -> str:
    width = max(len(one.name) for one in found)
    lines = [f"{'sentinel':{width}}  caught by  seeds  budget  what was seen"]
    for one in sorted(found, key=lambda one: (one.seed is None, one.tried, one.name)):
        by = f"seed {one.seed}" if one.seed is not None else "NOT"
        lines.append(f"{one.name:{width}}  {by:>9}  {one.tried:5}  {one.budget:6}  {one.violation[:110]}")
    caught = sum(one.seed is not None for one in found)
    return "\n".join([*lines, f"{caught} of {len(found)} caught"])
