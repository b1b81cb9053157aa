"""A read whose pages lack rows that the org counts: it is read again from its start, or stops by name; never short in silence."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal

import pytest

from connector.errors import WindowLost
from emulator.raw_rows import change, user_named
from emulator.seed_story import LUMIERE

QUALIFYING = f"SELECT Rebate_Qualifying_Amount__c FROM Account WHERE Name = '{LUMIERE}'"


@pytest.fixture
def paged(story):
    """Pages of ten, so that the lines take four."""
    story.config('[sync]\ninitial_read = "rest"\n')
    story.org.settings.page_size_min = story.org.settings.page_size_max = 10
    return story


@pytest.fixture
def lacking(monkeypatch):
    """`lacking(times, page)`: that many times, page `page` of the order lines comes without its fifth row. The ids of
    the rows that were left out."""
    from connector import rest

    def lack(times, page=2, sobject="OrderItem"):
        left_out, real = [], rest.page_of

        def page_of(reply, columns, about=None):
            records = reply.get("records") if isinstance(reply, dict) else None
            following = re.search(r"-(\d+)$", str(reply.get("nextRecordsUrl"))) if records else None
            number = int(following[1]) // 10 if following else 0
            if about == sobject and records and number == page and len(left_out) < times:
                left_out.append(records[4]["Id"])
                reply = {**reply, "records": records[:4] + records[5:]}
            return real(reply, columns, about)

        monkeypatch.setattr(rest, "page_of", page_of)
        return left_out

    return lack


def lines_of(done):
    (found,) = [stream for stream in done.data["streams"] if stream["entity"] == "order_line"]
    return found["rows"]


def whole(world):
    (account,) = world.rows(QUALIFYING)
    assert Decimal(account["Rebate_Qualifying_Amount__c"]) == Decimal("45188")
    assert world("reconcile", "--json").data["inventory"] is not None
    assert world("verify", "--deep").code == 0


def test_a_line_that_a_page_lacks_is_read_when_the_window_begins_again(paged, lacking):
    left_out = lacking(1)
    done = paged("sync", "--json")
    assert left_out
    assert done.code == 0, done.text
    assert lines_of(done) == len(paged.rows("SELECT Id FROM OrderItem")), "each line once, none left out"
    whole(paged)


def test_lines_that_stay_away_stop_their_stream_by_name_and_come_with_the_next_sync(
    paged, lacking, monkeypatch
):
    left_out = lacking(9)
    done = paged("sync", "--json")
    assert (done.code, done.error["code"]) == (2, "ROWS_MISSING")
    assert "rows arrived, 3 times" in done.error["message"]
    assert len(left_out) == 3, "not for ever"
    assert "order_line" not in {stream["entity"] for stream in done.data["streams"]}
    monkeypatch.undo()
    monkeypatch.chdir(paged.folder)
    paged.wait(minutes=15)
    assert paged("sync").code == 0
    whole(paged)


def test_a_line_that_was_set_aside_in_a_read_that_lacked_rows_is_one_line(paged, lacking):
    (line,) = paged.rows(
        f"SELECT Id FROM OrderItem WHERE Order.Account.Name = '{LUMIERE}' AND Order.EffectiveDate = 2026-11-09"
    )
    with paged.org.storage.transaction():
        change(paged.org, "OrderItem", line["Id"], user_named(paged.org), Quantity=None)
    paged.wait(minutes=5)
    lacking(1)
    done = paged("sync", "--json")
    assert (done.code, done.data["rejected"]) == (3, 1)
    assert lines_of(done) == len(paged.rows("SELECT Id FROM OrderItem"))


def test_a_cursor_that_is_lost_behind_a_page_that_lacked_a_row_does_not_hide_it(paged, lacking, monkeypatch):
    from connector.rest import Rest

    left_out, real, lost = lacking(1), Rest._more, []

    def more(self, locator, columns, call):
        if call.sobject == "OrderItem" and locator.endswith("-20") and not lost:
            lost.append(locator)
            raise WindowLost("INVALID_QUERY_LOCATOR", sobject="OrderItem")
        return real(self, locator, columns, call)

    monkeypatch.setattr(Rest, "_more", more)
    done = paged("sync", "--json")
    assert left_out
    assert lost
    assert done.code == 0, done.text
    assert lines_of(done) == len(paged.rows("SELECT Id FROM OrderItem"))
    whole(paged)


def test_a_cursor_that_is_lost_goes_on_behind_the_last_row(paged, monkeypatch):
    from connector.rest import Rest

    real, lost, asked = Rest._more, [], []

    def more(self, locator, columns, call):
        if call.sobject == "OrderItem" and locator.endswith("-20") and not lost:
            lost.append(locator)
            raise WindowLost("INVALID_QUERY_LOCATOR", sobject="OrderItem")
        return real(self, locator, columns, call)

    first = Rest._first

    def begin(self, query, columns, include_deleted, call):
        asked.append(query)
        return first(self, query, columns, include_deleted, call)

    monkeypatch.setattr(Rest, "_more", more)
    monkeypatch.setattr(Rest, "_first", begin)
    done = paged("sync", "--json")
    assert done.code == 0, done.text
    assert lost
    assert any("FROM OrderItem" in query and "Id > " in query for query in asked), "not from the start"
    assert lines_of(done) == len(paged.rows("SELECT Id FROM OrderItem"))
    whole(paged)


def test_what_changed_meanwhile_may_lack_rows_without_losing_what_was_read_before(
    paged, lacking, monkeypatch
):
    """The second round of one pull begins again alone: the pages of the first stay."""
    from jobs import pull

    lines = [row["Id"] for row in paged.rows("SELECT Id FROM OrderItem ORDER BY Id")]
    real, rounds = pull._left_behind, []

    def left_behind(app, read, by):
        if not rounds:
            paged.wait(minutes=2)
            with paged.org.storage.transaction():
                for line in lines[:25]:
                    change(paged.org, "OrderItem", line, user_named(paged.org))
            paged.wait(minutes=2)
            app.clock._shift += timedelta(minutes=4)  # as long as it took the org
            app.org._session._heard = None
            lacking(1)
        rounds.append(1)
        return real(app, read, by)

    monkeypatch.setattr(pull, "_left_behind", left_behind)
    done = paged("sync", "--json")
    assert done.code == 0, done.text
    assert lines_of(done) == len(lines) + 25
    whole(paged)


def test_a_poll_whose_only_page_lacks_a_row_reads_that_stream_by_a_job(story, monkeypatch):
    from connector import rest

    real, left_out = rest.page_of, []

    def page_of(reply, columns, about=None):
        if about == "OrderItem" and reply.get("records") and not left_out:
            left_out.append(reply["records"][-1]["Id"])
            reply = json.loads(json.dumps(reply, default=str))
            reply["records"].pop()
        return real(reply, columns, about)

    monkeypatch.setattr(rest, "page_of", page_of)
    done = story("sync", "--json")
    assert left_out
    assert done.code == 0, done.text
    lines = len(story.rows("SELECT Id FROM OrderItem"))
    assert lines <= lines_of(done) <= lines + 1, (
        "one that is as new as the read is read once more where that took a second"
    )
    whole(story)
