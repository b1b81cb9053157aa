"""What arrived of a request without an answer is told by number and content: a number alone may have been given out twice."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pyarrow as pa
import pytest

from connector.port import Page
from jobs.found_by_key import states_in_org
from mappings.file import read_mapping
from state.outbox import Row

TARGET = read_mapping("standard").push["standing"]
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SAYS = {"Rebate__c": Decimal("1200.50"), "Tier__c": "Gold", "Next_Tier__c": None}
SHOWN = {"Rebate__c": "1200.5", "Tier__c": "Gold", "Next_Tier__c": None}


class OneRecord:
    """An org that shows one standing."""

    def __init__(self, **fields):
        self.fields, self.asked = fields, []

    def query(self, soql):
        self.asked.append(soql)
        columns = soql.removeprefix("SELECT ").split(" FROM ")[0].split(", ")
        row = {name: [self.fields.get(name)] for name in columns}
        yield Page(pa.table(row, schema=pa.schema([(name, pa.string()) for name in columns])), 1, None)


def arrived(number="7", **shown):
    org = OneRecord(**{"Id": "a01", str(TARGET.match): "RB-1", str(TARGET.fence): number} | SHOWN | shown)
    row = Row(
        pk=1, kind="state", object=TARGET.object, ext_key="RB-1", account_id="001", seq=7, payload=SAYS, payload_hash="",
        state="inflight", attempts=1, retry_at=NOON, owner=None, epoch=None, stuck=None, code=None, message=None,
        enqueued_at=NOON, finished_at=None,
    )  # fmt: skip
    return states_in_org(SimpleNamespace(org=org), TARGET, [row])


def test_a_record_under_our_number_that_says_what_we_sent_has_arrived():
    assert arrived() == {"RB-1": "a01"}


@pytest.mark.parametrize("shown", [{"Rebate__c": "900"}, {"Tier__c": "Silver"}, {"Next_Tier__c": "Platinum"}])
def test_a_record_under_our_number_that_says_something_else_has_not_arrived(shown):
    """The database lost its last commits, and the number was given out before, for what the org shows."""
    assert arrived(**shown) == {}


def test_a_record_under_another_number_has_not_arrived():
    assert arrived("8") == {}
    assert arrived(None) == {}
