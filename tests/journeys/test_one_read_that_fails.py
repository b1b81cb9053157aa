"""A read of one object that the org answers with a server error, as often as it is asked: that stream stops, no other."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from emulator import rest_query
from emulator.errors import ApiError
from emulator.fault_kinds import Fault
from emulator.seed_story import LUMIERE, partner_orders_again

STANDING = (
    "SELECT Qualifying_Amount__c, Incomplete__c FROM Rebate_Standing__c "
    f"WHERE Account__r.Name = '{LUMIERE}' AND Period__c = '2026-11'"
)


@pytest.fixture
def fails(monkeypatch):
    """`fails("OrderItem")`: every query of these objects is a server error from now on; `fails()`: none any more."""
    failing, real = [], rest_query._query

    def answered(org, request, *, all_rows):
        asked = re.search(r"FROM[ +](\w+)", dict(request.query)["q"]).group(1)
        if asked in failing:
            raise ApiError(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred. ErrorId: 1")
        return real(org, request, all_rows=all_rows)

    monkeypatch.setattr(rest_query, "_query", answered)

    def fails(*objects):
        failing[:] = objects

    return fails


def later(story, code):
    story.wait(minutes=15)
    done = story("sync", "--json")
    assert done.code == code, done.text
    return done


def test_the_stream_stops_alone_and_what_it_lacks_is_said(synced, pauses_are_jumps, fails):
    story = synced
    pauses_are_jumps(story)
    order = partner_orders_again(story.org)
    fails("OrderItem")
    done = later(story, code=1)
    assert [one["entity"] for one in done.data["streams"]] == ["user", "product", "account", "order"]
    assert {name: one["code"] for name, one in done.data["stopped"].items()} == {
        "order_line": "UNKNOWN_EXCEPTION"
    }
    assert done.error["message"].startswith("order_line stopped: UNKNOWN_EXCEPTION on OrderItem")
    assert story("status", "--json").data["stopped"] == {"order_line": "UNKNOWN_EXCEPTION"}
    (row,) = story.rows(STANDING)
    assert f"({order}) could not be read: UNKNOWN_EXCEPTION" in row["Incomplete__c"]
    assert Decimal(row["Qualifying_Amount__c"]) == Decimal("45188")

    fails()
    done = later(story, code=0)
    assert done.data["stopped"] == {}
    (row,) = story.rows(STANDING)
    assert (row["Incomplete__c"], Decimal(row["Qualifying_Amount__c"])) == (None, Decimal("50588"))
    assert story("verify", "--deep").code == 0


def test_where_no_stream_at_all_is_answered_the_whole_pull_fails(synced, pauses_are_jumps, fails):
    story = synced
    pauses_are_jumps(story)
    fails("User", "Product2", "Account", "Order", "OrderItem")
    done = later(story, code=1)
    assert done.error["code"] == "UNKNOWN_EXCEPTION"
    assert "stopped" not in done.error["message"], "the org, not one stream"
    assert story("status", "--json").data["stopped"] == {}


def test_a_bulk_job_whose_rows_are_never_handed_over_stops_its_stream(story, pauses_are_jumps):
    pauses_are_jumps(story)
    story.config('[sync]\ninitial_read = "bulk"\n')
    assert story("sync").code == 0
    pulled = story.rows("SELECT Id FROM Order")
    assert pulled
    story.org.faults.add(Fault("status", "POST", r"jobs/query$", status=500, nth=5, times=0))
    path = story.folder / "rebates.db"
    path.unlink()
    done = later(story, code=1)
    assert list(done.data["stopped"]) == ["order_line"], done.text
    assert {one["entity"] for one in done.data["streams"]} == {"user", "product", "account", "order"}
