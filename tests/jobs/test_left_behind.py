"""A removed program and corrected periods leave the org: their records are closed, tasks end, account fields follow."""

from __future__ import annotations

from datetime import date

import pytest

from jobs.compute import compute
from jobs.left_behind import left_keys
from jobs.refusals import TooSurprising
from jobs.whole_plan import compare_everything
from state import acknowledged, outbox, people, standings, tasks


def program(key="care", period="month", more="", starts="2026-01-01"):
    return f"""
key = "{key}"
starts = {starts}
ends = 2026-12-31
period = "{period}"
{more}
[[tiers]]
name = "Silver"
threshold = "100"
rate = "10%"
[[tiers]]
name = "Gold"
threshold = "1000"
rate = "20%"
[alerts.near_tier]
within = "500"
"""


def deliver(shop):
    """The org takes everything that waits."""
    with shop.opened.store.transaction() as tx:
        for row in outbox.listed(tx):
            acknowledged.remember(
                tx, row.object, row.ext_key, seq=row.seq, payload_hash=row.payload_hash, sf_id=None, now=shop.clock.now()
            )  # fmt: skip
            if row.object == "Task.change":
                tasks.closed(tx, row.ext_key, "closed", now=shop.clock.now())
        waits = outbox.outbox.c.state == "pending"
        tx.execute(outbox.outbox.update().where(waits).values(state="done", attempts=1))


def sync(shop):
    planned = shop.sync().planned
    deliver(shop)
    assert shop.broken_promises() == []
    return planned


def shown(shop):
    """What the org shows: period → (status, rebate) of the records, and what stands on the account."""
    with shop.opened.store.read() as tx:
        told = outbox.last_done(tx, "Rebate_Standing__c", outbox.keys_done(tx, "Rebate_Standing__c")).values()
        records = {(p["Program_Key__c"], p["Period__c"]): (p["Status__c"], str(p["Rebate__c"])) for p in told}
        fields = next(iter(outbox.last_done(tx, "Account", outbox.keys_done(tx, "Account")).values()))
        return records, (fields["Rebate_Program__c"], fields["Rebate_Period__c"], fields["Rebate_Status__c"])


def open_tasks(shop):
    with shop.opened.store.read() as tx:
        return len(tasks.still_open(tx))


@pytest.fixture
def near(make_shop):
    """An account that lacks 400 to the next tier in June; May is over."""
    shop = make_shop()
    shop.program(program())
    shop.account("Alpha")
    shop.order("0", "Alpha", date(2026, 5, 10), {"amount": 300})
    shop.order("1", "Alpha", date(2026, 6, 10), {"amount": 600})
    return shop


def remove(shop, name="program"):
    (shop.folder / "programs" / f"{name}.toml").unlink()


NEAR, MAY = ("Near_Next_Tier", "60"), ("Closed", "30")


def test_what_a_removed_program_shows_is_closed_and_worth_nothing(near):
    sync(near)
    assert shown(near) == (
        {("care", "2026-05"): MAY, ("care", "2026-06"): NEAR},
        ("care", "2026-06", "Near_Next_Tier"),
    )
    assert open_tasks(near) == 1
    remove(near)
    planned = sync(near)
    assert (planned.standing, planned.account, planned.task_closed) == (1, 1, 1)
    records, fields = shown(near)
    assert records == {("care", "2026-05"): MAY, ("care", "2026-06"): ("Closed", "0")}, "May was over"
    assert fields == (None, None, None)
    assert open_tasks(near) == 0
    assert near.standings() == {}
    near.today(date(2026, 7, 1))
    assert sync(near).total == 0


def test_the_account_shows_another_program_at_once(near):
    near.program(program("zeta"), "zeta")
    sync(near)
    assert shown(near)[1][0] == "care"
    remove(near)
    sync(near)
    assert shown(near)[1] == ("zeta", "2026-06", "Near_Next_Tier")


def test_a_program_that_comes_back_is_opened_again(near):
    sync(near)
    before = shown(near)
    remove(near)
    sync(near)
    near.program(program())
    planned = sync(near)
    assert shown(near) == before
    assert planned.standing == 1, "May was left as it was"
    near.today(date(2026, 6, 16))
    assert sync(near).total == 0


def test_a_file_that_is_broken_closes_nothing(near):
    sync(near)
    before = shown(near)
    near.program(program() + "[nonsense")
    assert sync(near).total == 0
    near.today(date(2026, 6, 16))
    assert sync(near).total == 0
    assert (shown(near), open_tasks(near)) == (before, 1)


