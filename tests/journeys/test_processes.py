"""Real processes: two schedulers on one database, and a sync that is asked to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

from emulator.bulk_query import jobs_of
from emulator.fault_kinds import Fault
from emulator.seed_story import LUMIERE


def start(world, *args):
    env = {**os.environ, "REBATES_CLOCK": world.clock().isoformat()}
    return subprocess.Popen(
        [sys.executable, "-m", "cli.main", *args],
        cwd=world.folder, env={**env, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_until(true, seconds=30.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def runs(world):
    from state import runs as kept
    from state.store import Store

    store = Store.open(f"sqlite:///{world.folder}/rebates.db")
    try:
        with store.read() as tx:
            return kept.latest(tx, limit=200)
    finally:
        store.close()


def test_what_is_due_runs_once_and_missed_slots_are_listed(story):
    story.config('[schedule.sync]\nevery = "15m"\n')
    story("sync")
    assert story("schedule", "run", "--once").code == 0
    assert story("schedule", "run", "--once").code == 0
    slots = Counter(run.slot for run in runs(story) if run.job == "sync")
    assert max(slots.values()) == 1
    before = len(runs(story))
    story.wait(minutes=47)
    assert story("schedule", "run", "--once").code == 0
    new = runs(story)[: len(runs(story)) - before]
    assert [run.outcome for run in new] == ["ok", "missed", "missed"]
    assert [run["outcome"] for run in story("status", "--json").data["runs"]][:3] == [
        "ok",
        "missed",
        "missed",
    ]


def test_a_job_that_has_not_succeeded_for_two_slots_is_called_late(story):
    story.config('[schedule.sync]\nevery = "15m"\n')
    assert story("schedule", "run", "--once").code == 0
    assert story("status", "--json").data["late"] == []
    story.wait(minutes=16)
    assert story("status", "--json").data["late"] == []
    story.wait(minutes=15)
    (late,) = story("status", "--json").data["late"]
    assert late["job"] == "sync"
    assert "late: sync has not succeeded since 2026-11-24" in story("status").out
    assert story("schedule", "run", "--once").code == 0
    assert story("status", "--json").data["late"] == []


def test_two_schedulers_on_one_database_run_each_slot_once(story):
    story.config('[schedule.sync]\nevery = "2s"\n')
    assert story("sync").code == 0
    both = [start(story, "schedule", "run"), start(story, "schedule", "run")]
    try:
        done = lambda: [run for run in runs(story) if run.outcome == "ok"]  # noqa: E731
        wait_until(lambda: len(done()) >= 4)
    finally:
        for one in both:
            one.send_signal(signal.SIGTERM)
    said = [one.communicate(timeout=30)[1] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    slots = Counter((run.job, run.slot) for run in runs(story))
    assert max(slots.values()) == 1
    assert {run.outcome for run in runs(story)} <= {"ok", "missed", "interrupted"}, said
    assert len(story.rows(f"SELECT Id FROM Task WHERE Account.Name = '{LUMIERE}'")) == 1
    assert story("verify", "--deep").code == 0


def test_a_stop_leaves_the_slots_of_the_jobs_behind_for_after_the_restart(story):
    story.config('[schedule]\nsync.every = "15m"\nreconcile.cron = "0 2 * * *"\nverify.cron = "0 2 * * *"\n')
    story.org.faults.add(Fault("delay", path="composite", seconds=1.5, times=0))
    process = start(story, "schedule", "run", "--once", "--json")
    try:
        wait_until(lambda: any(run.outcome is None for run in runs(story)))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, (out, err)
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert [run.job for run in runs(story)] == ["sync"]
    story.org.faults.clear()
    done = story("schedule", "run", "--once", "--json")
    assert done.data["jobs"] == {"sync": "skipped", "reconcile": "ok", "verify": "ok"}
    assert done.code == 0


def test_a_turn_of_the_schedule_ends_as_the_jobs_own_command_would(story):
    story.config('[schedule.sync]\nevery = "15m"\n')
    assert story("sync").code == 0
    story.wait(minutes=15)
    assert story("pause", "--reason", "freeze").code == 0
    paused = story("schedule", "run", "--once", "--json")
    assert (paused.code, paused.error["code"]) == (1, "paused")
    assert paused.data["jobs"] == {"sync": "put off"}
    story("resume")
    story.org.faults.add(
        Fault("status", path="oauth2/token", status=400, code="invalid_grant", times=0,
              body='{"error":"invalid_grant","error_description":"not approved"}')
    )  # fmt: skip
    refused = story("schedule", "run", "--once", "--json")
    assert (refused.code, refused.error["hint"] is not None) == (4, True)
    story.org.faults.clear()
    story.wait(minutes=15)
    process = start(story, "sync")
    story.org.faults.add(Fault("delay", path="", seconds=1.0, times=0))
    try:
        wait_until(lambda: any(run.outcome is None for run in runs(story)))
        locked = story("schedule", "run", "--once", "--json")
    finally:
        story.org.faults.clear()
        process.communicate(timeout=60)
    assert (locked.code, locked.error["code"]) == (6, "locked")
    assert story("schedule", "run", "--once", "--json").code == 0, "it was put off, not used up"


def test_a_sync_that_is_asked_to_stop_finishes_its_batch_and_saves(story):
    story.org.faults.add(Fault("delay", path="composite", seconds=1.5, times=0))
    process = start(story, "sync")
    try:
        wait_until(lambda: any(run.outcome is None for run in runs(story)))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, (out, err)
    assert runs(story)[0].outcome == "interrupted"
    story.org.faults.clear()
    assert story("sync").code == 0, "the lock was given back"
    assert story("verify", "--deep").code == 0


def test_a_sync_that_waits_for_the_org_stops_within_seconds_when_asked(story):
    story.config('[sync]\ninitial_read = "bulk"\n')
    story.org.settings.extra["bulk_polls"] = 10**6
    process = start(story, "sync")
    try:
        wait_until(lambda: len(jobs_of(story.org)) >= 5)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=25)
    finally:
        process.kill()
    assert process.returncode == 130, (out, err)
    assert runs(story)[0].outcome == "interrupted"
    story.org.settings.extra.clear()
    assert story("sync").code == 0, "the jobs of the run before are read"
    assert story("verify", "--deep").code == 0


def test_a_scheduled_run_that_waits_for_the_org_ends_when_its_time_is_up(story):
    story.config('[schedule]\nlongest = "3s"\n[schedule.sync]\nevery = "15m"\n')
    story.config('[sync]\ninitial_read = "bulk"\n')
    story.org.settings.extra["bulk_polls"] = 10**6
    story("schedule", "run", "--once")
    (run,) = [run for run in runs(story) if run.job == "sync"]
    assert (run.outcome, run.error.partition(":")[0]) == ("failed", "TookTooLong")
    story.org.settings.extra.clear()
    story.wait(minutes=15)
    assert story("sync").code == 0, "the lock was given back"
    assert story("verify", "--deep").code == 0


def test_a_sync_that_is_killed_leaves_a_lock_that_frees_itself_and_loses_nothing(story):
    story.org.faults.add(Fault("delay", path="composite", seconds=1.5, times=0))
    process = start(story, "sync")
    wait_until(lambda: any(run.outcome is None for run in runs(story)))
    process.kill()
    process.communicate(timeout=30)
    story.org.faults.clear()
    assert story("sync").code == 6, "the dead one may still be alive as far as anybody knows"
    story.wait(minutes=31)
    assert story("sync").code == 0
    assert [run.outcome for run in runs(story)] == ["ok", "abandoned"]
    assert story("verify", "--deep").code == 0
