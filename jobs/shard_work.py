"""Several processes on one run: its leader cuts shards and works along, others help, each with its own connections.

A `Shift` is one process at work on one shard. Every transaction of a shift asks whether the shard is still its own;
a thread keeps it so while a call to the org takes long. See docs/decisions/0602-several-workers-on-one-org.md.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

from jobs.app import App
from jobs.refusals import Interrupted
from jobs.rules_in_use import rules_in_use
from jobs.running import Running
from state import outbox, pausing, runs, shards
from state.errors import LostLease, StoreError
from state.instants import micros, moment
from state.leases import Lease
from state.shards import Part, Shard

SHARD_TTL = timedelta(seconds=30)
BEAT_SECONDS = 5.0
PRESENT_FOR = timedelta(seconds=15)  # a helper that was not seen for longer is not counted on
LOOK_SECONDS = 0.2  # between two looks for something to do
RECALL_SECONDS = 20.0  # how long an interrupted leader waits for the others to end their batch

log = structlog.get_logger()


@dataclass
class Hand:
    """One process that takes shards. `told_calls` of its API calls are written down already."""

    app: App
    rules: str
    told_calls: int = 0
    helps: bool = False  # and leads no run of its own
    given_up: list[tuple[int, str]] = field(default_factory=list)  # (run, part) that it could not do

    def new_calls(self) -> int:
        new = self.app.calls - self.told_calls
        self.told_calls += new
        return new


@dataclass(kw_only=True)
class Shift(Running):
    """One process at work on one shard. It beats and takes notes for the shard instead of for the run."""

    shard: Shard
    hand: Hand
    leads: Running | None = None  # the leader's own run, when the leader works itself
    advance: Callable[[int], None] = field(default=lambda rows: None)

    def beat(self) -> None:
        """Between batches: stop here if asked to. The lease is kept by a thread."""
        if self.leads is not None:
            self.leads.beat()
        with self.app.store.transaction() as tx:
            recalled = shards.is_recalled(tx, self.shard)
            elsewhere = shards.calls_of(tx, self.pk) - self.hand.told_calls
        if recalled or self.app.stopping.is_set():
            raise Interrupted
        if self.leads is None:
            elsewhere += self.shard.given.get("calls", 0)
        self.app.calls_elsewhere(max(0, elsewhere))

    def look(self) -> None:
        """The leader's own shift ends with its run; a helper's when it is asked to stop."""
        if self.leads is not None:
            self.leads.look()
        if self.app.stopping.is_set():
            raise Interrupted

    def step(self, rows: int) -> None:
        """So much more is done, inside a transaction."""
        self.advance(rows)
        self.look()

    def pause(self) -> None:
        """Nothing to do until others are so far: stop here if asked to, else look again in a moment."""
        self.beat()
        self.app.clock.sleep(LOOK_SECONDS)

    def now(self) -> datetime:
        """What the leader put into the outbox is due, even where this host's clock is behind the leader's."""
        return max(self.app.clock.now(), moment(self.shard.given["at"]))

    def note(self, tx: Connection, told: Mapping[str, Any]) -> None:
        """Saved with the batch itself: whoever takes over goes on counting from here."""
        shards.tell(tx, self.shard, told, calls=self.hand.new_calls())


def hands(app: App) -> int:
    """How many processes may share this run's work: 1 where the store is one process's, or nobody is there to help."""
    if not app.store.shared:
        return 1
    rules = rules_in_use(app)
    with app.store.read() as tx:
        there = shards.present(tx, since=app.lease_time(tx) - PRESENT_FOR, rules=rules)
    process = app.owner.rpartition(":")[0]
    others = [one for one in there if one.rpartition(":")[0] != process]
    return max(1 + len(others), app.workers)


def share_out(
    run: Running,
    part: Part,
    given: Sequence[Mapping[str, Any]],
    work: Callable[[Shift], None],
    advance: Callable[[int], None],
    meanwhile: Callable[[], None] = lambda: None,
) -> list[Shard]:
    """Cut shards, work on them with whoever is there until all are done; returns them with what was told.

    `meanwhile` is done between two looks when the others have everything.
    """
    if not given:
        return []
    app, hand = run.app, Hand(run.app, rules_in_use(run.app), run.app.calls)
    offered = [{**one, "calls": app.calls, "at": micros(app.clock.now())} for one in given]
    with app.store.transaction() as tx:
        shards.cut(
            tx, run.pk, part, offered, leader_epoch=run.lease.epoch, rules=hand.rules, now=app.lease_time(tx)
        )
    log.info("shards.cut", part=part, shards=len(offered))
    try:
        with beating(hand):
            while not _all_done(run, part):
                if not work_once(hand, work, leads=run, advance=advance):
                    meanwhile()
                    run.beat()
                    app.clock.sleep(LOOK_SECONDS)
    except BaseException:
        _recall(run, hand)
        raise
    with app.store.transaction() as tx:
        found = shards.of_run(tx, run.pk, part)
        run.calls_of_others = shards.calls_of(tx, run.pk) - hand.told_calls
        shards.withdraw(tx, run.pk)
    return found


def work_once(
    hand: Hand,
    work: Callable[[Shift], None],
    *,
    leads: Running | None = None,
    advance: Callable[[int], None] = lambda rows: None,
) -> bool:
    """Claim one shard and do it. False: there was none. Errors of the work come out; the shard is then anybody's."""
    app = hand.app
    shift = _claim(hand, leads, advance)
    if shift is None:
        return False
    try:
        with _on_duty(shift):
            work(shift)
            if shift.shard.part == "push":  # what is computed was ended in the transaction that saved it
                with app.store.transaction() as tx:
                    shards.done(tx, shift.shard)
    except LostLease:
        log.warning("shard.lost", shard=shift.shard.number, run=shift.pk)
        return True
    except BaseException:
        hand.given_up.append((shift.pk, shift.shard.part))
        give_back(shift)
        raise
    log.info("shard.done", shard=shift.shard.number, part=shift.shard.part, run=shift.pk)
    return True


