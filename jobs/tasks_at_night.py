"""Every night: what became of the tasks that we hold for open, and are those that we closed closed in the org, too?

A task is never repaired: one that a person closed or deleted is dismissed, one that a person gave to a colleague stays with the
colleague. One that our own write closed, whose answer never came, is noted as closed by us. What was closed with a status that
closes nothing is closed again. Tasks that are out of sight are nobody's decision until a person says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from connector import errors
from jobs import task_statuses
from jobs.alerting import TASK_CHANGE
from jobs.app import App
from jobs.lost_rows import allowed, vanished
from jobs.tasks_in_org import TaskState, by_id, by_key, is_reassigned, reassigned
from mappings.model import PushTarget
from mappings.task_status import TaskStatus, closing, left_open_by
from state import acknowledged, addressees, meta, outbox, tasks
from state.outbox import Wanted
from state.tasks import TaskRow

log = structlog.get_logger()

SEEN_CLOSED = "tasks.seen_closed"  # in `meta`: what we closed until then was seen closed in the org
CLOSED_AT_ONCE = 10_000  # of closed tasks that are looked at in one night
STILL_BEING_WRITTEN = timedelta(minutes=10)  # another worker may close one now and commit later


@dataclass
class TasksSeen:
    """`dismissed` and `reassigned` are people's decisions; `closed_again` were closed by us and open in the org."""

    dismissed: int = 0
    reassigned: int = 0
    closed_again: int = 0
    stopped: dict[str, errors.SyncError] = field(default_factory=dict)  # where so many are out of sight


def look_after_tasks(app: App, *, accept_missing: bool = False) -> TasksSeen:
    """Ask for each of them, and write down what was found. `accept_missing`: a person says that those out of sight are
    deleted."""
    result, target = TasksSeen(), app.written("task")
    if target is None or target.match is None:
        return result
    with app.store.read() as tx:
        open_ones = tasks.still_open(tx)
        unborn = {task.key for task in tasks.never_made(tx)}
        unseen = {task.key: task for task in open_ones if task.sf_id is None}
        # A key that no sender ever had is not in the org: its task waits to be made, or never will be.
        maybe = sorted(addressees.maybe_sent(tx, target.object, unborn | unseen.keys()))
        closed_ones, seen_until = closed_lately(tx, app.clock.now())
    if not open_ones and not maybe and not closed_ones:
        return result
    statuses = task_statuses.look(app)
    made = {task.sf_id: task for task in open_ones if task.sf_id is not None}
    with app.progress.step("look after tasks") as step:
        for found in by_key(app, target, maybe):
            if found.key in unborn:
                _adopt_late(app, target, found)
            elif found.key in unseen:
                _note(app, target, unseen[found.key], found, result)
                step.advance(1)
        seen, others_seen = set[str](), False
        for found in by_id(app, target, list(made)):
            seen.add(found.sf_id)
            _note(app, target, made[found.sf_id], found, result)
            step.advance(1)
        for found in by_id(app, target, list(closed_ones)):
            others_seen = True
            if not found.is_over:
                key = closed_ones[found.sf_id].key
                result.closed_again += _close_again(app, target, key, found.status, statuses)
    gone = sorted(made.keys() - seen)
    usual = allowed(app, len(made)) if seen or others_seen else 0
    if len(gone) > usual and not accept_missing:
        result.stopped[target.object] = _out_of_sight(target, len(gone), len(made))
        return result
    with app.store.transaction() as tx:
        # Known to have been in the org and no longer even in its recycle bin: a person deleted it long ago.
        for sf_id in gone:
            result.dismissed += tasks.closed(tx, made[sf_id].key, "dismissed", now=app.clock.now())
        meta.put(tx, SEEN_CLOSED, seen_until.isoformat())
    return result


def _out_of_sight(target: PushTarget, gone: int, known: int) -> errors.Misconfigured:
    log.error("tasks.out_of_sight", gone=gone, known=known)
    return vanished(
        target.object,
        f"{gone:,} of our {known:,} open tasks are no longer visible; none was taken for deleted by a person",
        name=target.name,
        look_at="sharing of activities, profile, permission set; rebates doctor",
    )


def _note(app: App, target: PushTarget, task: TaskRow, found: TaskState, result: TasksSeen) -> None:
    with app.store.transaction() as tx:
        if found.was_closed_by_us(task_statuses.closing_status(tx, target)):
            note_closed_by_us(tx, task, found, now=app.clock.now())
        elif found.is_over:
            result.dismissed += tasks.closed(tx, task.key, "dismissed", now=app.clock.now())
        elif task.sf_id is None:
            tasks.found(tx, task.key, sf_id=found.sf_id, owner_id=task.owner_id)
        elif found.given_away_from(task.owner_id) and not is_reassigned(task.document):
            tasks.annotate(tx, task.key, reassigned(task.document))
            result.reassigned += 1


def note_closed_by_us(tx: Connection, task: TaskRow, found: TaskState, *, now: datetime) -> None:
    """Our own closing arrived, and its answer did not."""
    tasks.found(tx, task.key, sf_id=found.sf_id, owner_id=task.owner_id)
    if tasks.closed(tx, task.key, "closed", now=now):
        log.info("task.closed_unheard", key=task.key)


def closed_lately(tx: Connection, now: datetime) -> tuple[dict[str, TaskRow], datetime]:
    """Tasks that we closed and have not seen closed in the org yet, by record id; and until when they are seen once these are.

    All of them the first time: an earlier version took the answer to the write for the deed.
    """
    noted = meta.get(tx, SEEN_CLOSED)
    since = datetime.fromisoformat(noted) if noted is not None else None
    found = tasks.closed_by_us(tx, since=since, limit=CLOSED_AT_ONCE)
    until = now - STILL_BEING_WRITTEN
    if len(found) == CLOSED_AT_ONCE and found[-1].closed_at is not None:
        until = min(until, found[-1].closed_at)  # the rest is looked at by the next one
    ids = {task.sf_id: task for task in found if task.sf_id is not None}
    return ids, max(until, since) if since is not None else until


def _close_again(
    app: App, target: PushTarget, key: str, status: str | None, statuses: Sequence[TaskStatus]
) -> bool:
    """It was closed with a status that closes nothing here (any more). One that a person opened again stays open."""
    with app.store.transaction() as tx:
        if not left_open_by(status, closing(target, statuses), statuses):
            return False
        log.warning("task.left_open", key=key, status=status)
        tasks.reopened(tx, key)
        _want_closed(app, tx, target, key)
    return True


def _adopt_late(app: App, target: PushTarget, found: TaskState) -> None:
    """A sender that slept made it after it was given up: nobody else would ever close it."""
    with app.store.transaction() as tx:
        now = app.clock.now()
        sent = addressees.delivered(tx, target.object, found.key, sf_id=found.sf_id, now=now)
        tasks.found(tx, found.key, sf_id=found.sf_id, owner_id=sent.get("OwnerId"))
        if not found.is_over:
            log.warning("task.made_late", key=found.key)
            tasks.reopened(tx, found.key)
            _want_closed(app, tx, target, found.key)


def _want_closed(app: App, tx: Connection, target: PushTarget, key: str) -> None:
    acknowledged.distrust(tx, TASK_CHANGE, [key])
    account_id = addressees.account_of(tx, target.object, key)
    done = {"Status": task_statuses.closing_status(tx, target)}
    outbox.enqueue(tx, [Wanted("state", TASK_CHANGE, key, done, account_id)], now=app.clock.now())
