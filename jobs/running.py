"""One run of one job: the lease, the row in the database, the bound log, and an honest ending.

Only one process works for an org at a time. A run that was killed leaves its row; the next one ends it as
abandoned and goes on from what was committed.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import FrameType
from typing import Any

import structlog
from sqlalchemy import Connection

from connector import errors
from jobs.again import again
from jobs.app import App
from jobs.clock_ahead import give_back_slots
from jobs.login_pause import note_refused
from jobs.pace import Unhurried
from jobs.refusals import AnotherRun, Interrupted, Paused, Refused, SlotTaken, TookTooLong
from state import leases, pausing, runs
from state.errors import LeaseInUse
from state.leases import ORG as LEASE
from state.leases import Lease

LEASE_TTL = timedelta(minutes=15)
BEAT_EVERY = 10.0  # seconds; each beat is a commit, and the lease is good for a quarter of an hour
RENEW_AFTER = (
    LEASE_TTL.total_seconds() / 3
)  # without a beat: the transaction that took so long renews it, too
DEAD_AFTER = timedelta(minutes=30)  # without a heartbeat

log = structlog.get_logger()


@dataclass
class Running:
    """A run that is under way. `counts` go into its row: add to them, the run's own are among them."""

    app: App
    pk: int
    job: str
    slot: datetime
    lease: Lease
    counts: dict[str, Any] = field(default_factory=dict)
    partial: bool = False
    calls_of_others: int = 0  # API calls that helpers made for this run
    ends_at: float | None = None  # monotonic; a run by hand takes as long as it takes
    beaten_at: float = 0.0  # monotonic
    thread: int = field(default_factory=threading.get_ident)  # whose the store is

    def now(self) -> datetime:
        """The moment by which rows are due."""
        return self.app.clock.now()

    def note(self, tx: Connection, told: Mapping[str, Any]) -> None:
        """A batch is being saved. The run itself keeps its counts in memory; a shard of it writes them down."""

    def beat(self) -> None:
        """Between batches: hold on to the lease, and stop here if asked to or when the time is up.

        A lease that is lost meanwhile is noticed by the next transaction: `_fenced` asks for it in each.
        """
        if self.app.clock.monotonic() - self.beaten_at >= BEAT_EVERY:
            with self.app.store.transaction() as tx:
                now = self.app.lease_time(tx)
                self.lease = leases.renew(tx, self.lease, ttl=LEASE_TTL, now=now)
                counts = self.counts | {"api_calls": self.app.calls + self.calls_of_others}
                runs.heartbeat(tx, self.pk, now, counts=counts)
            self.beaten_at = self.app.clock.monotonic()
        self.look()

    def hold_on(self, tx: Connection) -> None:
        """A transaction that took long is about to be saved: with it the lease, which may be over by now. Else somebody
        could take it in the moment between this transaction and the next beat."""
        if (
            self.app.clock.monotonic() - self.beaten_at >= RENEW_AFTER
            and threading.get_ident() == self.thread
        ):
            self.lease = leases.renew(tx, self.lease, ttl=LEASE_TTL, now=self.app.lease_time(tx))

    def look(self) -> None:
        """Stop here if asked to or when the time is up. Touches nothing: inside a transaction, too, and in any thread."""
        if self.app.stopping.is_set():
            raise Interrupted
        left = self.seconds_left()
        if left is not None and left < 0:
            raise TookTooLong(
                f"the {self.job} took longer than {self.app.settings.schedule.longest}; what was done is saved",
                "the next run goes on from here; raise [schedule] longest if that is usual",
            )

    def attend(self) -> None:
        """While something outside takes long: stop as `look` does, and hold on to the lease meanwhile."""
        self.look()
        if threading.get_ident() == self.thread:
            self.beat()

    def seconds_left(self) -> float | None:
        """Until the run must end; None: it takes as long as it takes."""
        return None if self.ends_at is None else self.ends_at - self.app.clock.monotonic()


@contextmanager
def running(app: App, job: str, slot: datetime | None = None) -> Iterator[Running]:
    """Take the lease and the slot, run, and write down how it ended. Raises AnotherRun, Paused, Interrupted."""
    when = slot or app.clock.now()
    log.debug("store.opened", store=app.store.where)  # outside of `again`: that none is there is said at once
    lease, pk = again(app, _begin, app, job, when)
    if pk is None:
        raise SlotTaken(
            f"the {job} of {when:%Y-%m-%d %H:%M:%S} UTC was already done", "nothing is left to do for it"
        )
    run = Running(app, pk, job, when, lease, beaten_at=app.clock.monotonic())
    if slot is not None:
        run.counts["rhythm"] = app.settings.schedule.rhythm(job)
        run.ends_at = app.clock.monotonic() + app.settings.schedule.longest.total_seconds()
    with structlog.contextvars.bound_contextvars(run=pk, job=job), _stoppable(app), _fenced(run):
        log.info("job.started")
        try:
            yield run
        except BaseException as error:
            _end(
                run, _outcome(error), type(error).__name__ + (f": {error}" if _tellable(error) else ""), error
            )
            raise
        _end(run, "partial" if run.partial else "ok", None)


