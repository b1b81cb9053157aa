"""What changed in a window: updated, deleted, counts and limits."""

from __future__ import annotations

import pytest

from emulator.context import Context
from emulator.records import undelete


def window(what, start="2026-11-23T14:00:00Z", end="2026-11-23T15:30:00%2B00:00", sobject="Account"):
    return f"sobjects/{sobject}/{what}/?start={start}&end={end}"


def test_changed_records_are_listed_without_the_deleted(call, clock):
    kept, gone = call.create("Account", Name="A"), call.create("Account", Name="B")
    call("DELETE", f"sobjects/Account/{gone}")
    clock.advance(minutes=40)
    found = call("GET", window("updated")).json()
    assert found == {"ids": [kept], "latestDateCovered": "2026-11-23T15:30:00.000+0000"}


def test_deleted_records_are_listed_until_they_come_back(call, org, clock):
    gone = call.create("Account", Name="B")
    call("DELETE", f"sobjects/Account/{gone}")
    found = call("GET", window("deleted")).json()
    assert set(found) == {"deletedRecords", "earliestDateAvailable", "latestDateCovered"}
    (entry,) = found["deletedRecords"]
    assert entry["id"] == gone
    assert entry["deletedDate"].startswith("2026-11-23T15:00:00.")
    assert found["latestDateCovered"] == "2026-11-23T15:00:00.000+0000"
    undelete(org, Context(org.storage.row('SELECT "Id" FROM "User"')[0]), "Account", gone)
    assert call("GET", window("deleted")).json()["deletedRecords"] == []


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-23T15:00:00Z", "2026-11-23T15:00:30Z"),  # seconds do not count
        ("2026-11-23T15:01:00Z", "2026-11-23T15:00:00Z"),
        ("2026-10-01T00:00:00Z", "2026-11-23T15:00:00Z"),  # more than thirty days ago
        ("yesterday", "2026-11-23T15:00:00Z"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(call, start, end):
    response = call("GET", window("updated", start, end))
    assert (response.status, response.json()[0]["errorCode"]) == (400, "INVALID_REPLICATION_DATE")


def test_deletions_are_remembered_for_fifteen_days(call):
    start = "2026-11-01T00:00:00Z"
    assert call("GET", window("updated", start)).status == 200
    assert call("GET", window("deleted", start)).json()[0]["errorCode"] == "INVALID_REPLICATION_DATE"


def test_records_are_counted_by_object(call):
    call.create("Account", Name="A")
    found = call("GET", "limits/recordCount?sObjects=Account,Nonsense,order").json()
    assert found == {"sObjects": [{"count": 1, "name": "Account"}, {"count": 0, "name": "Order"}]}


def test_limits_name_the_allowances_clients_ask_for(call):
    found = call("GET", "limits").json()
    for name in ("DailyApiRequests", "DailyBulkApiBatches", "DailyBulkV2QueryJobs", "DataStorageMB"):
        assert set(found[name]) == {"Max", "Remaining"}
    assert found["DailyApiRequests"] == {"Max": 100_000, "Remaining": 99_999}
