"""Standings that have to be looked at again although no sum moved: other orders, other days, periods that nobody saw pass."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import select

from jobs.compute import compute
from jobs.computing import last_day
from mappings.file import standard_text
from state import meta
from state import standings as saved
from state.outbox import dump
from state.payloads import payload_hash
from state.tables.work import dirty_cells, outbox, standing_history, standings, totals

PLAIN = """
key = "plain"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
[[tiers]]
threshold = "0"
rate = "10%"
"""
MANY = 20  # orders of others: few of all are dirty then, and the difference is computed instead of everything


@pytest.fixture
def shop(make_shop):
    return make_shop()


def others(shop, many):
    shop.account("Other")
    shop.orders(
        [(f"9{n}", "Other", date(2026, 6, 1), [{"amount": 1}], {}) for n in range(many)],
    )


def test_a_program_may_have_any_key_and_its_day_is_known(shop):
    shop.program(PLAIN.replace('"plain"', '"turned"'))
    shop.account("Acme")
    for day in (date(2026, 6, 5), date(2026, 6, 6)):
        shop.today(day)
        shop.sync()
        with shop.opened.store.read() as tx:
            assert last_day(tx, "turned") == day
            assert last_day(tx, "another") is None


def shown(shop, account):
    """Numbers and days of the orders on the newest record of a standing."""
    with shop.opened.store.read() as tx:
        rows = tx.execute(
            select(outbox.c.payload)
            .where(outbox.c.object == "Rebate_Standing__c", outbox.c.account_id == shop.id_of(account))
            .order_by(outbox.c.seq)
        ).scalars()
        newest = json.loads(list(rows)[-1])
    return [(one["order"], one["date"]) for one in json.loads(newest["Contributions__c"])]


@pytest.mark.parametrize("many", [0, MANY], ids=["everything again", "the difference"])
def test_a_budget_goes_to_who_came_first_also_when_an_order_gets_another_day(shop, many):
    shop.program('budget = "60"\n' + PLAIN)
    shop.account("Acme")
    shop.account("Beta")
    shop.order("1", "Acme", date(2026, 6, 5), {"amount": 500})
    shop.order("2", "Beta", date(2026, 6, 7), {"amount": 500})
    if many:
        shop.account("Other")
        shop.orders([(f"9{n}", "Other", date(2026, 6, 20), [{"amount": 1}], {}) for n in range(many)])
    shop.sync()
    assert shop.rebates()["Acme", "2026-06"] == 50
    assert shop.rebates()["Beta", "2026-06"] == 10
    shop.order("2", "Beta", date(2026, 6, 3), {"amount": 500})
    shop.sync()
    assert shop.rebates()["Acme", "2026-06"] == 10
    assert shop.rebates()["Beta", "2026-06"] == 50
    assert shop.broken_promises() == []


@pytest.mark.parametrize("many", [0, MANY], ids=["everything again", "the difference"])
def test_an_order_that_was_cancelled_and_entered_again_is_the_one_that_the_record_shows(shop, many):
    shop.program(PLAIN)
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 6, 5), {"amount": 500})
    if many:
        others(shop, many)
    shop.sync()
    assert shown(shop, "Acme") == [("1", "2026-06-05")]
    shop.order("1", "Acme", date(2026, 6, 5), {"amount": 500}, active=False, status="Cancelled")
    shop.order("2", "Acme", date(2026, 6, 5), {"amount": 500})
    shop.sync()
    assert shop.rebates()["Acme", "2026-06"] == 50
    assert shown(shop, "Acme") == [("2", "2026-06-05")]
    shop.order("2", "Acme", date(2026, 6, 8), {"amount": 500})
    shop.sync()
    assert shown(shop, "Acme") == [("2", "2026-06-08")]


def test_what_the_org_shows_already_is_not_written_again(shop):
    shop.program(PLAIN)
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 6, 5), {"amount": 500})
    others(shop, MANY)
    shop.sync()
    shop.order("1", "Acme", date(2026, 6, 5), {"amount": 500}, status="Fulfilled")
    done = shop.sync()
    assert done.standings == 1, "it is looked at"
    assert (done.changed, done.planned.total) == (0, 0), "nothing came of it"


@pytest.mark.parametrize(
    "terms",
    [
        'guarantee = "25"\n' + PLAIN,
        'key = "plain"\nstarts = 2026-01-01\nends = 2026-12-31\n[[tiers]]\nthreshold = "0"\namount = "25"\n',
        'min_payout = "30"\nguarantee = "25"\n' + PLAIN,
        'guarantee = "25"\nguarantee_cumulative = true\n' + PLAIN,
    ],
    ids=["guarantee", "a fixed amount from 0", "hanging together", "cumulative"],
)
def test_a_period_in_which_nothing_was_bought_pays_nothing_whoever_looked_at_it(shop, terms):
    shop.program(terms)
    shop.account("Acme")
    shop.today(date(2026, 6, 15))
    shop.order("1", "Acme", date(2026, 6, 5), {"amount": 1})
    shop.sync()
    shop.today(date(2026, 8, 15))
    shop.sync()
    assert shop.rebates() == {
        ("Acme", "2026-06"): Decimal(25),
        ("Acme", "2026-07"): Decimal(0),
        ("Acme", "2026-08"): Decimal(0),
    }
    assert shop.broken_promises() == []
    shop.order("2", "Acme", date(2026, 8, 15), {"amount": 1})
    shop.sync()
    assert shop.rebates()["Acme", "2026-08"] == 25, "one line is enough"
    shop.order("1", "Acme", date(2026, 6, 5), {"amount": 1}, active=False, status="Cancelled")
    shop.sync()
    assert shop.rebates()["Acme", "2026-06"] == 0, "what was bought is not there any more"


def test_a_surplus_waits_for_the_next_period_in_which_something_is_bought(shop):
    shop.program('guarantee = "25"\nguarantee_cumulative = true\n' + PLAIN)
    shop.account("Acme")
    shop.today(date(2026, 6, 15))
    shop.order("1", "Acme", date(2026, 6, 5), {"amount": 400})
    shop.sync()
    for month in (7, 8):
        shop.today(date(2026, month, 15))
        shop.sync()
    shop.order("2", "Acme", date(2026, 8, 15), {"amount": 1})
    shop.sync()
    assert shop.rebates()["Acme", "2026-08"] == 10, (
        "15 of June's 40 lie above its guarantee; July used nothing up"
    )


def test_a_computation_of_everything_finds_a_standing_that_is_not_there(shop):
    """However it was lost: its totals say that it should be."""
    shop.program(PLAIN)
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 6, 5), {"amount": 500})
    shop.sync()
    with shop.opened.store.transaction() as tx:
        tx.execute(standing_history.delete())
        tx.execute(standings.delete())
        assert tx.execute(select(totals.c.lines)).scalars().all() == [1]
        assert tx.execute(select(dirty_cells)).all() == []
    shop.close()
    app = shop.opened
    app.from_scratch = True
    compute(app, 77)
    assert shop.rebates() == {("Acme", "2026-06"): Decimal(50)}


LADDER = """
key = "ladder"
starts = 2026-01-01
ends = 2026-12-31
[[tiers]]
name = "Silver"
threshold = "100"
rate = "1%"
[[tiers]]
name = "Gold"
threshold = "1000"
rate = "2%"
"""


def test_a_late_order_that_makes_the_first_standing_of_the_month_before_moves_the_status_of_this_one(shop):
    shop.today(date(2026, 6, 28))
    shop.program(LADDER)
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 6, 2), {"amount": 200})
    shop.sync()
    june = "ladder", "Acme", "2026-06"
    assert shop.standings()[june]["status"] == "on_track"
    shop.order("2", "Acme", date(2026, 5, 2), {"amount": 2000})
    shop.sync()
    assert shop.standings()[june]["status"] == "at_risk", "May was Gold"


def test_a_program_that_changes_after_the_days_first_sync_opens_the_running_period_at_once(shop):
    shop.program(PLAIN + '[counts]\nproduct.family = "Care"\n')
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 1, 5), {"amount": 1000})
    shop.sync()
    assert shop.rebates() == {}
    shop.program(PLAIN)
    shop.sync()
    assert shop.rebates() == {("Acme", "2026-01"): Decimal(100), ("Acme", "2026-06"): Decimal(0)}
    file = shop.folder / "programs" / "program.toml"
    text = file.read_text()
    file.unlink()
    shop.sync()
    file.write_text(text)
    shop.sync()
    assert shop.rebates() == {("Acme", "2026-01"): Decimal(100), ("Acme", "2026-06"): Decimal(0)}
    assert shop.broken_promises() == []


def test_days_left_of_a_period_that_ended_under_an_older_version_are_put_right_once(shop):
    """It noted the day on which days left were written, and left those of periods that were over."""
    text = standard_text()
    head, tail = text.split("[push.standing.fields]\n", 1)
    own = "[push.standing.fields]\n" + 'Days_Text__c = { text = "{standing.days_left:days}" }\n'
    (shop.folder / "own.toml").write_text(head + own + tail)
    shop.settings = {"mapping": str(shop.folder / "own.toml")}
    shop.program(PLAIN)
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 5, 5), {"amount": 500})
    for day in (date(2026, 5, 20), date(2026, 6, 6)):
        shop.today(day)
        shop.sync()
    right = days_told(shop)
    assert right["2026-05"].startswith("0 ")
    with shop.opened.store.transaction() as tx:
        for row in tx.execute(select(outbox).where(outbox.c.payload.contains(right["2026-05"]))).all():
            stale = json.loads(row.payload) | {"Days_Text__c": "11 days"}
            values = {"payload": dump(stale), "payload_hash": payload_hash(stale)}
            tx.execute(outbox.update().where(outbox.c.pk == row.pk).values(**values))
        meta.drop(tx, "days.told")
        meta.put(tx, "day.told", "2026-06-06")
    assert days_told(shop)["2026-05"] == "11 days"
    shop.today(date(2026, 6, 7))
    shop.sync()
    assert days_told(shop)["2026-05"] == right["2026-05"]
    shop.today(date(2026, 6, 8))
    assert shop.sync().planned.standing == 1, "June alone counts on"


def days_told(shop):
    """Period → what its newest record says of the days left."""
    with shop.opened.store.read() as tx:
        query = select(outbox.c.payload).where(outbox.c.object == "Rebate_Standing__c").order_by(outbox.c.seq)
        records = [json.loads(text) for text in tx.execute(query).scalars()]
    return {one["Period__c"]: one["Days_Text__c"] for one in records}


def test_a_new_day_asks_for_the_accounts_and_not_for_every_standing_there_ever_was(shop, monkeypatch):
    shop.today(date(2026, 5, 31))
    shop.program(PLAIN)
    for name in ("Acme", "Bell"):
        shop.account(name)
        shop.order(name, name, date(2026, 5, 20), {"amount": 500})
    shop.sync()
    read, members = [], saved.members
    monkeypatch.setattr(saved, "members", lambda tx: read.append(members(tx)) or read[-1])
    monkeypatch.setattr(saved, "cells", lambda tx, **some: pytest.fail("all standings were read"))
    shop.today(date(2026, 6, 1))
    shop.sync()
    assert [len(one) for one in read] == [2]


def test_what_one_run_changed_is_found_by_the_run(shop):
    """A helper's work is asked for after each shared run: never by reading all standings with their documents."""
    with shop.opened.store.transaction() as tx:
        said = "SELECT member_pk, period_pk FROM standings WHERE program_version > 0 AND run_pk = 7"
        explain = "EXPLAIN QUERY PLAN"
        if tx.dialect.name == "postgresql":
            tx.exec_driver_sql("SET LOCAL enable_seqscan = off")  # it would read a table as small as this
            explain = "EXPLAIN"
        plan = str(tx.exec_driver_sql(f"{explain} {said}").all())
    assert "ix_standings_run_pk" in plan
