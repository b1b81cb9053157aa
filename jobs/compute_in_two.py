"""The first compute of a large SQLite store by two processes: the second computes shares of the accounts and hands them over.

A SQLite file has one writer, so that workers as on PostgreSQL (`jobs.compute_shards`) are not to be had. But most of a
first compute is arithmetic and JSON. The second process reads the store as it was committed, works its shares out in
memory as this one would (`state.overlay`), and this one writes them down in its own transaction: all of it is saved
at once, or nothing. What the second process does not answer, this one computes itself.
"""

from __future__ import annotations

import os
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import structlog
from sqlalchemy import Connection

from jobs import fuses
from jobs.app import App
from jobs.clock import SystemClock
from jobs.compute_shards import Shared
from jobs.computing import begin
from jobs.in_time import in_time
from jobs.second_process import Gone, SecondProcess
from jobs.shard_compute import ShareWork, apart, share_of
from state import overlay, totals
from state.engines import Engine
from state.instants import micros, moment
from state.rules import Installed
from state.store import Store

ORDERS_WORTH = 10_000  # of a store: below, one process is done before another has begun
WORTH_SHARING = 2_000  # standings
CELLS = {"least": 300, "most": 1_500, "parts": 8}  # of a share: the last ones are waited for
AHEAD = 2  # shares that the second process has been asked for: it never waits for us

log = structlog.get_logger()


@contextmanager
def second_process(app: App) -> Iterator[SecondProcess | None]:
    """A process that can compute for this one until the block ends; None where it would not pay or help."""
    second = _started(app) if _pays(app) else None
    try:
        yield second
    finally:
        if second is not None:
            second.close()


def _pays(app: App) -> bool:
    """Whether this is the first compute of a large store in a file, on a machine with a core to spare."""
    if not isinstance(app.store, Store) or app.store.path is None or _cores() < 2:
        return False
    with app.store.read() as tx:
        return overlay.uncomputed(tx, orders=ORDERS_WORTH)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _started(app: App) -> SecondProcess:
    given = (app.configuration, app.programs, app.mapping, str(app.store.path))
    return SecondProcess("jobs.compute_in_two:answering", given)


def compute_beside(app: App, second: SecondProcess, run_pk: int, now: datetime, engine: Engine) -> Beside:
    """Begin the compute, and save that: the second process reads it."""
    with app.store.transaction() as tx, in_time(app, tx):
        begun = begin(app, tx, now, engine, scratch=app.from_scratch)
        waiting = totals.how_many_wait(tx)
        cuts = totals.waiting_among(tx, **CELLS) if waiting >= WORTH_SHARING else []
        given = {
            "of": len(cuts),
            "apart": apart(tx, begun.programs),
            "now": micros(now),
            "day": app.local_day().isoformat(),
            "run": run_pk,
        }
    return Beside(app, second, begun.installed, given, cuts)


class Beside:
    """A compute of which the second process does a part."""

    def __init__(
        self,
        app: App,
        second: SecondProcess,
        installed: Installed,
        given: dict[str, Any],
        cuts: Sequence[tuple[int, int]],
    ) -> None:
        self._app, self._second, self._given, self._cuts = app, second, given, cuts
        self._installed = installed

    def work(self, tx: Connection, advance: Callable[[int], None]) -> Shared:
        """Compute, save and plan every share, here and there, in the one transaction of this process."""
        told = list(self._worked(tx, advance))
        self._second.close()  # its memory, and what it reads, are not needed for the rest
        counted: Counter[str] = Counter()
        for one in told:
            counted += Counter(one["unusual"])
        if counted:
            fuses.remember(tx, counted)
        return Shared(self._given["run"], self._installed, tuple(told))

    def _worked(self, tx: Connection, advance: Callable[[int], None]) -> Iterator[dict[str, Any]]:
        left = deque(
            {**self._given, "number": number, "among": among} for number, among in enumerate(self._cuts)
        )
        asked: deque[dict[str, Any]] = deque()
        own: ShareWork | None = None
        there = True
        while left or asked:
            while there and left and len(asked) < AHEAD:
                asked.append(left.popleft())
                self._second.ask(asked[-1])
            if asked and (self._second.answered() or not left):
                try:
                    told, taken = self._second.answer()
                except Gone as gone:
                    # It holds nothing: what it was asked for is computed here.
                    log.warning("compute.alone", why=str(gone), shares=len(asked) + len(left))
                    there = False
                    left.extendleft(reversed(asked))
                    asked.clear()
                    continue
                share = share_of(asked.popleft())
                overlay.lay_down(tx, taken)
                totals.take_off(tx, share)
                advance(told["worked"]["standings"])
                yield told
            else:
                own = own or ShareWork(self._app, tx, self._given["run"], self._given)
                yield own.do(left.popleft(), advance)


def answering(given: tuple[Any, Any, Any, str]) -> Callable[[dict[str, Any]], tuple[Any, overlay.Taken]]:
    """In the second process: what computes a share that it is asked for."""
    configuration, programs, mapping, path = given
    worker: list[ShareWork] = []

    def answer(asked: dict[str, Any]) -> tuple[Any, overlay.Taken]:
        if not worker:  # the store is read from now on
            app = App.build(configuration, clock=SystemClock(moment(asked["now"])), rng=random.Random(0))
            over = overlay.Overlay.open(Path(path))
            app.programs, app.mapping, app.store = programs, mapping, cast(Store, over)
            worker.append(ShareWork(app, over.tx, asked["run"], asked))
        told = worker[0].do(asked, lambda cells: None)
        return told, cast(overlay.Overlay, worker[0].app.store).take()

    return answer