@pytest.mark.parametrize("period", ["month", "quarter"])
def test_a_program_that_is_refused_keeps_what_it_shows(near, monkeypatch, period):
    sync(near)
    before = shown(near)
    monkeypatch.setattr("jobs.refused_programs.why_refused", lambda program: "it cannot be computed")
    near.program(program(period=period))
    near.today(date(2026, 6, 16))
    with near.opened.store.transaction() as tx:
        compare_everything(tx)
    sync(near)
    assert (shown(near), open_tasks(near)) == (before, 1)


def test_after_a_correction_the_periods_that_are_none_any_more_are_worth_nothing(near):
    sync(near)
    near.program(program(period="quarter"))
    sync(near)
    records, fields = shown(near)
    nothing = ("Closed", "0")
    assert records == {
        ("care", "2026-05"): nothing,
        ("care", "2026-06"): nothing,
        ("care", "2026-Q2"): ("Near_Next_Tier", "90"),
    }
    assert fields == ("care", "2026-Q2", "Near_Next_Tier")
    assert open_tasks(near) == 1, "the quarter's"
    near.order("2", "Alpha", date(2026, 6, 12), {"amount": 5000})
    sync(near)
    assert shown(near)[0]["care", "2026-Q2"] == ("Top_Tier", "1180")
    assert shown(near)[1] == ("care", "2026-Q2", "Top_Tier")
    assert set(near.standings()) == {("care", "Alpha", "2026-Q2")}


def test_periods_that_are_put_right_again_show_their_own_numbers(near):
    sync(near)
    before = shown(near)
    near.program(program(period="quarter"))
    sync(near)
    near.program(program())
    sync(near)
    after = ({**before[0], ("care", "2026-Q2"): ("Closed", "0")}, before[1])
    assert shown(near) == after
    with near.opened.store.transaction() as tx:
        compare_everything(tx)  # as a reconcile does that found something
    assert sync(near).total == 0
    assert shown(near) == after


def test_a_period_with_the_same_name_and_other_days_is_the_same_one_in_the_org(near):
    near.program(program(starts="2026-06-05"))
    sync(near)
    assert shown(near)[0] == {("care", "2026-06"): NEAR}
    near.program(program())
    sync(near)
    assert shown(near)[0] == {("care", "2026-05"): MAY, ("care", "2026-06"): NEAR}
    assert open_tasks(near) == 1
    with near.opened.store.read() as tx:
        assert left_keys(tx) == set()
    near.order("2", "Alpha", date(2026, 6, 12), {"amount": 5000})
    sync(near)
    assert open_tasks(near) == 0


def test_what_was_settled_stays_as_it_was_settled(near):
    sync(near)
    near.today(date(2026, 7, 20))
    sync(near)
    before = shown(near)[0]
    assert before["care", "2026-06"] == ("Closed", "60")
    remove(near)
    sync(near)
    after = shown(near)[0]
    assert after == {**before, ("care", "2026-07"): ("Closed", "0")}
    near.today(date(2026, 8, 20))
    assert sync(near).total == 0


def test_a_record_that_never_left_is_not_made(near):
    near.sync()
    remove(near)
    near.sync()
    with near.opened.store.read() as tx:
        assert [row for row in outbox.listed(tx) if row.object == "Rebate_Standing__c"] == []


def test_records_of_what_is_left_behind_are_nobodys(near):
    sync(near)
    with near.opened.store.read() as tx:
        assert left_keys(tx) == set()
        keys = set(outbox.last_done(tx, "Rebate_Standing__c", outbox.keys_done(tx, "Rebate_Standing__c")))
    remove(near)
    sync(near)
    with near.opened.store.read() as tx:
        assert left_keys(tx) == keys


def test_nothing_is_looked_for_where_no_rules_have_changed(near, monkeypatch):
    near.program(program("zeta"), "zeta")
    sync(near)
    remove(near)
    sync(near)
    monkeypatch.setattr(standings, "orphans", None)
    near.order("2", "Alpha", date(2026, 6, 12), {"amount": 5000})
    near.sync()


def test_many_accounts_that_would_show_nothing_any_more_are_asked_about_first(make_shop):
    shop = make_shop()
    shop.program(program())
    for number in range(9):
        shop.account(f"Shop{number}")
        shop.order(f"{number}", f"Shop{number}", date(2026, 6, 10), {"amount": 600})
    sync(shop)
    remove(shop)
    with pytest.raises(TooSurprising):
        shop.sync()
    with shop.opened.store.read() as tx:
        assert outbox.listed(tx) == []
    shop.opened.allow_mass_clear = True
    planned = compute(shop.opened, 99).planned
    assert (planned.standing, planned.account) == (9, 9)


