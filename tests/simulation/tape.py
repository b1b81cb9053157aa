"""The tape: every decision of one simulated history, drawn from a seed or read back from a recording.

A tape is a list of steps. A step is something that happens (a sync, an order, time passing) with its arguments,
and a sparse map from the n-th interruptible point inside it to what goes wrong there. Points without an entry go
well, so that leaving entries out is always a valid, simpler tape: that is what shrinking does.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REFUSALS = ("quota", "read_only", "short_results")
# How many things happen, drawn for each history; about three requests each. More and other histories find more than
# longer ones; a few are long, because some mistakes need a past.
LENGTHS = (6, 8, 10, 12, 14, 16, 18, 24)
Event = list[Any]


@dataclass
class Step:
    """One thing that happens: its name, its arguments (small integers), and what goes wrong inside it."""

    name: str
    args: list[int] = field(default_factory=list)
    events: dict[int, Event] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        events = {str(n): event for n, event in self.events.items()}
        return {"name": self.name, "args": self.args} | ({"events": events} if events else {})


# Weights of what happens. Anything that is not a run of ours or time is somebody acting in the org.
STEP_WEIGHTS = {
    "sync": 14,
    "wait": 7,
    "restart": 1,
    "backup": 1,
    "restore": 1,
    "our_clock": 1,
    "pull": 1,
    "compute": 1,
    "push": 1,
    "reconcile": 1,
    "order": 10,
    "late_order": 4,
    "give_back": 2,
    "cancel": 2,
    "activate": 1,
    "edit_line": 4,
    "delete_order": 2,
    "undelete_order": 1,
    "move_order": 2,
    "change_type": 1,
    "change_owner": 1,
    "change_family": 1,
    "close_task": 2,
    "delete_task": 1,
    "owner_leaves": 1,
    "hide_field": 1,
    "show_fields": 1,
    "quota_gone": 1,
    "quota_back": 2,
    "end_sessions": 1,
    "merge": 1,
    "delete_for_good": 1,
    "empty_the_bin": 1,
    "edit_standing": 1,
    "delete_standing": 1,
    "edit_account": 1,
    "give_task_away": 1,
    "decide_payout": 1,
}
# What makes some checks impossible (nobody can know what the org once had) or changes everything: in few histories.
RARE = ("hide_field", "merge", "delete_for_good", "empty_the_bin", "restore", "our_clock")
# What meets too seldom by chance: months are settled, finance decides, and the store goes back to before.
SETTLING = {
    "sync": 10, "wait": 4, "backup": 2, "restore": 2, "merge": 2, "order": 4, "late_order": 1, "give_back": 1, "move_order": 1,
    "edit_line": 1, "decide_payout": 2, "reconcile": 1, "restart": 1, "delete_standing": 1,
}  # fmt: skip
SETTLING_SHARE = 0.1  # of all seeds
# People save records without changing a value while runs of ours ask, and everything is compared often.
SAVING_SHARE = 0.08  # of the other seeds
SAVED = 0.15  # at a request of such a seed
RECONCILES = 8
RUNS = ("sync", "pull", "compute", "push", "reconcile")
WAITS = (1, 7, 45, 130, 960, 3600, 7200, 43_200, 90_000, 180_000)  # seconds


@dataclass
class Swarm:
    """The temper of one seed: how often what goes wrong. Many of these are zero in any one seed."""

    fault: float
    crash: float
    preempt: float
    users: float
    disk: float
    stop: float
    writes: int  # how many times likelier all that is at a request that writes
    kinds: list[str]
    weights: dict[str, int]

    @classmethod
    def drawn(cls, chance: random.Random, kinds: list[str]) -> Swarm:
        def rate(highest: float, zero: float) -> float:
            return 0.0 if chance.random() < zero else chance.random() * highest

        some = [kind for kind in kinds if chance.random() < 0.45] or kinds
        weights = {
            name: weight
            if name in ("sync", "wait") or chance.random() < (0.25 if name in RARE else 0.75)
            else 0
            for name, weight in STEP_WEIGHTS.items()
        }
        return cls(
            fault=rate(0.25, 0.25),
            crash=rate(0.025, 0.35),
            preempt=rate(0.04, 0.5),
            users=rate(0.05, 0.5),
            disk=rate(0.02, 0.8),
            stop=rate(0.02, 0.8),
            writes=chance.choice((1, 4, 8)),
            kinds=some,
            weights=weights,
        )


class Tape:
    """Draws decisions and records them, or replays them."""

    def __init__(self, setup: dict[str, Any], steps: list[Step] | None, chance: random.Random | None) -> None:
        self.setup = setup
        self.steps: list[Step] = []
        self._given = steps
        self._chance = chance
        self._swarm: Swarm | None = None
        self._saving: random.Random | None = None
        self._length = 0
        self._at = -1
        self._point = 0

    @classmethod
    def from_seed(cls, seed: int, kinds: list[str]) -> Tape:
        chance = random.Random(seed)
        setup = {
            "jitter": chance.getrandbits(32),
            "fresh": chance.random() < 0.25,  # the store is empty: the first read is part of the history
            "skew": chance.choice((0, 0, 0, 20, -20, 50, -50, 290, -290)),  # seconds our clock is ahead
            "jwt_tokens": chance.random() < 0.3,
            "page": chance.choice((0, 0, 0, 3, 7)),  # rows of a query's page; 0: as many as Salesforce gives
            "bulk": chance.random() < 0.08,  # everything goes through jobs
            "days": chance.choice((0, 0, 5, 6, 8)),  # how long nobody worked: a month ends
        }
        made = cls(setup, None, chance)
        made._length = chance.choice(LENGTHS)
        made._swarm = Swarm.drawn(chance, kinds)
        theme = _theme(seed)
        if theme.random() < SETTLING_SHARE:
            made._swarm.weights = SETTLING
            made._length = max(LENGTHS)
            setup |= {"fresh": False, "days": theme.choice((0, 5, 6, 8))}
            return made
        saving = _saving(seed)
        if saving.random() < SAVING_SHARE:
            made._saving = saving
            made._swarm.weights = made._swarm.weights | {"reconcile": RECONCILES}
        return made

    @classmethod
    def of(cls, data: dict[str, Any]) -> Tape:
        steps = [
            Step(each["name"], list(each["args"]), {int(n): e for n, e in each.get("events", {}).items()})
            for each in data["steps"]
        ]
        return cls(dict(data["setup"]), steps, None)

    @classmethod
    def load(cls, path: Path) -> Tape:
        return cls.of(json.loads(path.read_text("utf-8")))

    def as_json(self) -> dict[str, Any]:
        """What was played; before that, what was given."""
        steps = self.steps if self._at >= 0 else self._given or []
        return {"setup": self.setup, "steps": [step.as_json() for step in steps]}

    def next_step(self) -> Step | None:
        """The next thing that happens; None: the history is over."""
        self._at += 1
        self._point = 0
        if self._given is not None:
            if self._at >= len(self._given):
                return None
            given = self._given[self._at]
            step = Step(given.name, list(given.args), {})
        else:
            if self._at >= self._length:
                return None
            assert self._chance is not None
            assert self._swarm is not None
            names = list(self._swarm.weights)
            name = self._chance.choices(names, [self._swarm.weights[each] for each in names])[0]
            step = Step(name, [self._chance.randrange(1_000_000) for _ in range(6)])
        self.steps.append(step)
        return step

    def at_request(self, faults: Sequence[str], *, may_preempt: bool, writes: bool) -> Event | None:
        """What happens as this request is made; `faults` are those that make sense for it."""
        return self._event(
            lambda c, s: (
                _drawn(c, s, [f for f in faults if f in s.kinds], may_preempt, writes) or self._saved()
            )
        )

    def _saved(self) -> Event | None:
        if self._saving is None or self._saving.random() >= SAVED:
            return None
        return ["save", *_args(self._saving)]

    def at_commit(self, *, after: bool, may_preempt: bool) -> Event | None:
        """What happens just before, or just after, a transaction of the store is saved."""
        return self._event(lambda c, s: _drawn_commit(c, s, after, may_preempt))

    def _event(self, draw: Any) -> Event | None:
        number = self._point
        self._point += 1
        if not self.steps:
            return None
        step = self.steps[-1]
        if self._given is not None:
            given = self._given[self._at].events.get(number) if self._at < len(self._given) else None
            event = list(given) if given is not None else None
        else:
            event = draw(self._chance, self._swarm)
        if event is not None:
            step.events[number] = event
        return event


def people_save(seed: int) -> bool:
    """Whether people save records in this seed's history while runs of ours ask."""
    return _theme(seed).random() >= SETTLING_SHARE and _saving(seed).random() < SAVING_SHARE


