"""Runs, leases, bulk jobs, the audit trail: who does what, once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from state import audit, bulk_jobs, leases, meta, runs
from state.errors import LostLease, WrongOrg
from state.tables.running import audit as audit_table

HOUR = timedelta(hours=1)


def test_a_slot_runs_once(store, now):
    with store.transaction() as tx:
        first = runs.start(tx, "sync", now, owner="a", epoch=1, now=now)
        assert first is not None
        assert runs.start(tx, "sync", now, owner="b", epoch=2, now=now) is None
        assert runs.start(tx, "sync", now + HOUR, owner="b", epoch=2, now=now) is not None
        assert runs.finish(
            tx, first, "partial", now=now + HOUR, counts={"pulled": 3, "rejected": 1}, error="one row"
        )
        assert not runs.finish(tx, first, "ok", now=now + HOUR)
        ended = runs.get(tx, first)
    assert (ended.outcome, ended.counts, ended.error) == ("partial", {"pulled": 3, "rejected": 1}, "one row")


def test_a_run_that_was_killed_is_found_and_ended(store, now):
    with store.transaction() as tx:
        dead = runs.start(tx, "sync", now, owner="a", epoch=1, now=now)
        alive = runs.start(tx, "push", now, owner="a", epoch=1, now=now)
        runs.heartbeat(tx, alive, now + HOUR)
        assert [run.pk for run in runs.abandon(tx, older_than=now + HOUR, now=now + HOUR)] == [dead]
        assert [run.pk for run in runs.unfinished(tx)] == [alive]
        assert [run.outcome for run in runs.latest(tx, job="sync")] == ["abandoned"]
        assert runs.latest(tx, outcome="ok") == []


def test_one_holder_at_a_time_and_every_holder_has_its_own_epoch(store, now):
    with store.transaction() as tx:
        mine = leases.acquire(tx, "sync", owner="a", ttl=HOUR, now=now)
        assert leases.acquire(tx, "sync", owner="b", ttl=HOUR, now=now) is None
        leases.check(tx, mine)
        mine = leases.renew(tx, mine, ttl=HOUR, now=now + HOUR / 2)
        assert leases.acquire(tx, "sync", owner="b", ttl=HOUR, now=now + HOUR) is None
        assert [lease.owner for lease in leases.held(tx, now)] == ["a"]
    late = now + 2 * HOUR
    with store.transaction() as tx:
        leases.check(tx, mine)  # expired, but nobody took it
        theirs = leases.acquire(tx, "sync", owner="b", ttl=HOUR, now=late)
        assert theirs.epoch == mine.epoch + 1
    with store.transaction() as tx:
        assert not leases.release(tx, mine, now=late)
        assert leases.release(tx, theirs, now=late)
        assert leases.held(tx, late) == []
    with pytest.raises(LostLease, match="another process"), store.transaction() as tx:
        leases.check(tx, mine)
    with pytest.raises(LostLease), store.transaction() as tx:
        leases.renew(tx, mine, ttl=HOUR, now=late)


def test_a_lease_that_a_clock_ahead_took_is_free_once_the_clock_is_right(store, now):
    with store.transaction() as tx:
        ahead = leases.acquire(tx, "org", owner="killed", ttl=HOUR, now=now + 24 * HOUR)
        mine = leases.acquire(tx, "org", owner="b", ttl=HOUR, now=now)
        assert (mine.epoch, mine.expires_at) == (ahead.epoch + 1, now + HOUR)
    with pytest.raises(LostLease), store.transaction() as tx:
        leases.check(tx, ahead)


def test_a_clock_that_is_set_back_a_little_takes_no_lease_from_a_live_holder(store, now):
    with store.transaction() as tx:
        mine = leases.acquire(tx, "org", owner="a", ttl=HOUR, now=now)
        assert leases.acquire(tx, "org", owner="b", ttl=HOUR, now=now - leases.AHEAD) is None
        leases.check(tx, mine)


def test_a_bulk_job_is_found_again_after_a_crash(store, now):
    with store.transaction() as tx:
        unsent = bulk_jobs.plan(
            tx, "pull:order", object="Order", operation="queryAll", now=now, detail={"until": 5}
        )
        sent = bulk_jobs.plan(tx, "pull:order_line", object="OrderItem", operation="queryAll", now=now)
        bulk_jobs.created(tx, sent, "750A")
    with store.transaction() as tx:
        assert [(job.pk, job.sf_job_id) for job in bulk_jobs.unfinished(tx)] == [
            (unsent, None),
            (sent, "750A"),
        ]
        assert bulk_jobs.unfinished(tx, "pull:order")[0].detail == {"until": 5}
        bulk_jobs.end(tx, sent, "done", now=now)
        bulk_jobs.end(tx, unsent, "abandoned", now=now)
        assert bulk_jobs.unfinished(tx) == []


def test_a_store_belongs_to_one_org(store):
    with store.transaction() as tx:
        meta.pin_org(tx, "00D000000000001EAA")
        meta.pin_org(tx, "00D000000000001EAA")
    with pytest.raises(WrongOrg, match="00D000000000002EAA"), store.transaction() as tx:
        meta.pin_org(tx, "00D000000000002EAA")


@pytest.fixture
def trail(store, now):
    with store.transaction() as tx:
        for n in range(5):
            audit.append(tx, actor="ann", action="approve", object=f"payout {n}", detail={"n": n}, now=now)
    return store


def test_the_audit_trail_is_append_only(trail):
    for statement in (audit_table.delete(), audit_table.update().values(actor="eve")):
        with pytest.raises(DBAPIError, match="append-only"), trail.transaction() as tx:
            tx.execute(statement)
    with trail.read() as tx:
        assert audit.verify(tx) is None
        assert [entry.object for entry in audit.entries(tx, limit=2)] == ["payout 4", "payout 3"]


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE seq = 3", "audit row 3 was changed"),
        ("DELETE FROM audit WHERE seq = 3", "audit row 3 is missing"),
        ("UPDATE audit SET hash = prev_hash WHERE seq = 5", "audit row 5 was changed"),
        ("DELETE FROM audit WHERE seq = 5", "the end of the audit trail is missing"),
    ],
)
def test_whoever_gets_around_the_triggers_breaks_the_chain(trail, damage, found):
    with trail.transaction() as tx:
        anchor = audit.head(tx)
        if trail.dialect == "postgresql":
            tx.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER ALL")
        else:
            tx.exec_driver_sql("DROP TRIGGER audit_refuses_update")
            tx.exec_driver_sql("DROP TRIGGER audit_refuses_delete")
        tx.exec_driver_sql(damage)
        assert found in (audit.verify(tx, anchor=anchor) or "")
