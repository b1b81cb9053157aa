"""A push by Bulk API whose process is killed anywhere: the job is taken up or aborted, nothing is left or done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from emulator.bulk_ingest import jobs_of
from emulator.seed_story import LUMIERE

STANDINGS = "SELECT Sync_Key__c, Tier__c, SystemModstamp FROM Rebate_Standing__c ORDER BY Sync_Key__c"

# Runs the command line with every upsert by bulk job, and dies at one call of the connector: before or after it.
PROGRAM = """
import os, signal, sys
from connector import limits
from connector.bulk_ingest import BulkIngest
from connector.bulk_jobs import BulkJobs
from cli.main import run

limits.COMPOSITE_WRITE_ROWS = 0
owner, name, when = {"BulkJobs": BulkJobs, "BulkIngest": BulkIngest}[sys.argv[1]], sys.argv[2], sys.argv[3]
real = getattr(owner, name)

def dies(*args, **named):
    if when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*args, **named)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(owner, name, dies)
sys.exit(run(["sync"]))
"""


def die(world, owner, name, when):
    path = os.pathsep.join(one for one in sys.path if one)
    env = {**os.environ, "REBATES_CLOCK": world.clock().isoformat(), "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, owner, name, when],
        cwd=world.folder, env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr


def jobs_written_down(world):
    from sqlalchemy import select

    from state.store import Store
    from state.tables.running import bulk_jobs

    store = Store.open(f"sqlite:///{world.folder}/rebates.db")
    try:
        with store.read() as tx:
            rows = tx.execute(select(bulk_jobs.c.purpose, bulk_jobs.c.state))
            return [(row.purpose, row.state) for row in rows]
    finally:
        store.close()


def goes_on(world):
    """The next run, by REST again; it leaves nothing open, here or there."""
    world.wait(minutes=16)  # the lock of the dead
    done = world("sync", "--json")
    assert done.code == 0, done.text
    assert not [job for job in jobs_of(world.org).values() if job.state in ("Open", "InProgress")]
    assert world("outbox", "list", "--json").data["counts"].keys() == {"done"}
    assert len(world.rows(STANDINGS)) == 7
    assert len(world.rows(f"SELECT Id FROM Task WHERE Account.Name = '{LUMIERE}'")) == 1
    assert world("verify", "--deep").code == 0
    world.wait(minutes=15)
    assert world("sync", "--json").data["pushed"] == 0
    return done


@pytest.mark.parametrize(
    ("owner", "name", "when"),
    [
        pytest.param("BulkJobs", "create", "after", id="before-its-id-was-heard"),
        pytest.param("BulkIngest", "_upload", "before", id="before-the-upload"),
        pytest.param("BulkIngest", "_upload", "after", id="before-it-was-closed"),
    ],
)
def test_a_job_that_was_never_closed_is_aborted_and_its_rows_are_sent_again(story, owner, name, when):
    die(story, owner, name, when)
    assert [job.state for job in jobs_of(story.org).values()] == ["Open"]
    assert not story.rows(STANDINGS)
    goes_on(story)
    assert not list(jobs_of(story.org).values()), "aborted, and tidied up"
    assert jobs_written_down(story) == [("push:Rebate_Standing__c", "abandoned")]


@pytest.mark.parametrize(
    ("owner", "name", "when"),
    [
        pytest.param("BulkJobs", "set_state", "after", id="before-it-was-looked-at"),
        pytest.param("BulkIngest", "_results", "before", id="before-its-results-were-read"),
        pytest.param("BulkJobs", "delete", "before", id="before-its-results-were-kept"),
    ],
)
def test_a_job_that_was_closed_is_waited_for_and_its_results_are_kept(story, owner, name, when):
    die(story, owner, name, when)
    before = story.rows(STANDINGS)
    done = goes_on(story)
    assert done.data["pushed_by_object"]["Rebate_Standing__c"] == 7
    assert jobs_written_down(story) == [("push:Rebate_Standing__c", "done")]
    if before:
        assert story.rows(STANDINGS) == before, "nothing is written twice"


def test_a_job_that_is_gone_has_its_rows_sent_again_by_key(story):
    die(story, "BulkJobs", "delete", "after")
    before = story.rows(STANDINGS)
    assert len(before) == 7
    goes_on(story)
    assert jobs_written_down(story) == [("push:Rebate_Standing__c", "abandoned")]
    assert [row["Sync_Key__c"] for row in story.rows(STANDINGS)] == [row["Sync_Key__c"] for row in before]


def test_a_job_of_somebody_else_is_left_alone(story):
    """Open, of the same object, made by another user: an administrator's own upload."""
    from emulator.auth import login
    from emulator.raw_rows import user_named
    from emulator.router import Request

    username = next(
        row["Username"]
        for row in story.rows("SELECT Id, Username FROM User")
        if row["Id"] == user_named(story.org)
    )
    body = b'{"object":"Rebate_Standing__c","operation":"upsert","externalIdFieldName":"Sync_Key__c"}'
    headers = {"Authorization": f"Bearer {login(story.org, username)}", "Content-Type": "application/json"}
    made = story.org.handle(Request.to("POST", "/services/data/v68.0/jobs/ingest", headers, body))
    assert made.status == 200, made.body
    die(story, "BulkJobs", "create", "after")
    story.wait(minutes=16)
    assert story("sync").code == 0
    assert [job.state for job in jobs_of(story.org).values()] == ["Open"]
