"""A store moves to another database: nothing is lost, nothing is mixed, and numbers go on where they were."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from state import audit, invariants, leases, meta, outbox, rebasing
from state import copy as copying
from state.dialects import database_time
from state.errors import StoreError, StoreLocked
from state.outbox import Wanted
from state.store import Store
from state.tables import metadata
from state.tables.work import outbox as outbox_table


@pytest.fixture
def used(store, now):
    """A store that has been at work."""
    with store.transaction() as tx:
        meta.pin_org(tx, "00D000000000001EAA", where="here")
        wanted = [Wanted("state", "Account", f"A{n}", {"Name": f"Zoë {n} \\ \t"}, f"A{n}") for n in range(50)]
        outbox.enqueue(tx, wanted, now=now)
    return store


@pytest.fixture
def target(store, tmp_path, request):
    """An empty database of the other kind."""
    to_file = store.dialect == "postgresql"
    made = Store.open(f"sqlite:///{tmp_path}/copy.db" if to_file else request.getfixturevalue("postgres_url"))
    yield made
    made.close()


def everything(store):
    with store.read() as tx:
        return {
            table.name: sorted(map(repr, tx.execute(select(table)).all()))
            for table in metadata.sorted_tables
            if table not in copying.LEFT_BEHIND
        }


def test_a_copy_has_every_row_of_the_store(used, target):
    rows = copying.copy(used, target)
    assert rows["outbox"] == 50
    assert everything(target) == everything(used)
    with target.read() as tx:
        assert invariants.check(tx) == []


def test_new_rows_of_a_copy_get_numbers_after_the_copied_ones(used, target, now):
    copying.copy(used, target)
    with target.transaction() as tx:
        outbox.enqueue(tx, [Wanted("state", "Account", "B1", {"Name": "new"}, "B1")], now=now)
        assert tx.execute(select(func.max(outbox_table.c.pk))).scalar_one() == 51


def test_a_copy_to_go_on_with_reads_the_org_first_and_numbers_above_the_store(used, target, now):
    copying.move(used, target, actor="ann", now=now)
    with used.transaction() as tx:
        last = meta.take_sequence(tx, 1000)  # of whoever went on there all the same
    with target.transaction() as tx:
        assert rebasing.stage(tx) is rebasing.Stage.RESTORED
        assert min(row.seq for row in outbox.listed(tx)) > last
        (deed,) = audit.entries(tx)
        assert (deed.actor, deed.action, deed.detail["source"]) == ("ann", "copy", used.where)
        assert invariants.check(tx) == []


def test_nothing_is_copied_while_a_run_is_under_way(used, target, now):
    with used.transaction() as tx:
        at = database_time(tx) or now
        lease = leases.acquire(tx, leases.ORG, owner="host:1", ttl=timedelta(minutes=15), now=at)
    with pytest.raises(StoreLocked, match="host:1"):
        copying.move(used, target, actor="ann", now=now)
    with target.read() as tx:
        assert meta.org_id(tx) is None
    with used.transaction() as tx:
        leases.release(tx, lease, now=at)
    copying.move(used, target, actor="ann", now=now)


def test_a_store_in_use_is_never_overwritten(used, target):
    copying.copy(used, target)
    before = everything(target)
    with pytest.raises(StoreError, match="used before"):
        copying.copy(used, target)
    assert everything(target) == before


def test_a_store_is_not_copied_onto_itself(used):
    with pytest.raises(StoreError, match="onto itself"):
        copying.copy(used, used)
