"""What was overtaken is refused by the org: standings and account fields, a stale worker, an older package, a lost store."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from emulator import actions, lifecycle
from emulator.seed_story import LUMIERE, partner_orders_again, seed_story
from jobs import deploy, overtaken

FIELDS = "Id, Rebate_Tier__c, Rebate_Amount__c, Rebate_Seq__c"
FENCE = "Rebate_Seq__c"


def shown(world):
    return {
        row["Id"]: row for row in world.rows(f"SELECT {FIELDS} FROM Account WHERE Rebate_Program__c != null")
    }


def standings(world):
    return {
        row["Sync_Key__c"]: (row["Tier__c"], row["Rebate__c"], row["Rebate_Seq__c"])
        for row in world.rows("SELECT Sync_Key__c, Tier__c, Rebate__c, Rebate_Seq__c FROM Rebate_Standing__c")
    }


def files_of(world):
    return list(world.folder.glob("rebates.db*"))


def test_a_worker_that_was_overtaken_changes_neither_standings_nor_accounts(synced, tmp_path):
    story = synced
    (lumiere,) = story.rows(f"SELECT Id FROM Account WHERE Name = '{LUMIERE}'")
    order = partner_orders_again(story.org)
    story.wait(minutes=15)
    story("pull")
    assert story("compute", "--json").data["planned"] > 0
    asleep = tmp_path / "asleep"
    asleep.mkdir()
    for path in files_of(story):  # a worker that has its rows in hand and sends them much later
        shutil.copy2(path, asleep / path.name)
    assert story("push").code == 0
    gold = shown(story)[lumiere["Id"]]
    assert gold["Rebate_Tier__c"] == "Gold"
    lifecycle.delete(story.org, "Order", order)
    story.wait(minutes=15)
    assert story("sync").code == 0
    newest, accounts = standings(story), shown(story)
    assert accounts[lumiere["Id"]]["Rebate_Tier__c"] != "Gold"
    assert Decimal(accounts[lumiere["Id"]]["Rebate_Seq__c"]) > Decimal(gold["Rebate_Seq__c"])

    for path in files_of(story):
        path.unlink()
    for path in asleep.iterdir():
        shutil.copy2(path, story.folder / path.name)
    late = story("push", "--json")

    assert late.code == 3, late.text
    assert late.data["pushed_by_object"].get("Account") is None
    assert late.data["overtaken"] > 0
    (said,) = json.loads(late.out)["warnings"]
    assert "rebates sync" in said
    assert (standings(story), shown(story)) == (newest, accounts)
    again = story("push", "--json")
    assert (again.code, again.error["code"]) == (2, "STORE_BEHIND"), again.text
    assert "rebates sync" in again.error["hint"]
    assert (standings(story), shown(story)) == (newest, accounts), (
        "what it had in hand is not sent late either"
    )
    story.wait(minutes=15)
    assert story("sync").code == 0
    assert story("outbox", "list", "--json").data["counts"].keys() <= {"done", "superseded"}
    assert shown(story)[lumiere["Id"]]["Rebate_Tier__c"] == accounts[lumiere["Id"]]["Rebate_Tier__c"]
    assert story("verify", "--deep").code == 0


def folded(world):
    """The file of the store, with all that was committed in it."""
    with closing(sqlite3.connect(world.folder / "rebates.db")) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return (world.folder / "rebates.db").read_bytes()


def put_back(world, state):
    for path in files_of(world):
        path.unlink()
    (world.folder / "rebates.db").write_bytes(state)


def orders_come_in(world, times=1):
    for _ in range(times):
        world.wait(minutes=1)
        partner_orders_again(world.org)
        world.wait(minutes=15)
        assert world("sync").code in (0, 3)


def test_a_database_that_lost_its_last_commits_is_noticed_and_the_next_sync_mends_the_org(synced):
    """A standby without them was promoted, and nobody said so."""
    story = synced
    lost = folded(story)
    orders_come_in(story, times=3)
    before, bells = standings(story), len(actions.shown(story.org))
    put_back(story, lost)
    story.wait(minutes=1)
    partner_orders_again(story.org)
    story.wait(minutes=15)

    noticed = story("sync", "--json")

    assert noticed.code == 3, noticed.text
    assert noticed.data["overtaken"] > 0
    assert noticed.data["put_off"] > 0
    (said,) = json.loads(noticed.out)["warnings"]
    assert "rebates sync" in said
    assert standings(story) == before
    assert len(actions.shown(story.org)) == bells, "nothing was asked of people by a store of yesterday"
    story.wait(minutes=15)
    mended = story("sync", "--json")
    assert mended.code == 0, mended.text
    assert mended.data["rebased"]["tasks"] > 0
    assert story("verify", "--deep").code == 0
    after = standings(story)
    assert all(Decimal(after[key][2]) >= Decimal(row[2]) for key, row in before.items())
    story.wait(minutes=15)
    idle = story("sync", "--json")
    assert (idle.code, idle.data["api_calls"], idle.data["pushed"]) == (0, 1, 0)
    assert story("audit", "--json").data["entries"][0]["what"] == "store behind the org"


def test_a_reconcile_that_meets_newer_numbers_leaves_the_mending_to_the_next_run_too(story, monkeypatch):
    once = overtaken.answer
    monkeypatch.setattr(
        overtaken, "answer", lambda *of: (once(*of), once(*of))
    )  # as if the first commit's answer had been lost
    story("sync")
    lost = folded(story)
    orders_come_in(story, times=3)
    put_back(story, lost)
    story.wait(minutes=15)
    assert story("reconcile").code == 3
    assert story("reconcile").code == 0
    assert story("verify", "--deep").code == 0


def test_two_stores_on_one_org_end_in_one_that_stops_and_says_so(synced):
    story = synced
    copy = folded(story)
    orders_come_in(story, times=3)
    mine = folded(story)
    put_back(story, copy)  # somebody tries things out with a copy
    orders_come_in(story, times=2)
    theirs, shown_now = folded(story), standings(story)
    put_back(story, mine)
    story.wait(minutes=1)
    partner_orders_again(story.org)
    story.wait(minutes=15)

    stopped = story("sync", "--json")

    assert (stopped.code, stopped.error["code"]) == (2, "ANOTHER_STORE"), stopped.text
    assert "rebates db restored" in stopped.error["hint"]
    assert standings(story) == shown_now
    assert story("status", "--json").data["stopped"] == {"push": "ANOTHER_STORE"}
    (found,) = [one for one in story("doctor", "--json").data["findings"] if one["level"] == "fail"]
    assert (found["check"], "rebates db restored" in found["mend"]) == ("another store", True)
    story.wait(minutes=15)
    waits = story("sync", "--json")
    assert (waits.code, waits.data["api_calls"]) == (2, 1), "no call is spent on finding it out again"

    assert story("db", "restored").code == 0  # a person decides which one goes on
    story.wait(minutes=15)
    assert story("sync").code == 0
    assert story("verify", "--deep").code == 0
    put_back(story, theirs)
    story.wait(minutes=1)
    partner_orders_again(story.org)
    story.wait(minutes=15)
    assert story("sync", "--json").error["code"] == "ANOTHER_STORE"


def test_a_second_store_with_equal_numbers_sends_nothing_over_the_first(story):
    """Both gave out the same numbers after the copy was made: the org would take either's."""
    story("sync")
    copy = folded(story)
    orders_come_in(story)
    first = (standings(story), shown(story), len(actions.shown(story.org)))
    put_back(story, copy)
    story.wait(minutes=1)
    partner_orders_again(story.org)
    story.wait(minutes=15)

    noticed = story("sync", "--json")

    assert noticed.code == 3, noticed.text
    assert (noticed.data["pushed"], noticed.data["overtaken"] > 0) == (0, True)
    assert (standings(story), shown(story), len(actions.shown(story.org))) == first
    (said,) = noticed.warnings
    assert "another store" in said
    assert "rebates sync" in said