def claim_another(shift: Shift) -> Shift | None:
    """One more shard of the same run and part for a process that has one, while nobody wants it to stop."""
    return _claim(shift.hand, shift.leads, shift.advance, like=shift)


def _claim(
    hand: Hand, leads: Running | None, advance: Callable[[int], None], *, like: Shift | None = None
) -> Shift | None:
    app = hand.app
    run_pk = leads.pk if leads is not None else like.pk if like is not None else None
    with app.store.transaction() as tx:
        if leads is None and pausing.reason(tx) is not None:
            return None
        shard = shards.claim(
            tx,
            rules=hand.rules,
            owner=app.owner,
            ttl=SHARD_TTL,
            now=app.lease_time(tx),
            run_pk=run_pk,
            part=None if like is None else like.shard.part,
            but_not=hand.given_up,
        )
        if shard is None:
            return None
        if shard.before is not None:
            log.warning("shard.taken_over", shard=shard.number, run=shard.run_pk, before=shard.before)
            if shard.part == "push":
                outbox.free(tx, shard.given["lanes"], sender=shard.before)
        run = runs.get(tx, shard.run_pk)
    assert run is not None, shard
    lease = Lease(shards.ORG, run.owner, shard.leader_epoch, shard.expires_at)
    return Shift(app, run.pk, run.job, run.slot, lease, shard=shard, hand=hand, leads=leads, advance=advance)


@contextmanager
def _on_duty(shift: Shift) -> Iterator[None]:
    """Every transaction inside asks for the shard, and for its leader."""
    store = shift.app.store
    before, store.guard = store.guard, lambda tx: shards.check(tx, shift.shard)
    pace = shift.app.pace
    if (
        shift.leads is None
    ):  # a helper that waits for the org hears that it is called back; a leader's run is heard already
        shift.app.pace = shift
    try:
        with structlog.contextvars.bound_contextvars(run=shift.pk, shard=shift.shard.number):
            yield
    finally:
        store.guard = before
        shift.app.pace = pace


def give_back(shift: Shift) -> None:
    """The shard is anybody's again, and so are the rows that we had in flight: their keys tell what was written."""
    app = shift.app
    with app.store.aside() as tx:
        if shift.shard.part == "push" and shards.is_ours(tx, shift.shard):
            outbox.free(tx, shift.shard.given["lanes"], sender=app.owner)
        shards.give_back(tx, app.owner, now=app.lease_time(tx))


@contextmanager
def beating(hand: Hand) -> Iterator[None]:
    """Inside, a thread says every few seconds that we are there and still at work."""
    app, over = hand.app, threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_SECONDS):
            try:
                with app.store.aside() as tx:
                    now = app.lease_time(tx)
                    shards.renew(tx, app.owner, ttl=SHARD_TTL, now=now)
                    if hand.helps:
                        shards.arrive(tx, app.owner, rules=hand.rules, now=now)
            except StoreError as error:
                log.warning("shard.not_renewed", error=str(error))

    thread = threading.Thread(target=beat, name="beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _all_done(run: Running, part: Part) -> bool:
    with run.app.store.transaction() as tx:
        return all(one.state == "done" for one in shards.of_run(tx, run.pk, part))


def _recall(run: Running, hand: Hand) -> None:
    """The run ends before its work: the others end their batch, and nothing is offered any more."""
    app = run.app
    end = app.clock.monotonic() + RECALL_SECONDS
    with app.store.aside() as tx:
        shards.recall(tx, run.pk, leader_epoch=run.lease.epoch)
    while app.clock.monotonic() < end:
        with app.store.aside() as tx:
            now = app.lease_time(tx)
            owned = [one for one in shards.of_run(tx, run.pk) if one.owner is not None]
            run.calls_of_others = shards.calls_of(tx, run.pk) - hand.told_calls
        if not any(one.expires_at > now for one in owned):
            break
        app.clock.sleep(LOOK_SECONDS)
    with app.store.aside() as tx:
        shards.withdraw(tx, run.pk)
