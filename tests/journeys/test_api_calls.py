"""What a sync costs the org in API calls, counted by the org itself."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from benchmarks import calls
from connector import choose, limits
from emulator.seed_generated import seed_generated
from state import outbox
from state.outbox import Wanted
from state.store import Store

STANDING = "Rebate_Standing__c"
LOOKS_IN_VAIN = 2  # at jobs that another one keeps waiting


@pytest.fixture
def partners(new_world):
    """Six hundred partners, synced once."""
    world = new_world(lambda org: seed_generated(org, 600, 4_000, 3))
    assert world("org", "deploy").code == 0
    assert world("sync", "--allow-many-tasks", "--json").code == 0
    return world


def change(world, count):
    """So many standings move by a cent, as a compute would leave them."""
    store = Store.open(f"sqlite:///{world.folder}/rebates.db")
    with store.transaction() as tx:
        known = list(outbox.last_done(tx, STANDING, outbox.keys_done(tx, STANDING)).items())[:count]
        assert len(known) == count, "the org is too small for this test"
        wanted = [
            Wanted("state", STANDING, key, {**old, "Rebate__c": Decimal(old["Rebate__c"]) + Decimal("0.01")})
            for key, old in known
        ]
        assert outbox.enqueue(tx, wanted, now=world.clock()) == count
    store.close()


def cost(world, *command):
    """API calls that the org counted during a command."""
    before = world.org.usage.total
    done = world(*command, "--json")
    assert done.code == 0, done.text
    return world.org.usage.total - before, done.data


def test_calls_grow_by_one_for_a_thousand_standings(partners):
    idle, _ = cost(partners, "sync")
    assert idle <= 2
    for count in (10, 1_000):
        change(partners, count)
        spent, told = cost(partners, "sync")
        assert told["pushed"] == count
        assert spent - idle == choose.calls_to_write(count, "rest") == 1
    change(partners, 1_001)
    spent, told = cost(partners, "sync")
    assert (told["pushed"], spent - idle) == (1_001, 2)


def test_what_is_known_to_be_large_is_never_looked_at_page_by_page(new_world, monkeypatch):
    monkeypatch.setattr(limits, "REST_READ_ROWS", 1_000)
    world = new_world(lambda org: seed_generated(org, 600, 4_000, 3))
    assert world("org", "deploy").code == 0
    spent, told = cost(world, "pull")
    methods = {stream["entity"]: stream["method"] for stream in told["streams"]}
    assert {name for name, method in methods.items() if method == "bulk"} == {"order", "order_line"}
    # the description, the statuses of tasks, the count of records, one poll of the small ones; a job is create, look,
    # a page, delete
    assert spent <= 4 + 2 * 4 + LOOKS_IN_VAIN
    assert sum(stream["rows"] for stream in told["streams"] if stream["entity"] == "order_line") > 15_000


def test_bulk_is_chosen_where_it_costs_fewer_calls_than_the_smallest_number_of_composite_calls():
    assert choose.choose_write(limits.COMPOSITE_WRITE_ROWS) == "rest"
    assert choose.choose_write(20_000) == "bulk"
    least = -(-20_000 // limits.COMPOSITE_ROWS)
    assert choose.calls_to_write(20_000, "bulk") <= least + 5


def test_the_page_about_scale_has_the_table_that_the_code_computes():
    assert calls.table() in Path("docs/scale.md").resolve().read_text()
