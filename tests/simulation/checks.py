"""What must be true after every step (safety), and what must become true once nothing goes wrong (liveness)."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection
from datetime import timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, func, select

from jobs.verification import verify
from state import addressees, invariants, outbox, people, runs, watermarks
from state import standings as saved
from state.store import Store
from state.tables.facts import accounts, order_lines, orders
from state.tables.work import acknowledged, events, standings
from state.tables.work import outbox as outbox_rows
from tests.simulation.truth import Key, True_, truth
from tests.simulation.world import LOOKBACK, SimApp, World

SYNCS_TO_PEACE = 5
NIGHTLY = (
    "edit_standing",
    "delete_standing",
    "edit_account",
    "delete_for_good",
    "empty_the_bin",
    "hide_field",
)
IDLE_EVERY = 4  # two more syncs for one number: not in every history
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
    query = select(events.c.identity).group_by(events.c.identity).having(func.count() > 1)
    return [f"the event {row.identity} was written twice" for row in tx.execute(query)]


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
        query = select(acknowledged.c.ext_key, acknowledged.c.seq).where(acknowledged.c.object == name)
        for row in tx.execute(query):
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
    newer = tx.execute(select(func.max(outbox_rows.c.enqueued_at))).scalar()
    if newer is not None and newer > int(newest[0].finished_at.timestamp() * 1_000_000):
        return []  # written after it
    left = tx.execute(
        select(func.count()).where(
            outbox_rows.c.state.in_(("pending", "quarantined")), outbox_rows.c.enqueued_at >= started
        )
    ).scalar_one()
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


def at_peace(world: World) -> list[str]:
    """Liveness: faults end, time passes beyond every wait and lease, and a few syncs set everything right."""
    world.calm = True
    world.people.make_peace()
    world.clock.skew = timedelta(0)
    world.clock.sleep(3600)
    app = world.process()
    found: list[str] = []
    told = reconciled = ""
    calm = world.clock.moment - timedelta(minutes=1)  # nothing happens in the org from now on
    for _ in range(SYNCS_TO_PEACE):
        with app.store.transaction() as tx:
            outbox.retry(tx, now=app.clock.now())  # what an operator does once the trouble is over
        told = world.run(app)
        world.trace.append(f"peace {told}")
        world.clock.sleep(5 * 3600)
        with app.store.read() as tx:
            waiting = undelivered(tx)
            read_until = min((mark.ceiling for mark in watermarks.read_all(tx)), default=calm)
        if not _needs_a_night(world):
            # a job of a process that died is taken up with its own, older window
            if told == "ok" and not waiting and read_until >= calm:
                break
            continue
        reconciled = world.run_reconcile(app)  # the nightly comparison: what nothing else can put right
        world.trace.append(f"peace reconcile {reconciled}")
        with app.store.read() as tx:
            waiting = undelivered(tx)
        if told == reconciled == "ok" and not waiting:
            break
    else:
        ended = f"{told}, {reconciled or 'no reconcile'}"
        found.append(
            f"no peace after {SYNCS_TO_PEACE} syncs: the last ended {ended}, in the outbox {waiting}"
        )
    found += after_step(world)
    found += _standings_are_true(world, app)
    verified = verify(app, deep=True)
    found += [
        f"verify: {problem}"
        for problem in (*verified.damage, *map(str, verified.violations), *map(str, verified.drift))
    ]
    found += _delivered_exists(world, app, after_a_night=bool(reconciled))
    if not found and world.tape.setup.get("jitter", 0) % IDLE_EVERY == 0:
        found += _idle_costs_one_call(world, app)
    app.close()
    return found


def _needs_a_night(world: World) -> bool:
    """What only the nightly comparison can put right happened; where nothing of it did, syncs alone must do, except in
    every third history."""
    number: int = world.tape.setup.get("jitter", 0)
    return number // IDLE_EVERY % 3 == 0 or any(world.coverage[f"org: {name}"] for name in NIGHTLY)


def _idle_costs_one_call(world: World, app: SimApp) -> list[str]:
    world.clock.sleep(600)
    world.run(app)  # reads our own writes back
    world.clock.sleep(600)
    app.org.server_time()  # so that no question for the time is among what we count
    before = world.org.usage.total
    told = world.run(app)
    cost = world.org.usage.total - before
    (payouts,) = world.org.storage.row('SELECT count(*) FROM "Rebate_Payout__c"') or (0,)
    page = world.tape.setup.get("page") or payouts or 1
    asks = -(-payouts // page)  # finance may have decided on one: that is one more call, a page
    earlier = world.clock.moment - timedelta(minutes=11)
    if any(
        program.day_of(earlier) != program.day_of(world.clock.moment) for program in app.programs.programs
    ):
        return []  # a new day of a program: there may be something to do after all
    first_today = earlier.date() < world.clock.moment.date()
    daily = 2 if first_today else 0  # rows are counted, and whether the org has several currencies now
    if told == "ok" and 1 <= cost <= 1 + asks + daily:
        return []
    return [f"a sync with nothing to do ended {told} and cost {cost} calls"]


def _standings_are_true(world: World, app: SimApp) -> list[str]:
    """Org, store and plain arithmetic agree on every standing."""
    expected = truth(world.org, world.template.rules)
    in_org = standings_in_org(world, without=_nobodys(app))
    found = [f"the org lacks the standing {key}: {one}" for key, one in expected.items() if key not in in_org]
    for key, (amount, tier, rebate, gap) in in_org.items():
        one = expected.get(key)
        if one is None:
            if (amount or rebate) and not world.coverage[
                "org: merge"
            ]:  # a merge leaves the loser's standings to the winner
                found.append(f"the org shows {amount} and {rebate} for {key}, where nothing counts")
        elif (amount, tier, rebate, gap) != (one.amount, one.tier, one.rebate, one.gap):
            found.append(f"the org shows {(amount, tier, rebate, gap)} for {key}; true is {one}")
    found += _store_is_true(app, expected)
    found += _losers_are_closed(world, app)
    found += _payouts_are_true(world, expected)
    found += _accounts_are_true(world, expected)
    return found


def _nobodys(app: SimApp) -> set[str]:
    """Keys of standings of accounts that are gone: a merge leaves the loser's records to the winner, and nobody writes
    them any more."""
    with app.store.read() as tx:
        lost = people.gone(tx)
        of = addressees.accounts_of(tx, "Rebate_Standing__c")
    return {key for key, account in of.items() if account in lost}


def _losers_are_closed(world: World, app: SimApp) -> list[str]:
    """What a merge that we know of left to the winner says that it is closed and counts nothing."""
    with app.store.read() as tx:
        lost = {member.id for member in people.merged(tx, people.gone(tx)).values()}
        of = addressees.accounts_of(tx, "Rebate_Standing__c")
        known = addressees.maybe_sent(tx, "Rebate_Standing__c", list(of))
    rows = world.org.storage.rows(
        'SELECT "Sync_Key__c", "Status__c", "Qualifying_Amount__c", "Rebate__c" FROM "Rebate_Standing__c"'
        ' WHERE NOT "IsDeleted"'
    )
    return [
        f"the standing {key} of a merged account shows {amount} and {rebate}, {status}"
        for key, status, amount, rebate in rows
        if key in known and of[key] in lost and (amount or rebate or status != "Closed")
    ]


def standings_in_org(
    world: World, without: Collection[str] = ()
) -> dict[Key, tuple[Fraction, str | None, Fraction, Fraction | None]]:
    sobject = world.org.schema.require("Rebate_Standing__c")
    names = ("Qualifying_Amount__c", "Rebate__c", "To_Next_Tier__c")
    units = [10 ** _field(sobject, name).scale for name in names]
    rows = world.org.storage.rows(
        'SELECT "Program_Key__c", "Account__c", "Period__c", "Tier__c", "Qualifying_Amount__c", "Rebate__c", "To_Next_Tier__c",'
        ' "Sync_Key__c" FROM "Rebate_Standing__c" WHERE NOT "IsDeleted" ORDER BY "Rebate_Seq__c"'
    )
    found = {}
    for program, account, period, tier, *numbers, sync_key in rows:
        if sync_key in without:
            continue
        amount, rebate, gap = (
            None if n is None else Fraction(n, unit) for n, unit in zip(numbers, units, strict=True)
        )
        found[program, account, period] = (amount or Fraction(0), tier, rebate or Fraction(0), gap)
    return found


def _payouts_are_true(world: World, expected: dict[Key, True_]) -> list[str]:
    """Of a settled period: what was settled and all that was corrected since make what the period is worth."""
    if world.coverage["org: merge"] or world.unknowable:
        return []  # a merge leaves the loser's payouts to the winner; what is gone for good may take them along
    rows = world.org.storage.rows(
        'SELECT "Program_Key__c", "Account__c", "Period__c", sum("Amount__c") FROM "Rebate_Payout__c"'
        ' WHERE NOT "IsDeleted" GROUP BY 1, 2, 3'
    )
    paid = {(program, account, period): cents(amount) for program, account, period, amount in rows}
    settled = {(program, period) for program, _, period in paid}
    worth = {key: one.rebate for key, one in expected.items() if (key[0], key[2]) in settled}
    return [
        f"the payouts of {key} are {paid.get(key, Fraction(0))}; the period is worth {worth.get(key, Fraction(0))}"
        for key in sorted(paid.keys() | worth.keys())
        if paid.get(key, Fraction(0)) != worth.get(key, Fraction(0))
    ]


def cents(value: Any) -> Fraction:
    return Fraction(int(value or 0), 100)


def _store_is_true(app: SimApp, expected: dict[Key, True_]) -> list[str]:
    found = []
    seen = set()
    with app.store.read() as tx:
        ids = {row.pk: row.sf_id for row in tx.execute(select(accounts.c.pk, accounts.c.sf_id))}
        for row in saved.find(tx):
            document = json.loads(row.document)
            period = next(
                p.key
                for rule in app.programs.programs
                if rule.key == row.program
                for p in rule.periods()
                if p.start == row.start
            )
            key = (row.program, ids[row.cell.member_pk], period)
            seen.add(key)
            one = expected.get(key)
            rebate, amount = Fraction(document["rebate"]), Fraction(document["qualifying_amount"])
            if (rebate, amount) != ((one.rebate, one.amount) if one else (0, 0)):
                found.append(f"the store has {amount} and {rebate} for {key}; true is {one}")
        assert tx.execute(select(func.count()).select_from(standings)).scalar_one() == len(seen)
    return found + [f"the store lacks the standing {key}" for key in expected if key not in seen]


def _accounts_are_true(world: World, expected: dict[Key, True_]) -> list[str]:
    """The fields on the account are those of its open standing."""
    found = []
    rows = world.org.storage.rows(
        'SELECT "Id", "Rebate_Program__c", "Rebate_Period__c", "Rebate_Amount__c", "Rebate_Tier__c" FROM "Account" WHERE NOT "IsDeleted"'
    )
    keys = {rule["name"]: rule["key"] for rule in world.template.rules}
    for account, program, period, amount, tier in rows:
        if program is None:
            continue
        one = expected.get((keys[program], account, period))
        if (cents(amount), tier) != ((one.rebate, one.tier) if one else (0, tier)):
            found.append(f"the account {account} shows {cents(amount)} and {tier}; true is {one}")
    return found


def _delivered_exists(world: World, app: SimApp, *, after_a_night: bool) -> list[str]:
    """A task that the outbox calls delivered is in the org, deleted or not; and none is there that it does not know, but
    for what a sender that slept through its lease made after it was given up: a night finds and closes that."""
    in_org = {
        row[0]
        for row in world.org.storage.rows(
            'SELECT "Rebate_Key__c" FROM "Task" WHERE "Rebate_Key__c" IS NOT NULL'
        )
    }
    with app.store.read() as tx:
        query = select(outbox_rows.c.ext_key).where(
            outbox_rows.c.object == "Task", outbox_rows.c.state == "done"
        )
        done = set(tx.execute(query).scalars())
    found = []
    if not world.coverage["org: empty_the_bin"]:
        found = [f"the task {key} is called delivered and is not in the org" for key in sorted(done - in_org)]
    late = not after_a_night and any(name.startswith("ended: LostLease") for name in world.coverage)
    # A restored store may have forgotten tasks that nothing asks for any more.
    if not world.coverage["restore"] and not late:
        found += [
            f"the task {key} is in the org and the outbox does not know" for key in sorted(in_org - done)
        ]
    return found


def _field(sobject: Any, name: str) -> Any:
    found = sobject.field(name)
    assert found is not None, name
    return found


def undelivered(tx: Connection) -> dict[str, int]:
    """Outbox rows that are not over, by state."""
    return {state: n for state, n in outbox.counts(tx).items() if state not in ("done", "superseded")}