def test_a_copy_of_the_file_that_is_tried_out_elsewhere_stops_before_it_sends_anything(story):
    story("sync")
    (story.folder / "tried.db").write_bytes(folded(story))
    orders_come_in(story)
    story.wait(minutes=1)
    partner_orders_again(story.org)
    story.wait(minutes=15)
    before = (standings(story), shown(story))

    with story.monkeypatch.context() as patch:
        patch.setenv("REBATES_STATE_URL", f"sqlite:///{story.folder}/tried.db")
        stopped = story("sync", "--json")

    assert (stopped.code, stopped.error["code"], stopped.data["pushed"]) == (2, "ANOTHER_STORE", 0), (
        stopped.text
    )
    assert "this store is a copy" in stopped.data["stopped"]["push"]["detail"]
    assert "rebates db restored" in stopped.error["hint"]
    assert (standings(story), shown(story)) == before
    assert story("sync").code == 0, "the original goes on"
    assert story("verify", "--deep").code == 0


def test_a_store_that_was_moved_and_has_no_twin_goes_on(story):
    story("sync")
    (story.folder / "moved.db").write_bytes(folded(story))
    story.monkeypatch.setenv("REBATES_STATE_URL", f"sqlite:///{story.folder}/moved.db")
    orders_come_in(story)
    assert story("verify", "--deep").code == 0


