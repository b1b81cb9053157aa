"""Changing tasks that are in the org already: closing them, giving them to another owner. People go first.

Before anything is written, the tasks are looked at: one that a person closed or deleted is dismissed and left as it
is, one that a person gave to a colleague keeps that owner. One that the org does not show is left to the nightly look.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import Connection

from connector.errors import STALE_SEQUENCE
from connector.port import JsonValue, RowResult
from jobs.app import App
from jobs.task_statuses import closing_status
from jobs.tasks_at_night import note_closed_by_us
from jobs.tasks_in_org import TaskState, by_id, by_key, is_reassigned, reassigned
from mappings.model import PushTarget
from state import addressees, tasks
from state.outbox import Row
from state.tasks import TaskRow

log = structlog.get_logger()


def change_tasks(app: App, target: PushTarget, rows: Sequence[Row]) -> list[RowResult]:
    """One answer a row. A row that people made pointless is answered as done, without a write."""
    _adopt(app, target, rows)
    with app.store.read() as tx:
        ours = {row.ext_key: tasks.get(tx, row.ext_key) for row in rows}
        status = closing_status(tx, target)
        on_the_way = addressees.in_flight(tx, target.object, list(ours))
    made = [task.sf_id for task in ours.values() if task and task.sf_id]
    in_org = {state.sf_id: state for state in by_id(app, target, made)}
    sending: list[Row] = []
    answers: dict[str, RowResult] = {}
    out_of_sight = 0
    with app.store.transaction() as tx:
        for row in rows:
            task = ours[row.ext_key]
            if task is None or task.sf_id is None:
                if row.ext_key in on_the_way:  # its sender did not come back: known once it was swept
                    answers[row.ext_key] = RowResult(row.ext_key, ok=False, code="NOT_SENT")
                elif "Status" in row.payload:  # over before it was ever made: then it never will be
                    addressees.close_event(tx, target.object, row.ext_key, now=app.clock.now())
                    answers[row.ext_key] = RowResult(row.ext_key, ok=True)
                else:  # not yet there: its creation carries the owner, and the next plan looks again
                    answers[row.ext_key] = RowResult(
                        row.ext_key, ok=False, code="NOT_SENT", message=STALE_SEQUENCE
                    )
                continue
            found = in_org.get(task.sf_id)
            if (
                found is None
            ):  # out of sight, or deleted long ago: the nightly look at all of them tells which
                out_of_sight += 1
                answers[row.ext_key] = RowResult(
                    row.ext_key, ok=False, code="NOT_SENT", message=STALE_SEQUENCE
                )
            elif found.was_closed_by_us(status):
                note_closed_by_us(tx, task, found, now=app.clock.now())
                answers[row.ext_key] = RowResult(row.ext_key, ok=True, id=task.sf_id)
            elif found.is_over:
                tasks.closed(tx, task.key, "dismissed", now=app.clock.now())
                answers[row.ext_key] = RowResult(row.ext_key, ok=True, id=task.sf_id)
            elif "OwnerId" in row.payload and _is_somebody_elses(task, found):
                tasks.annotate(tx, task.key, reassigned(task.document))
                answers[row.ext_key] = RowResult(row.ext_key, ok=True, id=task.sf_id)
            else:
                sending.append(row)
    if out_of_sight:
        log.warning("tasks.out_of_sight", rows=out_of_sight)
    if len(sending) < len(rows):
        log.info("tasks.left_alone", rows=len(rows) - len(sending))
    if sending:
        ids = {row.ext_key: task.sf_id for row in sending if (task := ours[row.ext_key])}
        sent = app.org.update(
            target.object, [{"Id": ids[row.ext_key], **_as_of_now(row, status)} for row in sending]
        )
        answers |= {row.ext_key: answer for row, answer in zip(sending, sent, strict=True)}
    return [answers[row.ext_key] for row in rows]


def _as_of_now(row: Row, status: str) -> dict[str, JsonValue]:
    """What closes a task is what the org says now, not what it said when the row was planned."""
    return {**row.payload, "Status": status} if "Status" in row.payload else dict(row.payload)


def _adopt(app: App, target: PushTarget, rows: Sequence[Row]) -> None:
    """Tasks that we do not know of but that may have been made, by a request whose answer never came: they are
    looked for by key. One that is there was delivered."""
    with app.store.read() as tx:
        unknown = [row.ext_key for row in rows if (task := tasks.get(tx, row.ext_key)) and task.sf_id is None]
        maybe = addressees.tried(tx, target.object, unknown)
    found = list(by_key(app, target, maybe))
    if not found:
        return
    with app.store.transaction() as tx:
        for one in found:
            owner_id = addressees.delivered(
                tx, target.object, one.key, sf_id=one.sf_id, now=app.clock.now()
            ).get("OwnerId")
            tasks.found(tx, one.key, sf_id=one.sf_id, owner_id=owner_id)


def note_change(tx: Connection, row: Row, *, now: datetime) -> None:
    """A change was confirmed: write down what the task is now."""
    task = tasks.get(tx, row.ext_key)
    if task is None:
        return
    if "Status" in row.payload:
        tasks.closed(tx, row.ext_key, "closed", now=now)
    elif task.sf_id is not None and not is_reassigned(task.document):
        tasks.found(tx, row.ext_key, sf_id=task.sf_id, owner_id=row.payload["OwnerId"])


def _is_somebody_elses(task: TaskRow, found: TaskState) -> bool:
    return is_reassigned(task.document) or found.given_away_from(task.owner_id)
