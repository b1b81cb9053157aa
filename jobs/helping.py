"""A process that helps whichever run of this org is under way: `rebates work`, and a scheduler between its slots."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext

import structlog

from connector import errors
from jobs.app import App
from jobs.compute_shares import compute_shard
from jobs.failures import tell_failure
from jobs.push import push_shard
from jobs.refusals import Interrupted, Refused
from jobs.rules_in_use import rules_in_use
from jobs.shifts import LOOK_SECONDS, Hand, Shift, beating, work_once
from state import shards

log = structlog.get_logger()

IDLE_SECONDS = 10.0  # then configuration and program files are read again, and connections made anew


def help_runs(
    build: Callable[[], App],
    stop: threading.Event,
    *,
    until: Callable[[], bool] = lambda: False,
    alone: threading.Lock | None = None,
) -> None:
    """Take shards of other processes' runs until `stop` is set or `until` is true.

    `alone` is held while a shard is worked on: a scheduler does not do two things at once. Raises Unusable on SQLite; ends
    for nothing else: whatever is wrong with a file, the store or the org now may be right in a moment.
    """
    with build() as app:
        app.require_shared_store()
    while not (stop.is_set() or until()):
        try:
            with build() as app:
                app.stopping = stop
                _session(app, lambda: stop.is_set() or until(), alone)
        except Exception as error:  # noqa: BLE001 a scheduler's slots are worth more than its help
            tell_failure("worker.failed", error)
            stop.wait(IDLE_SECONDS)


def _session(app: App, over: Callable[[], bool], alone: threading.Lock | None) -> None:
    """With one set of connections and rules: until the work is over that was found, or none came."""
    hand = Hand(app, rules_in_use(app), helps=True)
    began, worked = app.clock.monotonic(), False
    with app.store.aside() as tx:
        shards.arrive(tx, app.owner, rules=hand.rules, now=app.lease_time(tx))
    try:
        with beating(hand):
            while not over():
                with alone or nullcontext():
                    found = _help(hand)
                worked = worked or found
                if found:
                    continue
                if worked or app.clock.monotonic() - began > IDLE_SECONDS:
                    return
                app.clock.sleep(LOOK_SECONDS)
    finally:
        with app.store.aside() as tx:
            shards.leave(tx, app.owner)


def _help(hand: Hand) -> bool:
    try:
        return work_once(hand, work_on)
    except Interrupted:
        return False
    except (errors.SyncError, Refused) as error:
        # The leader takes what we cannot do and says why, if it cannot either.
        log.warning("shard.given_back", error=type(error).__name__, code=error.code)
        return True


def work_on(shift: Shift) -> None:
    """Whatever the shard is a part of."""
    {"compute": compute_shard, "push": push_shard}[shift.shard.part](shift)
