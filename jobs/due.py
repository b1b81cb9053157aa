"""One look at a job: the newest slot that is due is run, unless somebody has it; older ones are written down as missed.

A slot is claimed by a row `(job, slot)`: two schedulers on one database never run one slot twice. What keeps a slot from
being claimed (another run, a pause, a refused login, a store that is not there) puts it off: it is still to be had.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from connector import errors
from jobs import first_seen, login_pause
from jobs.again import again
from jobs.app import App
from jobs.clock_ahead import give_back_slots
from jobs.failures import EXPECTED, tell_failure
from jobs.refusals import (
    AnotherRun,
    BrokenPromise,
    Interrupted,
    LoginPaused,
    Paused,
    SlotTaken,
    Unusable,
)
from jobs.running import running
from jobs.settings import JobName, JobSchedule
from jobs.slots import LOOK_BACK, is_slot, latest_slot, unaccounted
from state import runs
from state.errors import StoreError, StoreLocked

log = structlog.get_logger()

PUT_OFF = "put off"
LOOKED_AT = 200  # runs by hand since the last scheduled one, at most
Work = Callable[[App, datetime], None]


@dataclass(frozen=True)
class Job:
    """A job by name, its rhythm, and what it does in a slot."""

    name: str
    schedule: JobSchedule
    work: Work


@dataclass(frozen=True)
class Look:
    """What came of one look: the outcome in a word, the slot it was about, and why it did not end well."""

    outcome: str
    slot: datetime | None = None
    error: Exception | None = None


def jobs_of(app: App) -> list[Job]:
    """The jobs that the configuration schedules."""
    works: dict[JobName, Work] = {"sync": _sync, "reconcile": _reconcile, "verify": _verify}
    found = [
        Job(name, schedule, work)
        for name, work in works.items()
        if (schedule := getattr(app.settings.schedule, name)) is not None
    ]
    if not found:
        raise Unusable("nothing is scheduled", 'add [schedule.sync] with every = "15m" to rebates.toml')
    return found


def is_owed(app: App, job: Job) -> bool:
    """Whether the newest slot passed while no scheduler was there: it is run at once, not when the next one comes. A job
    that never ran owes what came since a scheduler first had it."""
    now, settings = app.clock.now(), app.settings.schedule
    slot = latest_slot(job.schedule, settings.time_zone, now)
    with app.store.transaction() as tx:
        give_back_slots(app, tx)
        first_seen.note(tx, job.name, settings.rhythm(job.name), now)
        last = runs.latest(tx, job=job.name, until=now, limit=1)
        since = last[0].slot if last else first_seen.since(tx, job.name, settings.rhythm(job.name))
    return slot is not None and since is not None and since < slot


def run_due(app: App, job: Job) -> str:
    """As `look` does; only the outcome."""
    return look(app, job).outcome


def look(app: App, job: Job, *, told: Look | None = None) -> Look:
    """Run the newest slot that is due and not yet done; write down older ones as missed. `told` is what the look before
    came to: what it put off is not told once more."""
    zone, now = app.settings.schedule.time_zone, app.clock.now()
    slot = latest_slot(job.schedule, zone, now)
    if slot is None:
        return Look("nothing is due")
    if app.stopping.is_set():
        return Look("interrupted", slot, Interrupted())
    try:
        _note_missed(app, job, zone, slot, now)
        _require_free(app, job, slot, again=told is not None and told.outcome == PUT_OFF)
        login_pause.require_over(app)
        job.work(app, slot)
    except SlotTaken as error:
        log.info("job.skipped", job=job.name, slot=slot.isoformat(), why=error.message)
        return Look("skipped", slot)
    except Interrupted as error:
        return Look("interrupted", slot, error)
    except EXPECTED as error:
        if not _puts_off(error) or _was_begun(app, job, slot):
            tell_failure("job.failed", error, job=job.name, slot=slot.isoformat())
            return Look("parked" if isinstance(error, errors.QuotaReached) else "failed", slot, error)
        if told is None or (told.outcome, told.slot) != (PUT_OFF, slot):
            why, hint = getattr(error, "code", ""), getattr(error, "hint", None)
            tell = log.info if isinstance(error, AnotherRun) else log.warning
            tell("job.put_off", job=job.name, slot=slot.isoformat(), why=why, hint=hint)
        return Look(PUT_OFF, slot, error)
    return Look(_outcome(app, job, slot), slot)


def _puts_off(error: Exception) -> bool:
    """Whether the slot can be had later, where it was not claimed before this came up."""
    if isinstance(error, StoreError):
        return error.passes or isinstance(error, StoreLocked)
    return isinstance(error, (AnotherRun, Paused, LoginPaused))


def _runs_since(app: App, job: Job, slot: datetime) -> list[runs.Run]:
    with app.store.read() as tx:
        return runs.of_job(tx, job.name, since=slot, until=app.clock.now())


def _was_begun(app: App, job: Job, slot: datetime) -> bool:
    """Whether the slot has its row: a run broke off in the middle of it. Not known while the store cannot be read."""
    try:
        return any(run.slot == slot for run in _runs_since(app, job, slot))
    except StoreError:
        return False


def _require_free(app: App, job: Job, slot: datetime, *, again: bool) -> None:
    """Raises SlotTaken where the slot has its row, or, when it was put off, where somebody did its work by hand since. The
    row itself decides, under the lease; this look spares whoever comes second a login and a wait for the first."""
    since = _runs_since(app, job, slot)
    if any(run.slot == slot for run in since):
        raise SlotTaken("this slot has been claimed")
    if again and any(run.outcome in ("ok", "partial") for run in since):
        raise SlotTaken("it was run by hand meanwhile")


def _outcome(app: App, job: Job, slot: datetime) -> str:
    """As the run's own row says: `partial` is not `ok`."""
    with app.store.read() as tx:
        found = [run for run in runs.latest(tx, job=job.name) if run.slot == slot]
    return (found[0].outcome or "running") if found else "ok"


