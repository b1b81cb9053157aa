"""A bulk query that the org gives up, or never ends: smaller windows, the rest of the calls unharmed, nothing lost."""

from __future__ import annotations

from decimal import Decimal

import pytest

from emulator import bulk_query
from emulator.bulk_query import jobs_of
from emulator.fault_kinds import Fault
from emulator.raw_rows import change, user_named
from emulator.seed_story import LUMIERE
from state import meta, watermarks
from state.store import Store

LINES = 28


@pytest.fixture
def large(story, monkeypatch):
    """Everything is read by bulk jobs, and the lines were touched one a day."""
    monkeypatch.setattr("connector.limits.REST_READ_ROWS", 3)
    story.config('[sync]\ninitial_read = "bulk"\n')
    lines = [row["Id"] for row in story.rows("SELECT Id FROM OrderItem ORDER BY Id")]
    assert len(lines) >= LINES
    with story.org.storage.transaction():
        for n, line in enumerate(lines):
            stamp = story.org.now_ms() - (n + 1) * 86_400_000
            change(story.org, "OrderItem", line, user_named(story.org), SystemModstamp=stamp)
    return story


def counted(world, monkeypatch):
    """Query jobs of order lines, and how many of them failed, from now on."""
    seen, real = [], bulk_query._run

    def watched(org, job):
        real(org, job)
        if job.object == "OrderItem":
            seen.append(job.processed)

    monkeypatch.setattr(bulk_query, "_run", watched)
    return seen


def most(world, rows):
    world.org.settings.extra["bulk_query_most"] = rows


def whole(world):
    account = world.rows(f"SELECT Rebate_Qualifying_Amount__c FROM Account WHERE Name = '{LUMIERE}'")[0]
    assert Decimal(account["Rebate_Qualifying_Amount__c"]) == Decimal("45188")
    assert world("verify", "--deep").code == 0


def test_a_job_that_fails_over_so_many_rows_is_cut_until_its_pieces_do_not(large, monkeypatch):
    most(large, 12)
    rows = counted(large, monkeypatch)
    done = large("sync", "--json")
    assert done.code == 0, done.text
    (lines,) = [one for one in done.data["streams"] if one["entity"] == "order_line"]
    assert (lines["method"], lines["changed"]) == ("bulk", len(large.rows("SELECT Id FROM OrderItem")))
    assert rows[0] == lines["changed"], "the whole of it was tried first"
    assert max(rows[2:]) <= 12
    whole(large)


def test_how_much_was_too_much_is_known_at_the_next_whole_read(large, monkeypatch):
    most(large, 12)
    large("sync")
    rows = counted(large, monkeypatch)
    store = Store.open(f"sqlite:///{large.folder}/rebates.db")
    with store.transaction() as tx:
        watermarks.reset(tx, "order_line")
    store.close()
    large.wait(minutes=15)
    assert large("sync").code == 0
    assert max(rows) <= 12, "nobody tries the whole again"
    whole(large)


def test_the_nightly_comparison_reads_ids_in_pieces_too(large, monkeypatch):
    large("sync")
    most(large, 12)
    rows = counted(large, monkeypatch)
    large.wait(minutes=15)
    done = large("reconcile", "--json")
    assert done.code == 0, done.text
    assert rows[0] > 12 >= max(rows[2:])
    assert {stock["entity"]: stock["missing"] for stock in done.data["inventory"]}["order_line"] == 0
    whole(large)


def test_a_job_that_never_ends_is_ended_and_read_in_pieces(story):
    story.config("[org.main.timeouts]\nbulk_job = 1.0\n")
    story.config('[sync]\ninitial_read = "bulk"\n')
    story.org.settings.extra["bulk_polls"] = 10**6
    done = story("sync", "--json")
    assert (done.code, done.error["code"]) == (1, "JOB_DEADLINE")
    assert jobs_of(story.org), "it is waited for once more"
    story.wait(minutes=30)
    done = story("sync", "--json")
    assert done.code == 0, done.text
    assert not list(jobs_of(story.org).values()), "ended, and tidied up"
    whole(story)


