"""An org in which counting or listing all records of an object takes longer than a query may."""

from __future__ import annotations

import pytest

from emulator.life import permissions_of


def slow(world, query_max=1.0):
    """So many lines at once are too much; a few changed ones are not."""
    world.org.settings.slowness.set({}, {"OrderItem": 0.12})
    world.org.settings.slowness.query_max = query_max


@pytest.mark.parametrize("query_max", [1.0, 120.0], ids=["QUERY_TIMEOUT", "no answer"])
def test_a_count_that_is_too_much_is_told_once_a_day_and_stops_nothing(story, query_max):
    story.config("[org.main.timeouts]\nread = 3.0\nquery = 3.0\ncomposite = 3.0\ncall = 6.0\n")
    story("sync")
    story.wait(days=1)
    slow(story, query_max)
    done = story("sync", "--json")
    assert done.code == 0, done.text
    (told,) = [one for one in done.warnings if "gave up counting" in one]
    assert told.startswith("order_line: ")
    story.wait(minutes=15)
    again = story("sync", "--json")
    assert again.code == 0
    assert not [one for one in again.warnings if "gave up counting" in one], "not asked again that day"


def test_ids_that_are_too_many_for_one_query_are_compared_by_a_bulk_job(story):
    story("sync")
    story.wait(days=1)
    slow(story)
    done = story("reconcile", "--json")
    assert done.code == 0, done.text
    lines = next(one for one in done.data["inventory"] if one["entity"] == "order_line")
    assert lines["there"] == lines["live"] > 0
    assert lines["missing"] == lines["newer"] == 0


def test_a_stream_that_could_not_be_read_is_counted_as_soon_as_it_can(story):
    story("sync")
    story.wait(days=1)
    permissions_of(story.org).hide("OrderItem.TotalPrice")
    assert story("sync").code == 2
    permissions_of(story.org).show("OrderItem.TotalPrice")
    story.org.faults.hide_rows("OrderItem", [row["Id"] for row in story.rows("SELECT Id FROM OrderItem")])
    story.wait(minutes=15)
    done = story("sync", "--json")
    assert done.data["stopped"]["order_line"]["code"] == "ROWS_VANISHED", done.text
