"""A mapping of one's own that writes how many days are left: the number moves with the day, and the check says what that costs."""

from __future__ import annotations

import re

from own_files import use_mapping

from mappings.file import standard_text

STANDINGS = "SELECT Period__c, Incomplete__c, LastModifiedDate FROM Rebate_Standing__c"
OWN = 'Incomplete__c = { text = "{standing.days_left:days}" }'


def map_days_left(story):
    text, count = re.subn(r"(?m)^Incomplete__c = .*$", OWN, standard_text(), count=1)
    assert count == 1
    use_mapping(story, text)


def shown(story, period):
    found = {row["Incomplete__c"] for row in story.rows(STANDINGS) if row["Period__c"] == period}
    assert len(found) == 1
    return found.pop()


def test_days_left_on_a_standing_move_at_the_first_sync_of_a_day_and_end_at_none(story):
    map_days_left(story)
    assert story("sync").code == 0
    assert shown(story, "2026-11") == "7 days"
    story.wait(days=1)
    first = story("sync", "--json")
    assert first.code == 0, first.text
    assert shown(story, "2026-11") == "6 days"
    open_ones = [row for row in story.rows(STANDINGS) if row["Incomplete__c"] != "0 days"]
    assert first.data["pushed"] >= len(open_ones) > 0
    story.wait(minutes=15)
    again = story("sync", "--json")
    assert (again.data["pushed"], again.data["api_calls"]) == (0, 1), "once a day"
    story.wait(days=8)
    assert story("sync").code == 0
    assert shown(story, "2026-11") == "0 days"
    story.wait(days=1)
    assert story("sync").code == 0
    assert story("verify", "--deep").code == 0


def test_the_check_of_a_mapping_says_what_a_field_costs_that_is_another_every_day(story):
    map_days_left(story)
    done = story("mapping", "check")
    told = " ".join(done.text.split())
    assert done.code == 0, told
    assert "M216" in told
    assert "Rebate_Standing__c.Incomplete__c says standing.days_left, which is another every day" in told
    assert 'map "period.last_day"' in told


def test_the_standard_mapping_writes_no_standing_because_a_day_went_by(story):
    assert story("sync").code == 0
    before = {row["LastModifiedDate"] for row in story.rows(STANDINGS)}
    story.wait(days=1)
    assert story("sync").code == 0
    assert {row["LastModifiedDate"] for row in story.rows(STANDINGS)} == before
    assert "M216" not in story("mapping", "check").text
