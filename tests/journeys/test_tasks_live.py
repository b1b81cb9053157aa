"""What becomes of a task: owners change and leave, people close and reassign, tiers are reached and lost, periods end."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from own_files import use_programs

from emulator import lifecycle
from emulator.fault_kinds import Fault
from emulator.raw_rows import change, find, user_named
from emulator.seed_story import LUMIERE, partner_orders_again

TASKS = "SELECT Id, Status, IsClosed, OwnerId, Owner.Name, Rebate_Key__c FROM Task WHERE Account.Name = '{}' ORDER BY Id"


def tasks(world, name=LUMIERE):
    return world.rows(TASKS.format(name))


def the_task(world):
    (task,) = tasks(world)
    return task


def later(world, *args):
    world.wait(minutes=15)
    done = world(*(args or ("sync",)), "--json")
    assert done.code == 0, (done.error, done.err)
    return done


def as_admin(world, sobject, record_id, **fields):
    with world.org.storage.transaction():
        change(world.org, sobject, record_id, user_named(world.org), **fields)


def user(world, first):
    (row,) = world.rows(f"SELECT Id FROM User WHERE FirstName = '{first}'")
    return row["Id"]


def boss(world):
    (row,) = world.rows("SELECT Id FROM User WHERE Username = 'admin@northwind.example'")
    return row["Id"]


def account_id(world, name=LUMIERE):
    (row,) = world.rows(f"SELECT Id FROM Account WHERE Name = '{name}'")
    return row["Id"]


def state_of(world, key):
    from state import tasks as kept
    from state.store import Store

    store = Store.open(f"sqlite:///{world.folder}/rebates.db")
    try:
        with store.read() as tx:
            return kept.get(tx, key).state
    finally:
        store.close()


def test_a_task_follows_the_owner_of_its_account(synced):
    story = synced
    sam = user(story, "Sam")
    as_admin(story, "Account", account_id(story), OwnerId=sam)
    done = later(story)
    assert the_task(story)["OwnerId"] == sam
    assert done.data["pushed_by_object"]["Task.change"] == 1
    assert "Task.change" not in later(story).data["pushed_by_object"]


def test_a_task_that_a_person_gave_to_a_colleague_stays_there(synced):
    story = synced
    sam, ada = user(story, "Sam"), boss(story)
    as_admin(story, "Task", the_task(story)["Id"], OwnerId=ada)
    as_admin(story, "Account", account_id(story), OwnerId=sam)
    later(story)
    assert the_task(story)["OwnerId"] == ada
    as_admin(story, "Account", account_id(story), OwnerId=user(story, "Maya"))
    later(story)
    assert the_task(story)["OwnerId"] == ada, "once given away, for good"
    partner_orders_again(story.org)
    later(story)
    assert the_task(story)["IsClosed"], "it still closes when its tier is reached"


def test_a_task_goes_to_the_fallback_when_its_owner_leaves(story):
    ada = boss(story)
    story.config(f'[alerts]\nfallback_owner = "{ada}"\n')
    story("sync")
    lifecycle.deactivate(story.org, find(story.org, "User", FirstName="Maya")["Username"])
    later(story)
    assert the_task(story)["OwnerId"] == ada


def test_an_owner_who_left_a_moment_ago_does_not_hold_up_the_task(story):
    ada = boss(story)
    story.config(f'[alerts]\nfallback_owner = "{ada}"\n')
    assert story("pull").code == 0
    assert story("compute").code == 0
    lifecycle.deactivate(story.org, find(story.org, "User", FirstName="Maya")["Username"])
    done = story("push", "--json")
    assert the_task(story)["OwnerId"] == ada
    assert not [one for one in done.data["refused"] if one["object"] == "Task"]
    assert (done.data["retrying"], done.data["pushed_by_object"]["Task"]) == (0, 1)


def test_without_a_fallback_our_own_user_has_the_task_rather_than_nobody(story):
    story("pull")
    story("compute")
    lifecycle.deactivate(story.org, find(story.org, "User", FirstName="Maya")["Username"])
    story("push")
    (us,) = story.rows("SELECT Id FROM User WHERE Username = 'integration@northwind.example'")
    assert the_task(story)["OwnerId"] == us["Id"]
    story.wait(minutes=15)
    story("sync")
    sam = user(story, "Sam")
    as_admin(story, "Account", account_id(story), OwnerId=sam)
    later(story)
    assert the_task(story)["OwnerId"] == sam, "nobody gave it away: it follows the account"


def test_a_task_that_a_person_closed_is_dismissed_not_reopened_and_not_made_again(synced):
    story = synced
    task = the_task(story)
    as_admin(story, "Task", task["Id"], Status="Deferred", IsClosed=1)
    done = later(story, "reconcile")
    assert done.data["drift"]["tasks_dismissed"] == 1
    assert state_of(story, task["Rebate_Key__c"]) == "dismissed"
    partner_orders_again(story.org)
    later(story)
    assert the_task(story)["Status"] == "Deferred", "nobody touches it any more"


def test_a_closed_task_is_noticed_before_it_is_written_to(synced):
    story = synced
    task = the_task(story)
    as_admin(story, "Task", task["Id"], Status="Deferred", IsClosed=1)
    partner_orders_again(story.org)
    later(story)
    assert the_task(story)["Status"] == "Deferred"
    assert state_of(story, task["Rebate_Key__c"]) == "dismissed"


def test_a_deleted_task_is_dismissed_and_not_made_again(synced):
    story = synced
    task = the_task(story)
    lifecycle.delete(story.org, "Task", task["Id"])
    later(story, "reconcile")
    assert state_of(story, task["Rebate_Key__c"]) == "dismissed"
    later(story)
    assert tasks(story) == []
    story.wait(days=16)
    lifecycle.purge(story.org)
    story("sync")
    assert tasks(story) == []


def test_a_task_that_is_about_to_be_closed_is_closed_although_its_account_changes_hands(synced):
    story = synced
    partner_orders_again(story.org)
    story.wait(minutes=15)
    story("pull")
    story("compute")  # the closing waits in the outbox
    as_admin(story, "Account", account_id(story), OwnerId=user(story, "Sam"))
    later(story)
    assert the_task(story)["IsClosed"]
    assert later(story).data["pushed_by_object"] == {}


def test_a_tier_that_is_reached_and_lost_again_makes_no_second_task(synced):
    story = synced
    key = the_task(story)["Rebate_Key__c"]
    order = partner_orders_again(story.org)
    later(story)
    assert the_task(story)["IsClosed"]
    lifecycle.delete(story.org, "Order", order)
    later(story)
    assert [task["Rebate_Key__c"] for task in tasks(story)] == [key]
    assert the_task(story)["IsClosed"]


def test_a_task_of_unknown_fate_whose_tier_is_reached_meanwhile_is_found_and_closed(story):
    """The org made it, the answer never came, and before anybody asks again it has nothing left to say."""
    story("pull")
    story("compute")
    story.org.faults.add(Fault("empty", path="composite", nth=3))  # after the standings and the accounts
    done = story("push", "--json")
    assert (done.data["retrying"], the_task(story)["IsClosed"]) == (1, False)
    partner_orders_again(story.org)
    story.wait(seconds=20)  # the task itself is not due again yet
    story("sync")
    story.wait(hours=5)
    story("sync")
    assert the_task(story)["IsClosed"]
    assert state_of(story, the_task(story)["Rebate_Key__c"]) == "closed"
    assert story("outbox", "list", "--json").data["rows"] == []


def test_a_task_that_a_sleeping_sender_makes_after_it_was_given_up_is_closed_at_night(story):
    story("pull")
    story("compute")
    story.org.faults.add(
        Fault("status", path="composite", nth=3, status=503, code="SERVER_UNAVAILABLE", times=0)
    )
    story("push")
    story.org.faults.clear()
    (row, *_) = [r for r in story("outbox", "list", "--json").data["rows"] if r["object"] == "Task"]
    partner_orders_again(story.org)
    story.wait(seconds=20)  # the task itself is not due again yet
    story("sync")
    assert tasks(story) == []
    assert state_of(story, row["key"]) == "closed", "it had nothing left to say and was never made"
    story.create(
        "Task",
        {
            "Subject": "late",
            "Status": "Not Started",
            "Rebate_Key__c": row["key"],
            "WhatId": account_id(story),
        },
    )
    later(story, "reconcile")
    assert the_task(story)["IsClosed"]
    assert story("outbox", "list", "--json").data["rows"] == []


def test_tasks_that_are_all_out_of_sight_are_lost_sharing_and_no_persons_decision(story):
    story("sync")
    key = the_task(story)["Rebate_Key__c"]
    hidden = [row["Id"] for row in story.rows("SELECT Id FROM Task")]
    story.org.faults.hide_rows("Task", hidden)
    story.wait(minutes=15)
    done = story("reconcile", "--json")
    assert (done.code, done.error["code"]) == (2, "ROWS_VANISHED")
    assert "1 of our 1 open tasks are no longer visible" in done.data["stopped"]["Task"]["detail"]
    assert "rebates reconcile --accept-missing task (" in done.data["stopped"]["Task"]["hint"]
    assert state_of(story, key) == "open"
    story.org.faults.show_rows()
    later(story, "reconcile")
    partner_orders_again(story.org)
    later(story)
    assert the_task(story)["IsClosed"], "it was looked after all the time"


def test_a_push_that_does_not_see_a_task_leaves_it_to_the_night(story):
    story("sync")
    key = the_task(story)["Rebate_Key__c"]
    story.org.faults.hide_rows("Task", [row["Id"] for row in story.rows("SELECT Id FROM Task")])
    partner_orders_again(story.org)
    later(story)
    assert state_of(story, key) == "open", "that it cannot be seen is nobody's decision"
    story.org.faults.show_rows()
    story.wait(hours=24)
    later(story)
    assert the_task(story)["IsClosed"]
    assert state_of(story, key) == "closed"


def test_a_person_may_say_that_tasks_out_of_sight_are_deleted(story):
    story("sync")
    key = the_task(story)["Rebate_Key__c"]
    story.org.faults.hide_rows("Task", [row["Id"] for row in story.rows("SELECT Id FROM Task")])
    assert later(story, "reconcile", "--accept-missing", "task").data["drift"]["tasks_dismissed"] == 1
    assert state_of(story, key) == "dismissed"


@pytest.mark.parametrize("noticed_by", ["push", "reconcile"])
def test_a_closing_whose_answer_never_came_is_our_own_and_no_persons(story, noticed_by):
    story("sync")
    key = the_task(story)["Rebate_Key__c"]
    partner_orders_again(story.org)
    story.wait(minutes=15)
    story("pull")
    story("compute")
    story.org.faults.add(
        Fault("empty", path="composite", nth=3, times=0)
    )  # after the standings and the accounts
    done = story("push", "--json")
    story.org.faults.clear()
    assert (done.data["retrying"], the_task(story)["IsClosed"]) == (1, True)
    assert state_of(story, key) == "open", "nobody knows yet"
    done = later(story, noticed_by)
    assert state_of(story, key) == "closed"
    if noticed_by == "reconcile":
        assert done.data["drift"]["tasks_dismissed"] == 0
    assert story("outbox", "list", "--json").data["rows"] == []


def test_a_task_that_a_person_closed_before_our_closing_came_through_is_the_persons(story):
    story("sync")
    task = the_task(story)
    partner_orders_again(story.org)
    story.wait(minutes=15)
    story("pull")
    story("compute")
    story.org.faults.add(
        Fault("status", path="composite", nth=3, status=503, code="SERVER_UNAVAILABLE", times=0)
    )
    story("push")
    story.org.faults.clear()
    as_admin(story, "Task", task["Id"], Status="Completed", IsClosed=1)
    later(story)
    assert state_of(story, task["Rebate_Key__c"]) == "dismissed"


def test_a_task_of_unknown_fate_whose_account_is_merged_away_meanwhile_is_found_and_closed(story):
    story("pull")
    story("compute")
    story.org.faults.add(Fault("empty", path="composite", nth=3))
    story("push")
    (made,) = story.rows("SELECT Id FROM Task WHERE Rebate_Key__c != null")
    (winner,) = story.rows("SELECT Id FROM Account WHERE Name = 'Petite Fleur Boutique'")
    lifecycle.merge(story.org, winner["Id"], [account_id(story)])
    story.wait(minutes=15)
    story("sync")
    (task,) = story.rows(f"SELECT IsClosed FROM Task WHERE Id = '{made['Id']}'")
    assert task["IsClosed"]
    assert story("outbox", "list", "--json").data["rows"] == []


def test_a_task_closes_itself_the_day_after_its_account_left_the_program(synced):
    story = synced
    as_admin(story, "Account", account_id(story), Type="Customer - Direct")
    later(story)
    assert not the_task(story)["IsClosed"], "a mistake of an hour closes nothing for ever"
    story.wait(hours=24)
    later(story)
    assert the_task(story)["IsClosed"]
    assert later(story, "verify", "--deep").data["ok"]


def test_a_task_closes_itself_when_its_period_is_over(synced):
    story = synced
    assert not the_task(story)["IsClosed"]
    story.wait(days=7)  # December has begun
    done = story("sync", "--json")
    assert done.code == 0, done.text
    assert [task["IsClosed"] for task in tasks(story)][0]


def asked_of_tasks(world, *command):
    """The queries about tasks that a command sends, and the command."""
    asked, inner = [], world.org.handle

    def listen(request):
        asked.extend(
            re.findall(r"FROM Task WHERE (.*?)(?:&|\"|$)", unquote(f"{request.query} {request.body!r}"))
        )
        return inner(request)

    with world.monkeypatch.context() as patch:
        patch.setattr(world.org, "handle", listen)
        done = world(*command, "--json")
    assert done.code == 0, (done.error, done.err)
    return asked, done


def test_the_night_asks_for_our_tasks_by_id_and_never_looks_through_all_of_them(synced):
    story = synced
    story.wait(minutes=15)
    asked, _ = asked_of_tasks(story, "reconcile")
    assert len(asked) == 1
    assert asked[0].startswith("Id IN (")


def test_a_night_without_tasks_of_ours_asks_nothing_about_tasks(story):
    story.config('[push]\ntargets = ["standing", "account"]\n')
    story("sync")
    story.wait(minutes=15)
    asked, _ = asked_of_tasks(story, "reconcile")
    assert asked == []


def test_a_task_whose_key_was_emptied_is_still_looked_after(synced):
    story = synced
    task = the_task(story)
    as_admin(story, "Task", task["Id"], Rebate_Key__c=None)
    assert later(story, "reconcile").data["drift"]["tasks_dismissed"] == 0
    partner_orders_again(story.org)
    later(story)
    assert the_task(story)["IsClosed"]


def test_a_task_stays_while_its_tier_is_there_and_not_reached(story):
    shipped = (Path(__file__).parents[2] / "programs" / "retail-2026.toml").read_text()
    retail = use_programs(story, **{"retail-2026": shipped}) / "retail-2026.toml"
    story("sync")
    assert not the_task(story)["IsClosed"]
    silver, gold = ('[[tiers]]\nname = "Silver"', '[[tiers]]\nname = "Gold"')
    text = retail.read_text()
    retail.write_text(
        text.replace(silver, '[[tiers]]\nname = "Bronze"\nthreshold = "5000"\nrate = "1%"\n\n' + silver)
    )
    later(story)
    assert not the_task(story)["IsClosed"], "a tier below it came, it is as far away as before"
    retail.write_text(text.replace(gold, '[[tiers]]\nname = "Platinum"').replace("50000", "90000"))
    later(story)
    assert the_task(story)["IsClosed"], "there is no Gold to call for any more"
