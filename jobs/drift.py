"""Drift: what the org shows in our fields against what it was told; tasks against what became of them.

A value that a person changed is sent again, a standing that was deleted is made again. A task is never repaired:
one that a person closed or deleted is dismissed, one that a person gave to a colleague stays with the colleague.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import structlog
from sqlalchemy import Connection

from connector import choose, errors
from connector.port import Page
from jobs import task_statuses
from jobs.alerting import TASK_CHANGE
from jobs.app import App
from jobs.left_behind import left_keys
from jobs.preflight import fitted_targets
from jobs.strangers import Stranger, among, note
from mappings.model import PushTarget
from mappings.task_status import TaskStatus, closing, left_open_by
from state import acknowledged, addressees, meta, outbox, people, tasks
from state.outbox import Wanted
from state.tasks import TaskRow

log = structlog.get_logger()

FEW = 5  # so many of our records may vanish without a question
SAMPLES = 20
SEEN_CLOSED = "tasks.seen_closed"  # in `meta`: what we closed until then was seen closed in the org
CLOSED_AT_ONCE = 10_000  # of closed tasks that are looked at in one night
STILL_BEING_WRITTEN = timedelta(minutes=10)  # another worker may close one now and commit later


@dataclass
class Drift:
    """`changed` and `gone` are differences; `dismissed` and `reassigned` are people's decisions about tasks. `closed_again`:
    tasks that we closed and the org held open."""

    compared: int = 0
    changed: int = 0
    gone: int = 0
    dismissed: int = 0
    reassigned: int = 0
    closed_again: int = 0
    samples: list[dict[str, str]] = field(default_factory=list)
    stopped: dict[str, errors.SyncError] = field(default_factory=dict)

    def note(self, object_name: str, key: str, name: str) -> None:
        if len(self.samples) < SAMPLES:
            self.samples.append({"object": object_name, "key": key, "field": name})


@dataclass(frozen=True)
class Difference:
    """One field of one record; `field` is None when the whole record is gone."""

    key: str
    field: str | None


def compared_targets(app: App) -> Iterator[PushTarget]:
    """The push tables whose records are states: standings and account fields."""
    for name in ("standing", "account"):
        target = app.mapping.push.get(name)
        if target is not None and name in app.settings.push.targets and target.when != "never":
            yield target


def compare(
    app: App, target: PushTarget, strangers: list[Stranger] | None = None
) -> tuple[list[Difference], int]:
    """What the org holds in our fields against the last payload that it acknowledged; and how many were compared.

    The sequence is compared, too: an older number than the one that was confirmed means that the record was put back
    to an older state (X5). Records of accounts that are gone (deleted, merged away), and of standings that are not in force
    any more, are nobody's and are left out. `strangers` takes up records that the org was never told of by this store.
    """
    with app.store.read() as tx:
        fence = fitted_targets(tx, {target.name: target})[target.name].fence
        confirmed = acknowledged.sequences(tx, target.object) if fence is not None else {}
        told = outbox.last_done(tx, target.object)
        lost = people.gone(tx)
        of = addressees.accounts_of(tx, target.object)
        left = left_keys(tx) if target.name == "standing" else set[str]()
        org_id = meta.org_id(tx)
    told = {key: payload for key, payload in told.items() if of.get(key) not in lost and key not in left}
    fields = [name for name in target.fields if name not in target.volatile and name != target.match]
    key = target.match or "Id"
    asked = dict.fromkeys([key, *fields, *([fence] if fence is not None else [])])
    query = f"SELECT {', '.join(asked)} FROM {target.object}"
    if key != "Id":
        query += f" WHERE {key} != null"
    found: list[Difference] = []
    seen: set[str] = set()
    for page in _read(app, query, len(told), deleted=False):
        rows = page.table.to_pylist()
        if strangers is not None and org_id is not None and target.name == "standing":
            strangers += among(target, org_id, (row for row in rows if row[key] not in of))
        for row in rows:
            expected = told.get(row[key])
            if expected is None:
                continue
            seen.add(row[key])
            found += [
                Difference(row[key], name)
                for name in fields
                if name in expected and not same(expected[name], row[name])
            ]
            if fence is not None and _went_back(row[fence], confirmed.get(row[key], 0)):
                found.append(Difference(row[key], fence))
    found += [Difference(missing, None) for missing in sorted(told.keys() - seen)]
    return found, len(seen)


def _went_back(number: str | None, confirmed: int) -> bool:
    """No number at all is a record that was last written before the org had the field."""
    return number is not None and Decimal(number) < confirmed


def repair(app: App, *, accept_missing: bool = False) -> Drift:
    """Find every difference and make the next plan send it again; write down what people did to tasks."""
    result = Drift()
    for target in compared_targets(app):
        with app.progress.step(f"compare {target.object}"):
            unknown: list[Stranger] = []
            found, compared = compare(app, target, unknown)
        result.compared += compared
        if unknown:
            with app.store.transaction() as tx:
                note(tx, unknown)
        gone = [one.key for one in found if one.field is None]
        changed = sorted({one.key for one in found if one.field is not None})
        for one in found:
            result.note(target.object, one.key, one.field or "(the record is gone)")
        allowed = max(FEW, int((compared + len(gone)) * app.settings.sync.lost_rows_share))
        if len(gone) > allowed and not accept_missing:
            result.stopped[target.object] = _vanished(target, len(gone), compared + len(gone))
            gone = []
        result.changed += len(changed)
        result.gone += len(gone)
        if changed or gone:
            log.warning("drift.found", object=target.object, changed=len(changed), gone=len(gone))
            with app.store.transaction() as tx:
                acknowledged.distrust(tx, target.object, [*changed, *gone])
                meta.drop(tx, "push.mapping")  # the next plan compares everything, not only what moved
    _look_after_tasks(app, result)
    return result


def _vanished(target: PushTarget, gone: int, known: int) -> errors.Misconfigured:
    return errors.Misconfigured(
        "ROWS_VANISHED",
        sobject=target.object,
        detail=f"{gone:,} of our {known:,} records are no longer visible; none was made again",
        hint=f"Check that the integration user may still see every {target.object} (rebates doctor). "
        "If they were really deleted: rebates reconcile --accept-missing",
    )


def _look_after_tasks(app: App, result: Drift) -> None:
    """What became of the tasks that we hold for open, and whether those that we closed lately are closed in the org, too."""
    target = app.mapping.push.get("task")
    if target is None or "task" not in app.settings.push.targets or target.match is None:
        return
    now = app.clock.now()
    with app.store.read() as tx:
        open_ones = {task.key: task for task in tasks.still_open(tx)}
        unborn = {task.key for task in tasks.never_made(tx)}
        closed_ones, seen_until = closed_lately(tx, now)
    if not open_ones and not unborn and not closed_ones:
        return
    statuses = task_statuses.look(app)
    seen: set[str] = set()
    with app.progress.step("look after tasks") as step:
        for found in task_states(app, target, len(open_ones) + len(closed_ones)):
            if found.key in unborn:
                _adopt_late(app, target, found)
            if found.key in closed_ones and not found.is_over:
                result.closed_again += _close_again(app, target, found, statuses)
            task = open_ones.get(found.key)
            if task is None:
                continue
            seen.add(found.key)
            step.advance(1)
            with app.store.transaction() as tx:
                if found.is_over:
                    result.dismissed += tasks.closed(tx, task.key, "dismissed", now=app.clock.now())
                elif task.sf_id is None:
                    tasks.found(tx, task.key, sf_id=found.sf_id, owner_id=task.owner_id)
                elif found.given_away_from(task.owner_id) and not is_reassigned(task.document):
                    tasks.annotate(tx, task.key, reassigned(task.document))
                    result.reassigned += 1
        with app.store.transaction() as tx:
            # Known to have been in the org and no longer even in its recycle bin: a person deleted it long ago.
            for key in sorted(open_ones.keys() - seen):
                if open_ones[key].sf_id is not None:
                    result.dismissed += tasks.closed(tx, key, "dismissed", now=app.clock.now())
            meta.put(tx, SEEN_CLOSED, seen_until.isoformat())


def closed_lately(tx: Connection, now: datetime) -> tuple[dict[str, TaskRow], datetime]:
    """Tasks that we closed and have not seen closed in the org yet; and until when they are seen once these are.

    All of them the first time: an earlier version took the answer to the write for the deed.
    """
    noted = meta.get(tx, SEEN_CLOSED)
    since = datetime.fromisoformat(noted) if noted is not None else None
    found = tasks.closed_by_us(tx, since=since, limit=CLOSED_AT_ONCE)
    until = now - STILL_BEING_WRITTEN
    if len(found) == CLOSED_AT_ONCE and found[-1].closed_at is not None:
        until = min(until, found[-1].closed_at)  # the rest is looked at by the next one
    return {task.key: task for task in found}, max(until, since) if since is not None else until


def _close_again(app: App, target: PushTarget, found: TaskState, statuses: Sequence[TaskStatus]) -> bool:
    """It was closed with a status that closes nothing here (any more). One that a person opened again stays open."""
    with app.store.transaction() as tx:
        if not left_open_by(found.status, closing(target, statuses), statuses):
            return False
        log.warning("task.left_open", key=found.key, status=found.status)
        tasks.reopened(tx, found.key)
        _want_closed(app, tx, target, found.key)
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


@dataclass(frozen=True)
class TaskState:
    """A task as the org has it, from its recycle bin and archive too."""

    key: str
    sf_id: str
    owner_id: str | None
    created_by: str | None
    is_closed: bool
    is_deleted: bool
    status: str | None

    @property
    def is_over(self) -> bool:
        return self.is_closed or self.is_deleted

    def given_away_from(self, owner_id: str | None) -> bool:
        """Whether somebody else has it than the one we gave it to (our own user, when we named nobody)."""
        return self.owner_id != (owner_id or self.created_by)


def task_states(
    app: App, target: PushTarget, expected: int, *, where: str | None = None
) -> Iterator[TaskState]:
    """Our tasks in the org, all of them or those that the SOQL condition `where` names."""
    columns = ("Id", str(target.match), "OwnerId", "CreatedById", "IsClosed", "IsDeleted", "Status")
    query = f"SELECT {', '.join(columns)} FROM {target.object} WHERE {where or f'{target.match} != null'}"
    for page in _read(app, query, expected, deleted=True):
        for sf_id, key, owner, created_by, closed, deleted, status in zip(
            *(page.table.column(name).to_pylist() for name in columns), strict=True
        ):
            yield TaskState(key, sf_id, owner, created_by, closed == "true", deleted == "true", status)


def is_reassigned(document: str) -> bool:
    """Whether a person gave the task to somebody; we then leave its owner alone."""
    return bool(json.loads(document).get("reassigned"))


def reassigned(document: str) -> str:
    """The same note with that written down."""
    return json.dumps({**json.loads(document), "reassigned": True}, sort_keys=True)


def same(told: Any, found: str | None) -> bool:
    """Whether the org's text is the value that we sent. Salesforce stores an empty text as null."""
    if told is None or told == "":
        return found is None or found == ""
    if found is None:
        return False
    if isinstance(told, bool):
        return found.lower() == str(told).lower()
    if isinstance(told, (Decimal, int)):
        return Decimal(found) == Decimal(told)
    return found.strip() == str(told).strip()


def _read(app: App, query: str, expected: int, *, deleted: bool) -> Iterator[Page]:
    bulk = choose.choose_read(expected, app.org.usage.budget_left) == "bulk"
    ask = app.org.bulk_query if bulk else app.org.query
    for page in ask(query, include_deleted=deleted):
        yield page
        app.pace.attend()
