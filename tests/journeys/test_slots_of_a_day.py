"""What scheduled runs write down of themselves, so that a slot that nothing tells of is noticed (S3)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.running import running
from state import runs
from state.store import Store


@pytest.fixture
def scheduled(story, monkeypatch):
    """Whatever is run here is run in the slot of this moment, as a scheduler does."""
    story.config('[schedule]\nsync = { every = "15m" }\nreconcile = { cron = "0 3 * * *" }\n')

    def in_its_slot(app, job, slot=None):
        now = app.clock.now()
        return running(
            app,
            job,
            now - timedelta(minutes=now.minute % 15, seconds=now.second, microseconds=now.microsecond),
        )

    for name in ("sync", "reconcile"):
        monkeypatch.setattr(f"jobs.{name}.running", in_its_slot)
    return story


def latest(world, job):
    store = Store.open(f"sqlite:///{world.folder}/rebates.db")
    with store.read() as tx:
        (run,) = runs.latest(tx, job=job, limit=1)
    store.close()
    return run


@pytest.mark.parametrize(("job", "rhythm"), [("sync", "every 0:15:00"), ("reconcile", "0 3 * * * UTC")])
def test_a_run_that_did_its_work_still_says_by_which_rhythm_it_was_run(scheduled, job, rhythm):
    assert scheduled(job).code == 0
    counts = latest(scheduled, job).counts
    assert counts["rhythm"] == rhythm
    assert "pulled" in counts


def test_a_slot_that_nothing_tells_of_is_named_by_verify(scheduled):
    scheduled("sync")
    scheduled.wait(minutes=45)
    scheduled("sync")
    done = scheduled("verify", "--json")
    assert "a slot passed and nothing tells of it (S3)" in done.text
