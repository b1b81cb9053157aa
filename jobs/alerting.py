"""Tasks and bells: what an event means for people. Decided here, written into the outbox, sent by push.

A task is made once for an event, for ever: its key is its identity, and a person who closed it is not asked
again. It closes itself when its tier is reached or its period is over, and the day after nothing is to be won there any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

from jobs.planning_run import Planning
from jobs.task_statuses import closing_status
from jobs.tasks_in_org import is_reassigned
from jobs.views import Shown, View, with_event, with_task
from mappings.keys import sync_key
from state import meta, people, rebasing, tasks
from state.events import EventRow
from state.in_force import out_of_force
from state.outbox import Wanted
from state.people import Member
from state.tasks import TaskRow
from state.totals import Cell

# Objects of the outbox that are no sObjects of their own.
TASK_CHANGE = "Task.change"
BELL = "Notification"

DUE_WITHIN = timedelta(days=2)  # a call that waits longer is not made
URGENT_DAYS = 3


def plan_alerts(planning: Planning, news: Sequence[EventRow], touched: set[Cell], *, turned: bool) -> None:
    """Outbox rows for what happened, and for tasks that are over."""
    plan_news(planning, news)
    # After a restore it is not known which bells rang: one that is left out is better than one that rings twice.
    if rebasing.stage(planning.tx) is rebasing.Stage.QUIET:
        # while the org was not read yet, a compute alone must not answer for it
        rebasing.leave(planning.tx)
    _look_after_tasks(planning, touched, turned=turned)


def plan_news(planning: Planning, news: Sequence[EventRow]) -> None:
    """Outbox rows for what happened."""
    shown = {one.cell: one for one in planning.shown(planning.saved({e.cell for e in news}))}
    owners = _responsible(planning, [one.member for one in shown.values()])
    new_tasks, bells = [], []
    for event in news:
        one = shown.get(event.cell)
        if one is None:
            continue
        today = planning.today(one.program)
        view = planning.views.of(one, today=today)
        key = event_key(planning.org_id, one, event.kind, event.tier)
        view = with_event(view, event, key=key, happened_on=today)
        owner = owners.get(one.member.id)
        if "task" in planning.targets and event.kind in planning.targets["task"].on:
            new_tasks.append(_task(planning, one, event, view, key, owner, today))
        if "notification" in planning.targets and event.kind in planning.targets["notification"].on and owner:
            bells.append(_bell(planning, one, event, view, owner))
    planning.unusual["tasks"] += len(new_tasks)
    planning.enqueue("task", new_tasks)
    handed_over = meta.get(planning.tx, rebasing.HANDED_OVER) is not None  # until the org was read
    if rebasing.stage(planning.tx) is None or handed_over:
        planning.enqueue("notification", bells)


def event_key(org_id: str, shown: Shown, kind: str, tier: str | None) -> str:
    """The key under which an event is known in the org."""
    return sync_key(org_id, shown.program.key, shown.member.id, shown.period.key, kind, tier or "")


def _responsible(planning: Planning, members: Iterable[Member]) -> dict[str, str | None]:
    """Who is told about each account: its owner, or the configured user where the owner no longer works there."""
    wanted = {member.id: member.owner_id for member in members}
    users = people.people(planning.tx, {owner for owner in wanted.values() if owner})
    fallback = planning.app.settings.alerts.fallback_owner
    return {
        account: owner if owner and (owner not in users or users[owner].active) else fallback
        for account, owner in wanted.items()
    }


def _task(
    planning: Planning, one: Shown, event: EventRow, view: View, key: str, owner: str | None, today: date
) -> Wanted:
    target = planning.targets["task"]
    due = min(one.period.last_day, today + DUE_WITHIN)
    left = one.period.days_left(today)
    view = with_task(
        view, key=key, owner_id=owner, due=due, priority="High" if left <= URGENT_DAYS else "Normal"
    )
    payload = planning.record("task", view)
    if owner is None:
        payload.pop("OwnerId", None)  # Salesforce then gives it to our own user: better than nobody
    note = {"tier": event.tier}
    tasks.opened(
        planning.tx,
        TaskRow(key, event.kind, event.cell, json.dumps(note, sort_keys=True), owner_id=owner),
        now=planning.now,
    )
    return Wanted("event", target.object, key, payload, one.member.id)


def _bell(planning: Planning, one: Shown, event: EventRow, view: View, owner: str) -> Wanted:
    words = planning.record("notification", view)
    key = event_key(planning.org_id, one, f"bell:{event.kind}", event.tier)
    payload = {"recipient": owner, "target": one.member.id, "title": words["title"], "body": words["body"]}
    return Wanted("event", BELL, key, payload, one.member.id)


def _look_after_tasks(planning: Planning, touched: set[Cell], *, turned: bool) -> None:
    """Close what is over: the tier was reached, the period ended or is not in force, the account is gone. What is not over goes where its
    account goes, unless a person gave it to somebody (push looks before it writes)."""
    if "task" not in planning.targets:
        return
    waiting = tasks.still_open(planning.tx)
    out = out_of_force(planning.tx) if waiting else {}
    cell_of = {task.key: _cell_now(task, out) for task in waiting}
    members = people.members(planning.tx, {task.cell.member_pk for task in waiting})
    owners = _responsible(planning, members.values())
    moved = {
        task.key: owner
        for task in waiting
        if (owner := owners[members[task.cell.member_pk].id]) is not None and owner != task.owner_id
    }
    # A moved one is looked at, too: its new owner would take the place of a closing that is still on its way. And one whose
    # account is gone, every time: what was on its way to such an account was given up.
    asked = [
        task
        for task in waiting
        if turned
        or task.cell in touched
        or task.key in moved
        or task.cell.period_pk in out
        or members[task.cell.member_pk].gone
    ]
    cells = {cell for task in asked if (cell := cell_of[task.key]) is not None}
    current = {one.cell: one for one in planning.shown(planning.saved(cells))}
    over = set[str]()
    for task in asked:
        cell = cell_of[task.key]
        one = None if cell is None else current.get(cell)
        left = one is None and (turned or task.cell.period_pk in out)
        done = one is not None and (is_over(task, one, planning) or (turned and is_hollow(one)))
        if members[task.cell.member_pk].gone or left or done:
            over.add(task.key)
    closing, following = list[Wanted](), list[Wanted]()
    closed = {"Status": closing_status(planning.tx, planning.targets["task"])}
    for task in asked:
        account = members[task.cell.member_pk].id
        if task.key in over:
            closing.append(Wanted("state", TASK_CHANGE, task.key, closed, account))
        elif task.key in moved and not is_reassigned(task.document):
            following.append(Wanted("state", TASK_CHANGE, task.key, {"OwnerId": moved[task.key]}, account))
    planning.enqueue("task_closed", closing)
    planning.enqueue("task", following)


def _cell_now(task: TaskRow, out: Mapping[int, int | None]) -> Cell | None:
    """The standing that a task speaks of: where its period is not in force any more, that of the one with its name."""
    period_pk = out.get(task.cell.period_pk, task.cell.period_pk)
    return None if period_pk is None else Cell(task.cell.member_pk, period_pk)


def is_over(task: TaskRow, one: Shown, planning: Planning) -> bool:
    """Whether a near-tier task has nothing left to say: its tier is reached or there no more, or its period is over. A gap
    that only grew leaves it open: what is closed is never opened again."""
    tier = json.loads(task.document)["tier"]
    ladder = one.document.get("ladder")  # none of a program that is not there any more
    gone = ladder is not None and all(step["name"] != tier or step["reached"] for step in ladder["tiers"])
    return gone or planning.today(one.program) >= one.period.end


def is_hollow(one: Shown) -> bool:
    """Whether nothing is to be won there any more: nothing counts (the account left the program), or a rival, a budget or a
    cap takes it. Asked when the day turns, so that an order that is a draft for an hour closes nothing for ever."""
    at_next = one.document.get("rebate_at_next_tier")
    pays = at_next is not None and Decimal(at_next) > Decimal(one.document["rebate"])
    return not one.document.get("lines", 1) or ("ladder" in one.document and not pays)