def _begin(app: App, job: str, when: datetime) -> tuple[Lease, int | None]:
    """The same, or AnotherRun where a transaction that is under way keeps the lease as it is: nobody waits for its end."""
    try:
        return _claim(app, job, when)
    except LeaseInUse as busy:
        with app.store.read() as tx:
            holder = leases.holder(tx, LEASE)
        who = f" of {holder.owner}" if holder else ""
        raise AnotherRun(
            f"another run is working for this org: a transaction{who}, or of a dry run, holds the lock",
            "wait for it; `rebates status` shows a run, and no dry run. Where its host is gone, the server lets go within "
            "half a minute",
        ) from busy


def _claim(app: App, job: str, when: datetime) -> tuple[Lease, int | None]:
    """The lease and the run's row, or None in its place where the slot is taken (and the lease given back)."""
    if app.stopping.is_set():
        raise Interrupted  # nothing is claimed that would not be done
    with app.store.transaction() as tx:
        now, leased = app.clock.now(), app.lease_time(tx)
        if (reason := pausing.reason(tx)) is not None:
            raise Paused(f"everything is paused: {reason}", "rebates resume")
        lease = leases.acquire(tx, LEASE, owner=app.owner, ttl=LEASE_TTL, now=leased)
        if lease is None:
            holder = next((one for one in leases.held(tx, leased) if one.name == LEASE), None)
            who = f" by {holder.owner} until {holder.expires_at:%H:%M:%S} UTC" if holder else ""
            raise AnotherRun(
                f"another run is working for this org: the lock is held{who}",
                "wait for it; `rebates status` shows it. A killed process frees the lock after 15 minutes",
            )
        give_back_slots(app, tx)
        for dead in runs.abandon(tx, older_than=leased - DEAD_AFTER, now=now):
            log.warning("job.abandoned", job=dead.job, run=dead.pk)
        pk = runs.start(tx, job, when, owner=app.owner, epoch=lease.epoch, now=now, seen_at=leased)
        if pk is None:
            leases.release(tx, lease, now=leased)
    return lease, pk


@contextmanager
def _fenced(run: Running) -> Iterator[None]:
    """Every transaction of the run asks for its lease: a run that slept through it saves nothing more."""
    store = run.app.store
    store.guard = lambda tx: leases.check(tx, run.lease)
    store.at_end = run.hold_on
    run.app.pace = run
    try:
        yield
    finally:
        store.guard = store.at_end = None
        run.app.pace = Unhurried()


def _outcome(error: BaseException) -> runs.Outcome:
    if isinstance(error, (Interrupted, KeyboardInterrupt)):
        return "interrupted"
    return "parked" if isinstance(error, errors.QuotaReached) else "failed"


def _rules(app: App) -> str | None:
    """Under which programs, mapping and settings it ran (C1); None where they cannot be read."""
    from jobs.rules_in_use import rules_in_use

    try:
        return rules_in_use(app)
    except Exception as error:  # noqa: BLE001 whatever it is, how the run ended is written down
        log.warning("run.rules_unread", error=type(error).__name__)
        return None


def _tellable(error: BaseException) -> bool:
    """Errors of ours carry codes and names, never a customer's values."""
    return isinstance(error, (errors.SyncError, Refused))


def _end(run: Running, outcome: runs.Outcome, error: str | None, why: BaseException | None = None) -> None:
    run.app.store.guard = run.app.store.at_end = (
        None  # how it ended is written down also when the lease is lost
    )
    # However it ended: they count against the day's share.
    run.counts["api_calls"] = run.app.calls + run.calls_of_others
    run.counts["rules"] = _rules(run.app)

    def write_down() -> None:
        with run.app.store.transaction() as tx:
            now = run.app.clock.now()
            runs.finish(tx, run.pk, outcome, now=now, counts=run.counts, error=error)
            if isinstance(why, errors.AuthenticationFailed):
                note_refused(tx, why, now)
            leases.release(tx, run.lease, now=run.app.lease_time(tx))

    again(run.app, write_down)
    log.info("job.finished", outcome=outcome)


@contextmanager
def _stoppable(app: App) -> Iterator[None]:
    """SIGTERM and the first Ctrl-C ask; the second Ctrl-C does not."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if app.stopping.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        app.stopping.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
