"""A process that helps whichever run of this org is under way: `rebates work`, and a scheduler between its slots."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Literal

import structlog

from connector import errors
from jobs import login_pause
from jobs.app import App
from jobs.compute_shards import compute_shard
from jobs.failures import tell_failure
from jobs.push import push_shard
from jobs.refusals import Interrupted, Refused
from jobs.rules_in_use import rules_in_use
from jobs.shard_work import LOOK_SECONDS, Hand, Shift, beating, work_once
from state import shards
from state.errors import WrongOrg

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
                rests = _session(app, lambda: stop.is_set() or until(), alone)
            if rests:
                stop.wait(IDLE_SECONDS)
        except Exception as error:  # noqa: BLE001 a scheduler's slots are worth more than its help
            tell_failure("worker.failed", error)
            stop.wait(IDLE_SECONDS)


def _session(app: App, over: Callable[[], bool], alone: threading.Lock | None) -> bool:
    """With one set of connections and rules: until the work is over that was found, or none came. Returns whether to
    rest before the next one: what could not be done now can hardly be done at once."""
    with app.store.read() as tx:
        if login_pause.helper_rests(tx, app.clock.now()):
            return True
    hand = Hand(app, rules_in_use(app), helps=True)
    began, worked = app.clock.monotonic(), False
    with app.store.aside() as tx:
        shards.arrive(tx, app.owner, rules=hand.rules, now=app.lease_time(tx))
    try:
        with beating(hand):
            while not over():
                with alone or nullcontext():
                    found = _help(hand)
                if found == "given back":
                    return True
                worked = worked or found == "worked"
                if found == "worked":
                    continue
                if worked or app.clock.monotonic() - began > IDLE_SECONDS:
                    return False
                app.clock.sleep(LOOK_SECONDS)
        return False
    finally:
        with app.store.aside() as tx:
            shards.leave(tx, app.owner)


def _help(hand: Hand) -> Literal["worked", "nothing", "given back"]:
    app = hand.app
    try:
        return "worked" if work_once(hand, work_on) else "nothing"
    except Interrupted:
        return "nothing"
    except (errors.AuthenticationFailed, errors.WrongOrg, WrongOrg) as error:
        with app.store.aside() as tx:
            login_pause.note_helper_refused(tx, error.code, app.clock.now())
        hint = "this host helps again in fifteen minutes, or once `rebates doctor` got in here"
        log.error("worker.refused", error=str(error), code=error.code, hint=hint)
        return "given back"
    except (errors.SyncError, Refused) as error:
        # The leader takes what we cannot do and says why, if it cannot either.
        log.warning("shard.given_back", error=type(error).__name__, code=error.code)
        return "given back"


def work_on(shift: Shift) -> None:
    """Whatever the shard is a part of. What is written to an org is written to the leader's, or not at all."""
    if shift.shard.part == "push":
        shift.app.require_org_of_store()
    {"compute": compute_shard, "push": push_shard}[shift.shard.part](shift)
