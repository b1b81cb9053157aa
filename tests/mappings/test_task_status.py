"""Which status closes a task, by the org's list and the mapping."""

from __future__ import annotations

import pytest

from mappings.check import check
from mappings.file import parse_mapping, read_mapping
from mappings.task_status import TaskStatus, closing, left_open_by
from tests.mappings.org_describes import picklist, stock_org, with_fields

TASK = (
    '[push.task]\nobject = "Task"\non = ["near_tier"]\n{}[push.task.fields]\nSubject = {{ const = "Call" }}\n'
)
ENGLISH = (TaskStatus("Not Started", False, True), TaskStatus("Done", True), TaskStatus("Completed", True))
GERMAN = (TaskStatus("Offen", False, True), TaskStatus("Erledigt", True), TaskStatus("Fertig", True))


def target(setting=""):
    return parse_mapping(TASK.format(setting), "mapping.toml").push["task"]


@pytest.mark.parametrize(
    ("setting", "statuses", "status"),
    [
        ("", ENGLISH, "Completed"),
        ("", GERMAN, "Erledigt"),
        ('closed_status = "Fertig"\n', GERMAN, "Fertig"),
        ('closed_status = "Offen"\n', GERMAN, "Erledigt"),
        ('closed_status = "Fertig"\n', (), "Fertig"),
        ("", (), "Completed"),
    ],
)  # fmt: skip
def test_a_task_is_closed_with_what_closes_one_in_this_org(setting, statuses, status):
    assert closing(target(setting), statuses) == status


@pytest.mark.parametrize(
    ("shown", "statuses", "ours"),
    [
        ("Erledigt", GERMAN, True),  # what we write; the org holds it open all the same
        ("Completed", GERMAN, True),  # on no list
        ("Offen", GERMAN, False),  # a person chose it
        ("In Progress", (), False),
    ],
)
def test_a_stray_status_is_ours_and_one_of_the_list_is_a_persons(shown, statuses, ours):
    assert left_open_by(shown, "Erledigt", statuses) is ours


def test_a_status_that_closes_nothing_is_an_error_at_its_place():
    mapping = parse_mapping(TASK.format('closed_status = "Erledigd"\n'), "mapping.toml")
    found = [one for one in check(mapping, stock_org(), statuses=GERMAN) if one.code == "M311"]
    assert [(one.level, one.help) for one in found] == [("error", 'did you mean "Erledigt"?')]
    assert found[0].place.excerpt == 'closed_status = "Erledigd"'


def test_only_tasks_are_closed_with_a_status():
    text = '[push.account]\nobject = "Account"\nmatch = "Id"\nclosed_status = "X"\n[push.account.fields]\nX__c = "standing.tier"\n'
    with pytest.raises(Exception, match="M003"):
        parse_mapping(text, "mapping.toml")


def test_values_that_a_picklist_does_not_offer_are_named():
    org = stock_org()
    org["Task"] = with_fields(
        org["Task"],
        picklist("Priority", "Hoch", "Normal", nillable=False, defaulted_on_create=True),
        picklist("Status", "Offen", "Erledigt", nillable=False, defaulted_on_create=True),
    )
    found = {one.message.split()[0]: one for one in check(read_mapping("standard"), org)}
    assert {one.code for one in found.values()} == {"M215"}
    assert '"Not Started"' in found["Task.Status"].message
    assert '"High"' in found["Task.Priority"].message
    assert "values = { ... }" in found["Task.Priority"].help


def test_a_priority_that_is_translated_is_offered():
    org = stock_org()
    org["Task"] = with_fields(org["Task"], picklist("Priority", "Hoch", "Normal"))
    text = TASK.format("") + 'Priority = { from = "task.priority", values = { High = "Hoch" } }\n'
    assert [one for one in check(parse_mapping(text, "m.toml"), org) if one.code == "M215"] == []
