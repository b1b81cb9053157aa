"""Safety: what must be true after every step, whatever goes wrong."""

from __future__ import annotations

import json
import re
from collections import Counter
from fractions import Fraction

from sqlalchemy import Connection, bindparam, func, select

from state import invariants, runs, watermarks
from state import standings as saved
from state.store import Store
from state.tables.facts import accounts, order_lines, orders
from state.tables.work import acknowledged, events
from state.tables.work import outbox as outbox_rows
from tests.simulation.processes import LOOKBACK
from tests.simulation.world import World

# Built once: they are asked after every step.
_TWICE = select(events.c.identity).group_by(events.c.identity).having(func.count() > 1)
_CONFIRMED = select(acknowledged.c.ext_key, acknowledged.c.seq).where(
    acknowledged.c.object == bindparam("name")
)
_NEWEST_ENQUEUED = select(func.max(outbox_rows.c.enqueued_at))
_LEFT = select(func.count()).where(
    outbox_rows.c.state.in_(("pending", "quarantined")), outbox_rows.c.enqueued_at >= bindparam("started")
)
_PERIOD = re.compile(r"\) in [^.]*\.")


def after_step(world: World) -> list[str]:
    """Safety: nothing that faults, crashes or people do may ever break these."""
    found = list(world.violations)
    world.violations.clear()
    twice = world.org.storage.rows(
        'SELECT "Rebate_Key__c", count(*) FROM "Task" WHERE "Rebate_Key__c" IS NOT NULL GROUP BY 1 HAVING count(*) > 1'
    )
    found += [f"the task {key} exists {count} times" for key, count in twice]
    found += told_once(world)
    if world.commits == world.checked:
        return found  # the store is as it was
    world.checked = world.commits
    with Store(world.template.engine(world.store_path)).read() as tx:
        found += [str(violation) for violation in invariants.check(tx)]
        found += _events_are_unique(tx)
        found += _watermarks_are_behind(world, tx)
        found += _partial_is_not_success(tx)
        found += _standings_were_true_once(world, tx)
        found += _confirmed_is_there(world, tx)
    return found


def told_once(world: World) -> list[str]:
    """Whatever keys they have: nobody is told the same thing twice. (A merge gives the tasks of one account to another:
    the name in the subject is the account that it was about.)"""
    said: Counter[tuple[str, str, str]] = Counter()
    for subject, text in world.org.storage.rows(
        'SELECT "Subject", "Description" FROM "Task" WHERE "Rebate_Key__c" IS NOT NULL'
    ):
        where = _PERIOD.search(text)
        assert where is not None, text
        said[subject.partition(":")[0], subject.partition(" to ")[2].partition(",")[0], where[0]] += 1
    return [f"{count} tasks say {what}" for what, count in said.items() if count > 1]


def _events_are_unique(tx: Connection) -> list[str]:
    return [f"the event {row.identity} was written twice" for row in tx.execute(_TWICE)]


def _standings_were_true_once(world: World, tx: Connection) -> list[str]:
    """What is computed comes from whole snapshots: every amount was the org's own at some time."""
    world.remember()
    if world.unknowable:
        return []
    ids = {row.pk: row.sf_id for row in tx.execute(select(accounts.c.pk, accounts.c.sf_id))}
    found = []
    for row in saved.find(tx):
        amount = Fraction(json.loads(row.document)["qualifying_amount"])
        key = (row.program, ids[row.cell.member_pk], row.start.isoformat())
        if amount and (*key, amount) not in world.amounts:
            found.append(f"a phantom standing: {amount} for {key} was never so in the org")
    return found


