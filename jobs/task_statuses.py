"""The org's own task statuses: asked for when the mapping is new, once a day and in reconcile; kept in the store.

An org may have renamed "Completed", replaced it, or been made in another language.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection

from connector import errors
from mappings.model import PushTarget
from mappings.task_status import TaskStatus, closing
from state import meta

if TYPE_CHECKING:
    from jobs.app import App

log = structlog.get_logger()

KEY = "task.statuses"  # in `meta`: [[name, closed, default] …] in the org's order; [] while it does not say
QUERY = "SELECT ApiName, IsClosed, IsDefault FROM TaskStatus ORDER BY SortOrder"


def task_target(app: App) -> PushTarget | None:
    """The target of tasks, where tasks are written at all and are tasks of Salesforce's own."""
    target = app.written("task")
    return target if target is not None and target.object == "Task" else None


def ask(app: App) -> list[TaskStatus]:
    """One call. Raises Misconfigured where this user may not look."""
    return [
        TaskStatus(row["ApiName"], row["IsClosed"] == "true", row["IsDefault"] == "true")
        for page in app.org.query(QUERY)
        for row in page.table.to_pylist()
    ]


def offered(app: App) -> list[TaskStatus]:
    """The same; nothing where this user may not look."""
    try:
        return ask(app)
    except (errors.Misconfigured, errors.RowRefused) as refused:
        log.warning("tasks.statuses_unread", code=refused.code)
        return []


def look(app: App) -> list[TaskStatus]:
    """Ask and keep it. Where the org does not tell, what it said before counts."""
    if task_target(app) is None:
        return []
    found = offered(app)
    with app.store.transaction() as tx:
        if found or meta.get(tx, KEY) is None:
            meta.put(tx, KEY, json.dumps([[one.name, one.closed, one.default] for one in found]))
        return known(tx)


def known(tx: Connection) -> list[TaskStatus]:
    """What the org last said; empty: nothing."""
    return [TaskStatus(*one) for one in json.loads(meta.get(tx, KEY) or "[]")]


def is_asked(tx: Connection) -> bool:
    """Whether it was asked for at all: a store of an earlier version has not."""
    return meta.get(tx, KEY) is not None


def closing_status(tx: Connection, target: PushTarget) -> str:
    """What a task is closed with, by what the org last said."""
    return closing(target, known(tx))