def _theme(seed: int) -> random.Random:
    """Apart from the history's own chance: the other seeds stay the histories that they are."""
    return random.Random(f"theme {seed}")


def _saving(seed: int) -> random.Random:
    return random.Random(f"saving {seed}")


def _args(chance: random.Random) -> list[int]:
    return [chance.randrange(1_000_000) for _ in range(6)]


def _drawn(
    chance: random.Random, swarm: Swarm, faults: list[str], may_preempt: bool, writes: bool
) -> Event | None:
    draw = chance.random() / (swarm.writes if writes else 1)
    if draw < swarm.crash:
        return ["crash"]
    draw -= swarm.crash
    if draw < swarm.stop:
        return ["stop"]
    draw -= swarm.stop
    if draw < swarm.preempt:
        return ["preempt", *_args(chance)[:2]] if may_preempt else None
    draw -= swarm.preempt
    if draw < swarm.users:
        return ["order", *_args(chance)]
    draw -= swarm.users
    if draw < swarm.fault and faults:
        if (
            writes and chance.random() < 0.5
        ):  # what is not like a broken line: refusals, of all or of some rows
            faults = [fault for fault in faults if fault.startswith("row_") or fault in REFUSALS] or faults
        return ["fault", chance.choice(faults), *_args(chance)[:2]]
    return None


def _drawn_commit(chance: random.Random, swarm: Swarm, after: bool, may_preempt: bool) -> Event | None:
    draw = chance.random()
    if draw < swarm.crash:
        return ["crash"]
    draw -= swarm.crash
    if draw < swarm.disk and not after:
        return ["disk"]
    draw -= swarm.disk
    if draw < swarm.preempt and after and may_preempt:
        return ["preempt", *_args(chance)[:2]]
    return None
