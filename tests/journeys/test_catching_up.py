"""What changed in the org while it was read is read as well; where that fails, nothing of the stream was read."""

from __future__ import annotations

from decimal import Decimal

import pytest

from emulator.fault_kinds import Fault
from emulator.life import permissions_of
from emulator.raw_rows import change, user_named
from emulator.seed_story import LUMIERE
from jobs.bulk_streams import BulkStreams
from jobs.reading import Reading
from state import watermarks
from state.store import Store


@pytest.fixture
def touched(story, monkeypatch):
    """Somebody saves six lines while the bulk job of the lines is read, so that they are read once more."""
    story.config('[sync]\ninitial_read = "bulk"\n')
    real = BulkStreams.finish

    def finish(self, one):
        if one.stream.name == "order_line":
            story.wait(seconds=2)
            with story.org.storage.transaction():
                for row in story.rows("SELECT Id FROM OrderItem ORDER BY Id LIMIT 6"):
                    change(story.org, "OrderItem", row["Id"], user_named(story.org))
            story.wait(seconds=2)
        real(self, one)
        if one.stream.name == "order_line":
            story.then()

    monkeypatch.setattr(BulkStreams, "finish", finish)
    story.then = lambda: None
    yield story
    monkeypatch.undo()


def a_page_is_refused(story):
    """One page of a proxy instead of the second page of the lines."""
    story.org.settings.page_size_min = story.org.settings.page_size_max = 5
    story.org.faults.add(
        Fault("status", path=r"/query/01g", status=403, body="<html>Request blocked</html>", content_type="text/html", times=0)
    )  # fmt: skip


def the_question_is_refused(story):
    story.then = lambda: permissions_of(story.org).hide("OrderItem.Quantity")


def all_is_well(story):
    story.org.faults.clear()
    story.org.settings.page_size_min, story.org.settings.page_size_max = 200, 2000
    permissions_of(story.org).show("OrderItem.Quantity")
    story.then = lambda: None


@pytest.mark.parametrize("trouble", [a_page_is_refused, the_question_is_refused])
def test_a_stream_that_cannot_be_caught_up_with_is_read_again_from_where_it_was(touched, trouble):
    trouble(touched)
    done = touched("sync", "--json")
    assert done.code == 2, done.text
    assert set(done.data["stopped"]) == {"order_line"}
    assert "order_line" not in {stream["entity"] for stream in done.data["streams"]}
    store = Store.open(f"sqlite:///{touched.folder}/rebates.db")
    with store.read() as tx:
        assert {mark.stream for mark in watermarks.read_all(tx)} == {"user", "product", "account", "order"}
    store.close()
    all_is_well(touched)
    touched.wait(minutes=15)
    done = touched("sync", "--json")
    assert done.code == 0, done.text
    (row,) = touched.rows(f"SELECT Rebate_Qualifying_Amount__c FROM Account WHERE Name = '{LUMIERE}'")
    assert Decimal(row["Rebate_Qualifying_Amount__c"]) == Decimal("45188")
    assert touched("verify", "--deep").code == 0


def test_a_line_that_is_spoiled_while_the_lines_are_read_is_waited_for_at_once(story, spoiling):
    """Its first reading brings a readable version, the catch-up one that is not: the last one says what it is."""
    line = spoiling(first={}, then={"Quantity": None})
    done = story("sync", "--json")
    assert (done.code, done.data["rejected"]) == (3, 1), done.text
    assert incomplete(story) == [line], "its last readable version counts, and the standing says so"


def test_a_line_that_is_mended_while_the_lines_are_read_is_not_waited_for(story, spoiling):
    spoiling(first={"Quantity": None}, then={"Quantity": 1})
    done = story("sync", "--json")
    assert (done.code, done.data["rejected"]) == (0, 0), done.text
    assert incomplete(story) == []


def test_a_line_that_cannot_be_read_twice_is_one_line(story, spoiling):
    line = spoiling(first={"Quantity": None}, then={"Quantity": None})
    done = story("sync", "--json")
    assert (done.code, done.data["rejected"]) == (3, 1), done.text
    assert incomplete(story) == [line]


def incomplete(world):
    """Which lines some standing says it waits for."""
    said = [row["Incomplete__c"] or "" for row in world.rows("SELECT Incomplete__c FROM Rebate_Standing__c")]
    lines = [row["Id"] for row in world.rows("SELECT Id FROM OrderItem")]
    return [line for line in lines if any(line in text for text in said)]


@pytest.fixture
def spoiling(story, monkeypatch):
    """A line that is one thing when the lines are read and another when that reading ends."""
    story.config('[sync]\ninitial_read = "bulk"\n')
    (line,) = (
        row["Id"]
        for row in story.rows(
            f"SELECT Id FROM OrderItem WHERE Order.Account.Name = '{LUMIERE}' AND Order.EffectiveDate = 2026-11-09"
        )
    )

    def save(values):
        with story.org.storage.transaction():
            change(story.org, "OrderItem", line, user_named(story.org), **values)

    def meanwhile(first, then):
        save(first)
        story.wait(minutes=1)
        real, saved = Reading._stage, list[str]()

        def stage(self, stream, into, page):
            last = real(self, stream, into, page)
            if stream.name == "order_line" and not saved:
                story.wait(seconds=2)
                save(then)
                story.wait(seconds=2)
                saved.append(line)
            return last

        monkeypatch.setattr(Reading, "_stage", stage)
        return line

    return meanwhile