def _note_missed(app: App, job: Job, zone: str, slot: datetime, now: datetime) -> None:
    """Slots since the last scheduled run that nobody ran: seen in `rebates status`, counted by alerts. A run by hand
    stands for the slot before it, not for those before that. What a clock that was ahead ran or wrote down is taken back first."""
    with app.store.transaction() as tx:
        give_back_slots(app, tx)
        if taken_back := runs.unmark(tx, job.name, now=now):
            log.warning("job.missed_taken_back", job=job.name, slots=taken_back, why="our clock was ahead")
        before, rhythm = slot - timedelta(microseconds=1), app.settings.schedule.rhythm(job.name)
        first_seen.note(tx, job.name, rhythm, before)
        rows = runs.latest(tx, job=job.name, until=now, limit=LOOKED_AT)
        scheduled = (run.slot for run in rows if is_slot(job.schedule, zone, run.slot))
        never = first_seen.since(tx, job.name, rhythm) or before
        last = next(scheduled, rows[0].slot if rows else never)
        recent = runs.latest(tx, limit=50)
        ran = [run.slot for run in rows]
        # Of a nightly or weekly job at least the slot before: it lies further back than a day.
        earlier = latest_slot(job.schedule, zone, before) or before
        reach = min(now - LOOK_BACK, earlier - timedelta(microseconds=1))
        for missed in unaccounted(job.schedule, zone, ran, max(last, reach), before):
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
        found = again(app, verify, app, deep=True, with_org=False)
        run.counts["broken"] = len(found.violations) + len(found.damage)
        if not found.ok:
            log.error("verify.broken", violations=[str(v) for v in found.violations], damage=found.damage)
            raise BrokenPromise(f"{run.counts['broken']} promises of the store are broken", "rebates verify")
