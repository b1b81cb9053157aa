"""An org whose flows, triggers and queries take their time."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import pytest
import requests

QUERY = f"query?q={quote('SELECT Id FROM Account')}"


@pytest.fixture
def slow(org):
    def set_(**seconds):
        org.settings.slowness.set(seconds.get("record", {}), seconds.get("row", {}))
        return org.settings.slowness

    return set_


def collection(*names):
    return {"records": [{"attributes": {"type": "Account"}, "Name": name} for name in names]}


def test_the_parts_of_a_composite_call_take_their_time_one_after_the_other(call, slow):
    slow(record={"Account": 0.06})
    part = {"method": "POST", "url": "/services/data/v68.0/composite/sobjects"}
    parts = [{**part, "referenceId": f"c{n}", "body": collection("a", "b")} for n in range(5)]
    reply = call("POST", "composite", json={"compositeRequest": parts})
    assert reply.delay == pytest.approx(10 * 0.06)
    assert call("GET", "limits").delay == 0, "and nothing else does"


def test_a_query_takes_its_time_for_each_row_and_ends_when_it_takes_too_long(call, slow):
    for name in "abc":
        call.create("Account", Name=name)
    rows = len(call("GET", QUERY).json()["records"])
    slowness = slow(row={"Account": 0.5})
    assert call("GET", QUERY).delay == pytest.approx(rows * 0.5)
    slowness.query_max = 1.0
    ended = call("GET", QUERY)
    assert (ended.status, ended.json()[0]["errorCode"]) == (400, "QUERY_TIMEOUT")
    assert ended.delay == pytest.approx(1.0), "after all the time that it may take"
    counted = call("GET", f"query?q={quote('SELECT COUNT() FROM Account')}")
    assert counted.status == 400


def test_the_console_makes_the_org_slow_over_http_and_quick_again(served, token):
    def post(**sent):
        return requests.post(
            f"{served.url}/emulator/slowness", json=sent, headers={"X-Emulator": "admin"}, timeout=5
        )

    def seconds():
        began = time.monotonic()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        address = f"{served.url}/services/data/v68.0/composite/sobjects"
        made = requests.post(address, data=json.dumps(collection("a", "b")), headers=headers, timeout=5)
        assert made.status_code == 200
        return time.monotonic() - began

    assert post(per_record={"Account": 0.4}).json()["per_record"] == {"Account": 0.4}
    assert seconds() >= 0.8
    assert post().status_code == 200
    assert seconds() < 0.8
    assert post(per_row={"Account": -1}).status_code == 400
