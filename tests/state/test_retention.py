"""A store that runs for years does not grow for years: what goes, what stays, and that the promises hold afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from state import bulk, bulk_jobs, retention, runs, shards
from state.instants import micros
from state.retention import Keep
from state.tables import metadata
from state.tables.running import runs as run_rows
from state.tables.work import closed_periods, postings, standing_history, standings

DAY = timedelta(days=1)
EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN"}
KEEP = Keep(outbox=30 * DAY, runs=60 * DAY, history=60 * DAY)
NEVER = {
    "accounts", "products", "orders", "order_lines", "currency_rates", "contributions", "totals", "standings", "events", "tasks",
    "postings", "closed_periods", "payouts", "audit", "acknowledged", "program_versions", "watermarks", "meta",
}  # fmt: skip


@pytest.fixture
def tidied(store):
    """Tidies to the end, in small batches; returns what went, and what the dry run had said."""

    def tidy(now):
        with store.read() as tx:
            due = retention.counted(tx, KEEP, now)
        gone = dict.fromkeys(due, 0)
        for kind, (table, query) in retention.due(KEEP, now).items():
            with store.read() as looking:
                for some in retention.keys(looking, query, 3):
                    assert len(some) <= 3
                    with store.transaction() as tx:
                        gone[kind] += bulk.remove(tx, table, some)
        assert gone == due, "the dry run said so"
        with store.read() as tx:
            assert not any(retention.counted(tx, KEEP, now).values())
        return gone

    return tidy


def ran(tx, slot, outcome="ok", job="sync"):
    pk = runs.start(tx, job, slot, owner="o", epoch=1, now=slot)
    runs.finish(tx, pk, outcome, now=slot + timedelta(minutes=1))
    return pk


def test_a_year_of_runs_is_cut_to_what_is_kept_and_the_newest_of_each_job_and_outcome_stays(
    store, now, tidied
):
    with store.transaction() as tx:
        failed = ran(tx, now - 300 * DAY, "failed")
        monthly = ran(tx, now - 200 * DAY, job="verify")
        settled = ran(tx, now - 250 * DAY)
        tx.execute(insert(closed_periods).values(period_pk=1, closed_at=micros(now), run_pk=settled))
        for n in range(100, 0, -1):
            ran(tx, now - n * DAY)
        open_run = runs.start(tx, "push", now - 150 * DAY, owner="o", epoch=1, now=now - 150 * DAY)
    assert tidied(now)["runs"] == 40
    with store.read() as tx:
        left = set(tx.execute(select(run_rows.c.pk)).scalars())
        assert {failed, monthly, settled, open_run} <= left
        assert len(left) == 60 + 4
        assert runs.latest(tx, job="sync", outcome="failed")[0].pk == failed


def test_history_keeps_what_held_at_any_moment_since(store, now, tidied):
    def revision(number, age, member=1):
        return {
            "member_pk": member, "period_pk": 1, "revision": number, "program_version": 1, "qualifier_e6": 0,
            "rebate_e6": number, "tier": None, "changed_at": micros(now - age * DAY), "run_pk": None,
        }  # fmt: skip

    with store.transaction() as tx:
        rows = [revision(n, age) for n, age in enumerate((100, 90, 80, 61, 59, 1), 1)]
        tx.execute(insert(standing_history), [*rows, revision(1, 300, member=2)])
    assert tidied(now)["history"] == 3
    with store.read() as tx:
        kept = tx.execute(select(standing_history.c.member_pk, standing_history.c.revision)).all()
    assert sorted(map(tuple, kept)) == [(1, 4), (1, 5), (1, 6), (2, 1)]


def test_bulk_jobs_that_are_over_and_helpers_that_were_killed_go(store, now, tidied):
    with store.transaction() as tx:
        for _ in range(5):
            pk = bulk_jobs.plan(tx, "pull:order", object="Order", operation="query", now=now - 40 * DAY)
            bulk_jobs.end(tx, pk, "done", now=now - 40 * DAY)
        waits = bulk_jobs.plan(tx, "pull:order", object="Order", operation="query", now=now - 40 * DAY)
        for n in range(4):
            shards.arrive(tx, f"killed:{n}", rules="r", now=now - 2 * DAY)
        shards.arrive(tx, "here", rules="r", now=now)
    gone = tidied(now)
    assert (gone["bulk_jobs"], gone["helpers"]) == (5, 4)
    with store.read() as tx:
        assert [job.pk for job in bulk_jobs.unfinished(tx)] == [waits]
        assert shards.present(tx, since=now - 3 * DAY) == ["here"]


def test_what_is_about_money_or_keeps_a_task_from_being_made_twice_is_never_among_what_goes(store, now):
    cut = {table.name for table, _ in retention.due(KEEP, now).values()}
    assert not cut & NEVER
    assert set(metadata.tables) >= NEVER
    with store.read() as tx:
        assert tx.execute(select(func.count()).select_from(run_rows)).scalar_one() == 0
        assert set(retention.counted(tx, KEEP, now).values()) == {0}


def test_what_a_run_made_or_settled_is_looked_up_by_the_run_and_never_gone_through_for_each(store, now):
    """Four years of standings and postings were read whole for every old run, every night."""
    with store.transaction() as tx:
        run_pks = [ran(tx, now - n * DAY) for n in range(300, 200, -1)]
        bare = {column.name: 0 for column in postings.columns if not column.nullable and column.name != "pk"}
        made = ({**bare, "kind": "adjustment", "member_pk": n, "run_pk": n % 3 or None} for n in range(3000))
        tx.execute(insert(postings), list(made))
        bulk.settle(tx, postings, standings, run_rows)
    with store.transaction() as tx:
        _, query = retention.due(KEEP, now)["runs"]
        said = str(query.compile(tx, compile_kwargs={"literal_binds": True}))
        plan = [str(row) for row in tx.exec_driver_sql(f"{EXPLAIN[tx.dialect.name]} {said}")]
        left = set(run_pks) - {pk for some in retention.keys(tx, query, 1000) for (pk,) in some}
    assert len([line for line in plan if "postings" in line or "standings" in line]) >= 2
    assert not [line for line in plan if " SubPlan 3" in line or "LIST SUBQUERY 3" in line], plan
    assert left >= {1, 2}
