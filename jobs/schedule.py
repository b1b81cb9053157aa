"""`rebates schedule run`: APScheduler is the alarm clock, the database decides.

A slot is claimed by a row `(job, slot)`: two schedulers on one database never run one slot twice. Slots that
passed while nobody was there are run once, the newest, and the others are written down as missed.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger

from connector import errors
from jobs import login_pause
from jobs.again import again
from jobs.app import App
from jobs.clock import SystemClock
from jobs.failures import tell_failure
from jobs.helping import help_runs
from jobs.refusals import AnotherRun, BrokenPromise, Interrupted, Paused, Refused, Unusable
from jobs.running import running
from jobs.settings import JobSchedule
from jobs.slots import LOOK_BACK, is_slot, latest_slot, next_slot, unaccounted
from mappings.problems import MappingProblems
from state import runs
from state.errors import StoreError

log = structlog.get_logger()

HANGS_AFTER = timedelta(minutes=10)  # beyond its time: no call takes longer
LOOK_AGAIN = timedelta(minutes=1)  # after a slot that the store was not there for
PUT_OFF = "put off"
LOOKED_AT = 200  # runs by hand since the last scheduled one, at most
Work = Callable[[App, datetime], None]


@dataclass(frozen=True)
class Job:
    """A job by name, its rhythm, and what it does in a slot."""

    name: str
    schedule: JobSchedule
    work: Work


def jobs_of(app: App) -> list[Job]:
    """The jobs that the configuration schedules."""
    works: dict[str, Work] = {"sync": _sync, "reconcile": _reconcile, "verify": _verify}
    found = [
        Job(name, schedule, work)
        for name, work in works.items()
        if (schedule := getattr(app.settings.schedule, name)) is not None
    ]
    if not found:
        raise Unusable("nothing is scheduled", 'add [schedule.sync] with every = "15m" to rebates.toml')
    return found


def run_forever(build: Callable[[], App], stop: threading.Event) -> None:
    """Wait for slots and run them, until `stop` is set. A failed run is logged and the next slot comes.

    Each slot opens its own connections, so that a broken one heals by itself.
    """
    with build() as app:
        jobs, zone = jobs_of(app), app.settings.schedule.time_zone
        clock, shared = app.clock, app.store.shared
        owed = {job.name for job in jobs if _is_owed(app, job)}
    scheduler = BackgroundScheduler(timezone="UTC")
    one_at_a_time = threading.Lock()

    def due(job: Job) -> None:
        soon = False
        try:
            with one_at_a_time, build() as app:
                app.stopping = stop
                with _watched(job, app.settings.schedule.longest + HANGS_AFTER):
                    soon = run_due(app, job) == PUT_OFF
        except Exception as error:  # noqa: BLE001 whatever it was, the next slot comes
            tell_failure("job.failed", error, job=job.name)
        finally:
            if not stop.is_set():
                arm(job, within=LOOK_AGAIN if soon else None)

    def arm(job: Job, *, within: timedelta | None = None) -> None:
        # The distance comes from our clock and the alarm from the machine's: they may be shifted to each other.
        wait = next_slot(job.schedule, zone, clock.now()) - clock.now()
        at = SystemClock().now() + (wait if within is None else min(wait, within))
        scheduler.add_job(
            due, DateTrigger(at), args=[job], id=job.name, replace_existing=True, misfire_grace_time=None
        )

    with ExitStack() as closing:
        scheduler.start()
        closing.callback(scheduler.shutdown, wait=True)
        for job in jobs:
            arm(job, within=timedelta(0) if job.name in owed else None)
        log.info("schedule.started", jobs=[job.name for job in jobs])
        if shared:  # between its own slots it helps whoever leads a run
            help_runs(build, stop, alone=one_at_a_time)
        stop.wait()
        log.info("schedule.stopping")


@contextmanager
def _watched(job: Job, longest: timedelta) -> Iterator[None]:
    """When a job is still there after its time, the log says where each thread stands: nothing else would."""

    def tell() -> None:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        stands = {
            names.get(ident, str(ident)): [
                f"{f.filename}:{f.lineno}" for f in traceback.extract_stack(frame)[-6:]
            ]
            for ident, frame in sys._current_frames().items()
        }
        log.error("job.hangs", job=job.name, after=str(longest), threads=stands)

    watch = threading.Timer(longest.total_seconds(), tell)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def run_due(app: App, job: Job) -> str:
    """Run the newest slot that is due and not yet done; write down older ones as missed. Returns the outcome."""
    zone, now = app.settings.schedule.time_zone, app.clock.now()
    slot = latest_slot(job.schedule, zone, now)
    if slot is None:
        return "nothing is due"
    try:
        _note_missed(app, job, zone, slot, now)
        with app.store.read() as tx:
            refused = login_pause.pause(tx, now)
        if refused is not None:
            log.warning("job.skipped", job=job.name, slot=slot.isoformat(), why="login_refused")
            return "skipped"
        job.work(app, slot)
    except (AnotherRun, Paused) as error:
        log.info("job.skipped", job=job.name, slot=slot.isoformat(), why=error.code)
        return "skipped"
    except Interrupted:
        return "interrupted"
    except (Refused, errors.SyncError, StoreError, MappingProblems) as error:
        tell_failure("job.failed", error, job=job.name, slot=slot.isoformat())
        # A slot that nobody could claim is still to be had; one that was claimed is over, and the next one goes on.
        return PUT_OFF if isinstance(error, StoreError) and error.passes else "failed"
    return _outcome(app, job, slot)


def _outcome(app: App, job: Job, slot: datetime) -> str:
    """As the run's own row says: `partial` is not `ok`."""
    with app.store.read() as tx:
        found = [run for run in runs.latest(tx, job=job.name) if run.slot == slot]
    return (found[0].outcome or "running") if found else "ok"


