"""What one file of a bulk job cannot carry goes beside it, by collections: the other rows are none the worse for it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from connector.port import RowResult
from connector.upload_csv import uploads
from jobs import bulk_push

TARGET = SimpleNamespace(object="Account", match="Key__c")


@pytest.fixture
def push(monkeypatch):
    """`push(records)`: the results by key, the keys in the file, and those beside it."""

    def pushed(records):
        in_file, beside = [], []

        def by_job(run, target, rows, some, lanes):
            assert list(uploads(some, "Key__c"))
            in_file.extend(one["Key__c"] for one in some)
            return [RowResult(one["Key__c"], ok=True, id="job") for one in some]

        def by_collections(sobject, match, some):
            beside.extend(one["Key__c"] for one in some)
            return [RowResult(one["Key__c"], ok=True, id="call") for one in some]

        monkeypatch.setattr(bulk_push, "_send", by_job)
        run = SimpleNamespace(app=SimpleNamespace(org=SimpleNamespace(upsert=by_collections)))
        results = bulk_push.send(run, TARGET, [object()] * len(records), records, None)
        return [one.key for one in results], in_file, beside

    return pushed


def record(key, **fields):
    return {"Key__c": key, "Name__c": "Gold", **fields}


def test_a_text_that_a_file_takes_for_an_emptied_field_goes_beside_it(push):
    records = [record("a"), record("b", Name__c="#N/A"), record("c")]
    assert push(records) == (["a", "b", "c"], ["a", "c"], ["b"])


def test_so_does_a_record_that_leaves_a_field_out(push):
    records = [record("a"), {"Key__c": "b"}, record("c")]
    assert push(records) == (["a", "b", "c"], ["a", "c"], ["b"])


def test_there_is_no_file_where_it_could_carry_nothing(push):
    records = [record("a", Name__c="#N/A"), record("b", Name__c="#N/A")]
    assert push(records) == (["a", "b"], [], ["a", "b"])
