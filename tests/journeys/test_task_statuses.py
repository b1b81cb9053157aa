"""Orgs whose task statuses are not the English ones: a task that we close is closed for the people there, too."""

from __future__ import annotations

import json

import pytest
from own_files import use_mapping

from emulator import task_statuses
from emulator.raw_rows import change, user_named
from emulator.seed_story import LUMIERE, partner_orders_again
from emulator.task_statuses import Status
from mappings.file import standard_text

TASK = f"SELECT Id, Status, IsClosed, Rebate_Key__c FROM Task WHERE Account.Name = '{LUMIERE}'"
GERMAN = [Status("Offen", default=True), Status("Wartet"), Status("Erledigt", closed=True)]


def the_task(world):
    (task,) = world.rows(TASK)
    return task


def of_the_task(world):
    task = the_task(world)
    return task["Status"], task["IsClosed"]


def german(world):
    task_statuses.replace_all(world.org, GERMAN)


def map_tasks(world, *lines, created="Offen"):
    """The standard mapping with what an admin of this org would write."""
    text = standard_text().replace('const = "Not Started"', f'const = "{created}"')
    text = text.replace("[push.task]", "[push.task]" + "".join(f"\n{line}" for line in lines), 1)
    use_mapping(world, text)


def later(world, *args):
    world.wait(minutes=15)
    done = world(*(args or ("sync",)), "--json")
    assert done.code == 0, (done.error, done.err)
    return done


def task_findings(world):
    findings = world("doctor", "--json").data["findings"]
    return [one for one in findings if one["check"] == "task statuses"]


def as_a_person(world, **fields):
    with world.org.storage.transaction():
        change(world.org, "Task", the_task(world)["Id"], user_named(world.org), **fields)


def test_a_task_closes_in_an_org_that_calls_it_erledigt(story):
    german(story)
    map_tasks(story)
    story("sync")
    assert of_the_task(story) == ("Offen", False)
    partner_orders_again(story.org)
    later(story)
    assert of_the_task(story) == ("Erledigt", True)
    assert later(story).data["pushed_by_object"] == {}


def test_a_status_that_was_replaced_while_a_closing_waited_is_not_written_any_more(synced):
    story = synced
    partner_orders_again(story.org)
    story.wait(minutes=15)
    story("pull")
    story("compute")  # the closing waits, with the status of then
    german(story)
    story.wait(days=1)
    later(story)
    assert of_the_task(story) == ("Erledigt", True)


def test_the_status_that_the_admin_names_closes_tasks(story):
    task_statuses.replace_all(story.org, [*GERMAN, Status("Von selbst erledigt", closed=True)])
    map_tasks(story, 'closed_status = "Von selbst erledigt"')
    story("sync")
    partner_orders_again(story.org)
    later(story)
    assert of_the_task(story) == ("Von selbst erledigt", True)


def test_a_named_status_that_closes_nothing_is_refused_before_anything_is_written(story):
    german(story)
    map_tasks(story, 'closed_status = "Wartet"')
    for command in ("mapping", "check"), ("sync",):
        done = story(*command)
        assert done.code == 2
        assert "M311" in done.text
        assert "closed are: Erledigt" in done.text
    (finding,) = task_findings(story)
    assert (finding["level"], '"Wartet" closes no task' in finding["said"]) == ("fail", True)


def test_a_status_that_stops_closing_tasks_is_told_the_next_day_and_stops_nothing(story):
    german(story)
    map_tasks(story, 'closed_status = "Erledigt"')
    story("sync")
    task_statuses.replace_all(
        story.org, [Status("Offen", default=True), Status("Erledigt"), Status("Fertig", closed=True)]
    )
    partner_orders_again(story.org)
    story.wait(days=1)
    done = later(story)
    assert any('"Erledigt" closes no task' in one for one in json.loads(done.out)["warnings"])
    assert of_the_task(story) == ("Fertig", True)


def test_what_is_created_with_a_status_that_the_org_does_not_offer_is_said_by_name(story):
    german(story)
    done = story("mapping", "check", "--json")
    (problem,) = done.data["problems"]
    assert (done.code, problem["level"], problem["code"]) == (0, "warning", "M215")
    assert problem["message"].startswith('Task.Status does not offer the value "Not Started"')
    assert problem["help"] == "it has: Offen, Wartet, Erledigt"


def test_tasks_that_an_earlier_version_closed_with_a_stray_status_are_closed_at_night(synced):
    story = synced
    partner_orders_again(story.org)
    later(story)
    german(story)
    as_a_person(story, IsClosed=0)  # as if it had been written when the org was German already
    assert of_the_task(story) == ("Completed", False)
    done = later(story, "reconcile")
    assert done.data["drift"]["tasks_closed_again"] == 1
    assert of_the_task(story) == ("Erledigt", True)
    story.wait(hours=1)
    assert later(story, "reconcile").data["drift"]["tasks_closed_again"] == 0


def test_the_night_leaves_tasks_alone_that_are_not_written_any_more(story):
    story("sync")
    partner_orders_again(story.org)
    later(story)
    map_tasks(story, 'when = "never"', created="Not Started")
    later(story)
    german(story)
    as_a_person(
        story, IsClosed=0
    )  # closed by us, and open: while tasks were written it would be closed again
    asked = []
    inner = story.org.handle
    story.monkeypatch.setattr(
        story.org, "handle", lambda request: (asked.append(json.dumps(request.query)), inner(request))[1]
    )
    done = later(story, "reconcile")
    assert done.data["drift"]["tasks_closed_again"] == 0
    assert not [one for one in asked if "FROM Task" in one]
    assert later(story, "outbox", "list").data["rows"] == [], "what is never sent is not put there"


def test_a_closed_task_that_a_person_opened_again_stays_open(synced):
    story = synced
    partner_orders_again(story.org)
    later(story)
    as_a_person(story, Status="In Progress", IsClosed=0)
    assert later(story, "reconcile").data["drift"]["tasks_closed_again"] == 0
    assert of_the_task(story) == ("In Progress", False)


def test_an_org_that_does_not_show_its_statuses_gets_the_usual_one_and_doctor_says_so(story):
    story.org.schema.remove_sobject("TaskStatus")
    story("sync")
    partner_orders_again(story.org)
    later(story)
    assert of_the_task(story) == ("Completed", True)
    (finding,) = task_findings(story)
    assert finding["level"] == "warn"
    assert "may not read TaskStatus" in finding["said"]


@pytest.mark.parametrize("command", [("sync",), ("reconcile",)])
def test_an_idle_sync_asks_for_no_statuses_and_a_night_asks_at_most_twice(synced, command):
    story = synced
    story.wait(minutes=15)
    story("sync")
    story.wait(minutes=40)
    asked = []
    inner = story.org.handle
    story.monkeypatch.setattr(
        story.org, "handle", lambda request: (asked.append(json.dumps(request.query)), inner(request))[1]
    )
    done = story(*command, "--json")
    assert done.code == 0
    count = sum("TaskStatus" in one for one in asked)
    assert count == (0 if command == ("sync",) else 1)
    if command == ("sync",):
        assert done.data["api_calls"] == 1