def _confirmed_is_there(world: World, tx: Connection) -> list[str]:
    """What the store calls confirmed is in the org: standings and account fields at least as new, tasks and payouts at
    all. Only people can have taken it away."""
    purged = world.coverage["org: empty_the_bin"] or world.coverage["org: delete_for_good"]
    found = []
    for name, key, sequence in (
        ("Rebate_Standing__c", "Sync_Key__c", "Rebate_Seq__c"),
        ("Account", "Id", "Rebate_Seq__c"),
        ("Task", "Rebate_Key__c", "NULL"),
        ("Rebate_Payout__c", "Sync_Key__c", "NULL"),
    ):
        there = dict(world.org.storage.rows(f'SELECT "{key}", {sequence} FROM "{name}"'))
        for row in tx.execute(_CONFIRMED, {"name": name}):
            if row.ext_key not in there:
                found += [] if purged else [f"the {name} {row.ext_key} was confirmed and is not there"]
            elif sequence != "NULL" and (there[row.ext_key] or 0) < row.seq:
                has = there[row.ext_key]
                found.append(f"the {name} {row.ext_key} was confirmed with {row.seq}; the org has {has}")
    return found


def _partial_is_not_success(tx: Connection) -> list[str]:
    """The newest run says `ok` only when nothing that it should have done is left."""
    newest = runs.latest(tx, job="sync", limit=1)
    if not newest or newest[0].outcome != "ok" or newest[0].finished_at is None:
        return []
    started = int(newest[0].started_at.timestamp() * 1_000_000)
    newer = tx.execute(_NEWEST_ENQUEUED).scalar()
    if newer is not None and newer > int(newest[0].finished_at.timestamp() * 1_000_000):
        return []  # written after it
    left = tx.execute(_LEFT, {"started": started}).scalar_one()
    return [f"a run that left {left} rows undelivered was reported as ok"] if left else []


def _watermarks_are_behind(world: World, tx: Connection) -> list[str]:
    """Every row that a watermark covers is in the store as the org has it."""
    found = []
    marks = {mark.stream: mark for mark in watermarks.read_all(tx)}
    if "order" in marks and "account" in marks:
        seen = int((marks["account"].ceiling - LOOKBACK).timestamp() * 1000)
        limit = int((marks["order"].ceiling - LOOKBACK).timestamp() * 1000)
        have = {
            row.sf_id: (row.account, bool(row.active), bool(row.deleted))
            for row in tx.execute(
                select(orders.c.sf_id, accounts.c.sf_id.label("account"), orders.c.active, orders.c.deleted)
                .join(accounts, accounts.c.pk == orders.c.account_pk)
                .where(orders.c.known)
            )
        }
        for key, account, code, gone in world.org.storage.rows(
            'SELECT "Id", "AccountId", "StatusCode", "IsDeleted" FROM "Order" WHERE "SystemModstamp" < ?',
            (limit,),
        ):
            unseen = world.coverage["org: empty_the_bin"] or world.coverage["org: hide_field"]
            if (key in world.people.moved and unseen) or world.people.moved.get(key, 0) >= seen:
                # A merge moves orders without a trace of their own: it is the loser in the bin that tells of it. While
                # orders may not be read, they stay with the loser, whose merge is known: they count for the winner.
                continue
            if have.get(key) != (account, code == "Activated", bool(gone)):
                found.append(
                    f"the watermark is ahead of the order {key}: {have.get(key)} for {(account, code, gone)}"
                )
    if "order_line" in marks:
        limit = int((marks["order_line"].ceiling - LOOKBACK).timestamp() * 1000)
        lines = {
            row.sf_id: (row.amount_e6, bool(row.deleted))
            for row in tx.execute(select(order_lines.c.sf_id, order_lines.c.amount_e6, order_lines.c.deleted))
        }
        for key, cents, gone in world.org.storage.rows(
            'SELECT "Id", "TotalPrice", "IsDeleted" FROM "OrderItem" WHERE "SystemModstamp" < ?', (limit,)
        ):
            if lines.get(key) != (cents * 10_000, bool(gone)):
                found.append(
                    f"the watermark is ahead of the order line {key}: {lines.get(key)} for {(cents, gone)}"
                )
    return found