def test_an_org_that_gives_up_every_job_is_told_and_nothing_is_half_applied(large, monkeypatch):
    monkeypatch.setattr("connector.limits.REST_READ_ROWS", 0)
    monkeypatch.setattr("jobs.narrowing.affordable", lambda app, rows: False)
    most(large, 0)
    done = large("sync", "--json")
    assert (done.code, done.error["code"]) == (1, "JOBS_KEEP_FAILING")
    stopped = {name: one["code"] for name, one in done.data["stopped"].items()}
    assert stopped["order_line"] == "JOBS_KEEP_FAILING"
    assert not stopped.keys() & {stream["entity"] for stream in done.data["streams"]}
    status = large("status", "--json").data
    assert (status["stopped"], status["runs"][0]["outcome"]) == (stopped, "partial")
    large.org.settings.extra.pop("bulk_query_most")
    large.wait(minutes=15)
    assert large("sync").code == 0
    whole(large)


def no_more_jobs(world):
    world.org.faults.add(Fault("status", "POST", r"jobs/query$", status=400, code="EXCEEDEDQUOTA", times=0))


def test_an_org_whose_bulk_jobs_are_used_up_is_read_in_pages(large):
    no_more_jobs(large)
    done = large("sync", "--json")
    assert done.code == 0, done.text
    large.org.faults.clear()
    whole(large)


def test_where_pages_cost_too_many_calls_only_the_stream_that_needs_a_job_stops(story, monkeypatch):
    story("sync")
    story.config('[sync]\ninitial_read = "bulk"\n')
    no_more_jobs(story)
    monkeypatch.setattr("jobs.narrowing.affordable", lambda app, rows: False)
    store = Store.open(f"sqlite:///{story.folder}/rebates.db")
    with store.transaction() as tx:
        watermarks.reset(tx, "order_line")
    store.close()
    story.wait(minutes=15)
    done = story("sync", "--json")
    assert done.code == 2, done.text
    assert {name: one["code"] for name, one in done.data["stopped"].items()} == {
        "order_line": "EXCEEDEDQUOTA"
    }


@pytest.fixture
def many(story, monkeypatch):
    """After the first sync; every comparison is of so many rows that a bulk job would read them."""
    assert story("sync").code == 0
    monkeypatch.setattr("connector.limits.REST_READ_ROWS", 3)
    story.wait(minutes=40)
    return story


def test_the_night_and_a_deep_check_go_on_in_pages_where_bulk_jobs_are_used_up(many):
    (row,) = many.rows(f"SELECT Id FROM Account WHERE Name = '{LUMIERE}'")
    many.change("Account", row["Id"], {"Rebate_Amount__c": 1})
    no_more_jobs(many)
    wrong = many("verify", "--deep", "--json")
    assert (wrong.code, [one["field"] for one in wrong.data["drift"]]) == (1, ["Rebate_Amount__c"]), (
        wrong.text
    )
    done = many("reconcile", "--json")
    assert (done.code, done.data["stopped"], done.data["drift"]["changed"]) == (0, {}, 1), done.text
    assert {one["entity"] for one in done.data["inventory"]} >= {"account", "order", "order_line"}
    assert many.org.faults.log, "a job was asked for"
    assert many("verify", "--deep").code == 0


def test_what_pages_cost_too_much_for_is_not_compared_and_the_rest_of_the_night_is_done(many):
    no_more_jobs(many)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobs.narrowing.affordable", lambda app, rows: False)
        done = many("reconcile", "--json")
    assert done.code == 2, done.text
    assert {name: one["code"] for name, one in done.data["stopped"].items()}.items() >= {
        "order_line": "EXCEEDEDQUOTA", "Rebate_Standing__c": "EXCEEDEDQUOTA",
    }.items()  # fmt: skip
    assert done.data["drift"]["gone"] == 0, "what was not read is not missing"
    many.org.faults.clear()
    many.wait(hours=24)
    later = many("reconcile", "--json")
    assert (later.code, later.data["stopped"]) == (0, {}), later.text


def test_a_job_that_somebody_aborted_says_nothing_of_how_much_is_too_much(large, monkeypatch):
    aborted, real = [], bulk_query.advance

    def meddled(org, job):
        if job.object == "OrderItem" and not aborted:
            aborted.append(job)
            job.move(org, "Aborted")
        real(org, job)

    monkeypatch.setattr(bulk_query, "advance", meddled)
    done = large("sync", "--json")
    assert (done.code, len(aborted)) == (0, 1), done.text
    store = Store.open(f"sqlite:///{large.folder}/rebates.db")
    with store.read() as tx:
        assert meta.get(tx, "bulk.most.order_line") is None
    store.close()
    whole(large)