def test_that_accounts_are_read_with_their_number_costs_no_call(story):
    story("sync")
    story.wait(minutes=15)
    idle = story("sync", "--json")
    assert (idle.code, idle.data["api_calls"]) == (0, 1)


def test_a_store_that_falls_behind_twice_a_day_waits_for_a_person(synced):
    story = synced
    for code in (3, 2):
        lost = folded(story)
        orders_come_in(story, times=2)
        put_back(story, lost)
        story.wait(minutes=1)
        partner_orders_again(story.org)
        story.wait(minutes=15)
        assert story("sync").code == code
        story.wait(minutes=15)
        story("sync")


def test_people_edit_accounts_as_before(synced):
    story = synced
    written, *_ = shown(story)
    (never,) = story.rows("SELECT Id FROM Account WHERE Rebate_Seq__c = null LIMIT 1")
    for account in (written, never["Id"]):
        story.change("Account", account, {"Phone": "555-0100"})
        story.change(
            "Account", account, {"Rebate_Tier__c": "Platinum"}
        )  # drift, and no business of the fence
    story.change("Account", never["Id"], {FENCE: 5})
    story.change("Account", written, {FENCE: None})


@pytest.fixture
def package_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The package as it was before accounts had a fence."""
    old = tmp_path / "old-package"
    shutil.copytree(deploy.package_source(), old)
    account = old / "main/default/objects/Account"
    (account / "fields/Rebate_Seq__c.field-meta.xml").unlink()
    shutil.rmtree(account / "validationRules")
    granted = next(old.rglob("Rebate_Sync_Integration.permissionset-meta.xml"))
    text = granted.read_text()
    start = text.rindex("<fieldPermissions>", 0, text.index("Account.Rebate_Seq__c"))
    granted.write_text(
        text[:start] + text[text.index("</fieldPermissions>", start) + len("</fieldPermissions>") :]
    )
    monkeypatch.setattr(deploy, "package_source", lambda: old)
    return monkeypatch


def test_an_org_with_an_older_package_goes_on_and_is_told_what_to_do(new_world, package_of_before):
    world = new_world(seed_story)
    assert world("org", "deploy").code == 0
    assert world.org.schema.sobject("Account").field(FENCE) is None

    first = world("sync", "--json")
    assert first.code == 0, first.text
    assert any("rebates org deploy" in warning for warning in json.loads(first.out)["warnings"])
    (gold,) = world.rows(f"SELECT Rebate_Tier__c FROM Account WHERE Name = '{LUMIERE}'")
    assert gold["Rebate_Tier__c"] is not None
    findings = {one["check"]: one for one in world("doctor", "--json").data["findings"]}
    assert findings["account fence"]["level"] == "warn"
    assert findings["account fence"]["mend"] == "rebates org deploy"
    assert world("reconcile", "--json").code == 0

    package_of_before.undo()
    world.monkeypatch.chdir(world.folder)
    assert world("org", "deploy").code == 0
    partner_orders_again(world.org)
    world.wait(minutes=15)
    after = world("sync", "--json")
    assert (after.code, json.loads(after.out)["warnings"]) == (0, [])
    (lumiere,) = world.rows(f"SELECT {FIELDS} FROM Account WHERE Name = '{LUMIERE}'")
    assert Decimal(lumiere[FENCE]) > 0
    assert {one["check"]: one["level"] for one in world("doctor", "--json").data["findings"]}[
        "account fence"
    ] == "ok"


def test_a_store_that_was_lost_goes_on_above_what_the_org_has_seen(synced):
    story = synced
    order = partner_orders_again(story.org)
    story.wait(minutes=15)
    story("sync")
    before = shown(story)
    tasks = story.rows("SELECT Id FROM Task")
    for path in files_of(story):
        path.unlink()
    lifecycle.delete(story.org, "Order", order)
    story.wait(minutes=15)

    done = story("sync", "--json")

    assert done.code == 0, done.text
    assert (done.data["overtaken"], json.loads(done.out)["warnings"]) == (0, [])
    after = shown(story)
    changed = [key for key, row in after.items() if row["Rebate_Tier__c"] != before[key]["Rebate_Tier__c"]]
    assert changed
    assert all(Decimal(after[key][FENCE]) > Decimal(before[key][FENCE]) for key in after)
    assert story.rows("SELECT Id FROM Task") == tasks
    assert story("verify", "--deep").code == 0


def test_a_store_that_meets_an_untouched_org_asks_once_and_begins_at_one(story):
    done = story("sync", "--json")
    assert done.data["rebased"] is None
    assert min(Decimal(row[FENCE]) for row in shown(story).values()) < 10**12 + 1000


def test_a_record_that_was_put_back_to_an_older_number_is_named_and_written_again(story):
    """A restored org, or somebody who switched the fence off: its next write would not be refused any more."""
    from emulator.raw_rows import change, user_named

    story("sync")
    (key, before), *_ = sorted(standings(story).items())
    (record,) = story.rows(f"SELECT Id FROM Rebate_Standing__c WHERE Sync_Key__c = '{key}'")
    with story.org.storage.transaction():
        change(story.org, "Rebate_Standing__c", record["Id"], user_named(story.org), Rebate_Seq__c=7)
    verified = story("verify", "--deep", "--json")
    assert verified.data["drift"] == [{"object": "Rebate_Standing__c", "key": key, "field": FENCE}]
    story.wait(minutes=15)
    assert story("reconcile", "--json").data["drift"]["changed"] == 1
    assert Decimal(standings(story)[key][2]) > Decimal(before[2])
    assert story("verify", "--deep").code == 0


def test_accounts_are_read_although_their_number_may_not_be_read_any_more(story):
    from emulator.life import permissions_of

    story("sync")
    permissions_of(story.org).hide("Account.Rebate_Seq__c")
    for _ in range(2):
        story.wait(minutes=15)
        partner_orders_again(story.org)
        done = story("sync", "--json")
        assert "account" not in done.data["stopped"], done.text
    assert "account" in [stream["entity"] for stream in done.data["streams"]]


def test_accounts_that_cannot_be_read_for_another_field_are_not_asked_for_twice(story, monkeypatch):
    from emulator.life import permissions_of
    from jobs.reading import Reading

    story("sync")
    permissions_of(story.org).hide("Account.Type")
    asked, read_all = [], Reading.read_all

    def noted(self, streams):
        asked.extend(stream.name for stream in streams)
        return read_all(self, streams)

    monkeypatch.setattr(Reading, "read_all", noted)
    story.wait(minutes=15)
    done = story("sync", "--json")
    assert (done.code, "account" in done.data["stopped"]) == (2, True)
    assert asked.count("account") == 1