def _is_owed(app: App, job: Job) -> bool:
    """Whether the newest slot passed while no scheduler was there: it is run at once, not when the next one comes."""
    now = app.clock.now()
    slot = latest_slot(job.schedule, app.settings.schedule.time_zone, now)
    with app.store.read() as tx:
        last = runs.latest(tx, job=job.name, until=now, limit=1)
    return bool(slot and last and last[0].slot < slot and now - slot < LOOK_BACK)


def _note_missed(app: App, job: Job, zone: str, slot: datetime, now: datetime) -> None:
    """Slots since the last scheduled run that nobody ran: seen in `rebates status`, counted by alerts. A run by hand
    stands for the slot before it, not for those before that. What a clock that was ahead wrote down is taken back first."""
    with app.store.transaction() as tx:
        if taken_back := runs.unmark(tx, job.name, now=now):
            log.warning("job.missed_taken_back", job=job.name, slots=taken_back, why="our clock was ahead")
        rows = runs.latest(tx, job=job.name, until=now, limit=LOOKED_AT)
        scheduled = (run.slot for run in rows if is_slot(job.schedule, zone, run.slot))
        last = next(scheduled, rows[0].slot if rows else slot)
        recent, before = runs.latest(tx, limit=50), slot - timedelta(microseconds=1)
        ran = [run.slot for run in rows]
        for missed in unaccounted(job.schedule, zone, ran, max(last, now - LOOK_BACK), before):
            busy = any(
                run.started_at <= missed and run.finished_at is not None and missed < run.finished_at
                for run in recent
            )
            why = (
                "another run was still going on" if busy else "no scheduler was running, or it was held back"
            )
            pk = runs.start(tx, job.name, missed, owner=app.owner, epoch=0, now=now)
            if pk is not None:
                runs.finish(tx, pk, "missed", now=now, error=why)
                log.warning("job.missed", job=job.name, slot=missed.isoformat(), why=why)


def _sync(app: App, slot: datetime) -> None:
    from jobs.sync import sync

    sync(app, slot=slot)


def _reconcile(app: App, slot: datetime) -> None:
    from jobs.reconcile import reconcile

    reconcile(app, slot=slot)


def _verify(app: App, slot: datetime) -> None:
    """Under the lease, so that a slot is checked once; what is broken makes it a failed run."""
    from jobs.verification import verify

    with running(app, "verify", slot) as run:
        found = again(app, lambda: verify(app, deep=True, with_org=False))
        run.counts["broken"] = len(found.violations) + len(found.damage)
        if not found.ok:
            log.error("verify.broken", violations=[str(v) for v in found.violations], damage=found.damage)
            raise BrokenPromise(f"{run.counts['broken']} promises of the store are broken", "rebates verify")