def test_an_order_that_was_entered_for_the_wrong_account_leaves_no_standing_behind(make_shop):
    """Alpha never bought: its record is closed, its task ends, and no later period opens for it or is settled."""
    shop = make_shop()
    shop.today(date(2026, 5, 20))
    shop.program(program(more='guarantee = "45"\ngrace_days = 20'))
    shop.account("Alpha")
    shop.account("Beta")
    shop.order("0", "Alpha", date(2026, 5, 10), {"amount": 600})
    sync(shop)
    shop.today(date(2026, 6, 2))
    sync(shop)
    assert open_tasks(shop) == 0
    assert {key[1:] for key in shop.standings()} == {("Alpha", "2026-05"), ("Alpha", "2026-06")}
    shop.order("0", "Beta", date(2026, 6, 1), {"amount": 600})
    sync(shop)
    everything = {("Beta", "2026-06"): 60}
    assert shop.rebates() == everything
    with shop.opened.store.read() as tx:
        told = outbox.last_done(tx, "Rebate_Standing__c", outbox.keys_done(tx, "Rebate_Standing__c")).values()
    mine = {
        (row["Period__c"], row["Status__c"], str(row["Rebate__c"]))
        for row in told
        if row["Account__c"] == shop.id_of("Alpha")
    }
    assert mine == {("2026-05", "Closed", "0"), ("2026-06", "Closed", "0")}
    shop.close()
    shop.opened.from_scratch = True
    compute(shop.opened, 900)
    assert shop.rebates() == everything
    assert shop.broken_promises() == []
    shop.order("1", "Alpha", date(2026, 6, 2), {"amount": 100})
    sync(shop)
    assert shop.rebates() == everything | {("Alpha", "2026-06"): 45}


def test_the_task_of_a_standing_that_should_never_have_been_ends(make_shop):
    shop = make_shop()
    shop.today(date(2026, 6, 15))
    shop.program(program())
    shop.account("Alpha")
    shop.account("Beta")
    shop.order("0", "Alpha", date(2026, 6, 10), {"amount": 300})
    sync(shop)
    shop.order("1", "Alpha", date(2026, 6, 11), {"amount": 300})
    sync(shop)
    assert open_tasks(shop) == 1
    assert set(shop.rebates()) == {("Alpha", "2026-06")}
    for number in ("0", "1"):
        shop.order(number, "Beta", date(2026, 6, 10), {"amount": 300})
    sync(shop)
    assert set(shop.rebates()) == {("Beta", "2026-06")}
    shop.today(date(2026, 6, 16))
    sync(shop)
    with shop.opened.store.read() as tx:
        (task,) = tasks.still_open(tx)
        assert people.members(tx, {task.cell.member_pk})[task.cell.member_pk].id == shop.id_of("Beta")


def test_a_standing_before_the_first_order_goes_and_one_after_it_stays(make_shop):
    shop = make_shop()
    shop.program(program())
    shop.account("Alpha")
    shop.order("0", "Alpha", date(2026, 4, 10), {"amount": 300})
    shop.order("1", "Alpha", date(2026, 6, 10), {"amount": 300})
    sync(shop)
    shop.order("0", "Alpha", date(2026, 5, 10), {"amount": 300})
    sync(shop)
    assert shop.rebates() == {("Alpha", "2026-05"): 30, ("Alpha", "2026-06"): 30}
    shop.order("1", "Alpha", date(2026, 5, 11), {"amount": 300})
    sync(shop)
    assert shop.rebates() == {("Alpha", "2026-05"): 60, ("Alpha", "2026-06"): 0}


def test_a_full_compute_shows_nothing_that_should_never_have_been_and_finds_what_should(shop):
    shop.today(date(2026, 4, 20))
    shop.program(program())
    for name in ("Acme", "Bolt"):
        shop.account(name)
    shop.order("1", "Acme", date(2026, 1, 10), {"amount": 300})
    shop.order("2", "Bolt", date(2026, 1, 10), {"amount": 300})
    sync(shop)
    shop.order("1", "Bolt", date(2026, 1, 10), {"amount": 300})
    sync(shop)
    assert {name for name, _ in shop.rebates()} == {"Bolt"}
    shop.opened.from_scratch = True
    found = compute(shop.opened, 90)
    assert found.planned.total == 0
    shop.order("1", "Acme", date(2026, 2, 10), {"amount": 300})
    shop.close()
    shop.opened.from_scratch = True
    compute(shop.opened, 91)
    assert {period for name, period in shop.rebates() if name == "Acme"} == {"2026-02", "2026-04"}
    assert shop.broken_promises() == []
