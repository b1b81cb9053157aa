"""Tasks are asked for by id or key, five slices in one call; what that costs is counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pyarrow as pa
import pytest

from connector.port import Page
from jobs.tasks_in_org import by_id, by_key
from mappings.file import read_mapping

COLUMNS = (
    "Id",
    "Rebate_Key__c",
    "OwnerId",
    "CreatedById",
    "IsClosed",
    "IsDeleted",
    "Status",
    "LastModifiedById",
)


def page(*ids, locator=None):
    rows = {name: [f"{name}-{one}" for one in ids] for name in COLUMNS}
    return Page(pa.table(rows | {"Id": list(ids)}), len(ids), locator)


@dataclass
class CountingOrg:
    """Answers each query with one task; the first pages of `longer` queries go on behind a locator."""

    longer: bool = False
    calls: int = 0
    queries: list[str] = field(default_factory=list)

    def poll(self, queries):
        self.calls += 1
        self.queries += queries
        return [page(f"t{n}", locator="more" if self.longer else None) for n, _ in enumerate(queries)]

    def query(self, soql, *, include_deleted, locator=None):
        assert include_deleted
        self.calls += 1
        self.queries.append(soql)
        yield page("later" if locator else "t")


def asked(count, how=by_id, **org):
    counting = CountingOrg(**org)
    app = SimpleNamespace(org=counting, pace=SimpleNamespace(attend=lambda: None))
    values = [f"00T{number:015d}" for number in range(count)]
    return counting, [one.sf_id for one in how(app, read_mapping("standard").push["task"], values)]


@pytest.mark.parametrize(
    ("tasks", "calls"), [(0, 0), (1, 1), (200, 1), (201, 1), (1_000, 1), (1_001, 2), (2_500, 3)]
)
def test_a_thousand_tasks_cost_one_call(tasks, calls):
    assert asked(tasks)[0].calls == calls


def test_every_task_is_asked_for_once_and_none_is_looked_for_among_all():
    org, _ = asked(2_500)
    assert sum(query.count("'00T") for query in org.queries) == 2_500
    assert all(" WHERE Id IN (" in query and len(query) < 6_000 for query in org.queries)


def test_what_does_not_fit_into_a_first_page_is_read_on():
    _, found = asked(400, longer=True)
    assert found == ["t0", "later", "t1", "later"]


def test_tasks_that_were_perhaps_made_are_asked_for_by_their_key():
    org, _ = asked(1, by_key)
    assert " WHERE Rebate_Key__c IN (" in org.queries[0]
