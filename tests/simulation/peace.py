"""Liveness: what must become true once nothing goes wrong any more."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, func, select

from jobs.verification import verify
from state import addressees, outbox, people, watermarks
from state import standings as saved
from state.tables.facts import accounts
from state.tables.work import outbox as outbox_rows
from state.tables.work import standings, tasks
from tests.simulation.checks import after_step
from tests.simulation.processes import SimApp
from tests.simulation.truth import Key, True_, truth
from tests.simulation.world import World

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
    if reconciled:
        found += _closed_is_closed(world, app)
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
    daily = (
        3 if first_today else 0
    )  # rows are counted, whether it has several currencies now, and what closes a task
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
            # A merge leaves the loser's standings to the winner. What a person writes onto a record that was closed stays.
            theirs = world.coverage["org: edit_standing"] and not amount
            if (amount or rebate) and not world.coverage["org: merge"] and not theirs:
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
    """What a merge that we know of left to the winner says that it is closed and counts nothing. Closed once, it is
    nobody's: what a person writes there afterwards stays."""

    def wrong(rebate: Any) -> bool:
        return bool(rebate) and not world.coverage["org: edit_standing"]

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
        if key in known and of[key] in lost and (amount or wrong(rebate) or status != "Closed")
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
        shown = select(func.count()).select_from(standings).where(saved.SHOWN)
        assert tx.execute(shown).scalar_one() == len(seen)
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
        # Given up while it was not known whether it arrived, and found in the org when it was closed there.
        closed = select(tasks.c.key).where(tasks.c.sf_id.is_not(None), tasks.c.state != "open")
        known = done | set(tx.execute(closed).scalars())
    found = []
    if not world.coverage["org: empty_the_bin"]:
        found = [f"the task {key} is called delivered and is not in the org" for key in sorted(done - in_org)]
    late = not after_a_night and any(name.startswith("ended: LostLease") for name in world.coverage)
    # A restored store may have forgotten tasks that nothing asks for any more.
    if not world.coverage["restore"] and not late:
        found += [
            f"the task {key} is in the org and the outbox does not know" for key in sorted(in_org - known)
        ]
    return found


def _closed_is_closed(world: World, app: SimApp) -> list[str]:
    """A task that we call closed is closed in the org, or gone there: after a night, whatever its statuses are called."""
    with app.store.read() as tx:
        closed = set(
            tx.execute(
                select(tasks.c.sf_id).where(tasks.c.sf_id.is_not(None), tasks.c.state == "closed")
            ).scalars()
        )
    rows = world.org.storage.rows('SELECT "Id" FROM "Task" WHERE NOT "IsClosed" AND NOT "IsDeleted"')
    return [
        f"the task {sf_id} is called closed and is open in the org" for (sf_id,) in rows if sf_id in closed
    ]


def _field(sobject: Any, name: str) -> Any:
    found = sobject.field(name)
    assert found is not None, name
    return found


def undelivered(tx: Connection) -> dict[str, int]:
    """Outbox rows that are not over, by state."""
    return {state: n for state, n in outbox.counts(tx).items() if state not in ("done", "superseded")}
