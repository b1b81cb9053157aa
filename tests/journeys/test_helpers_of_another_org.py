"""A helper whose configuration leads to another org than the store's: it writes nothing there, and says nothing was delivered."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from jobs import login_pause
from jobs.app import App
from jobs.clock import system_clock, system_rng
from jobs.configuration import load_configuration
from jobs.helping import help_runs
from jobs.rules_in_use import rules_in_use
from jobs.running import LEASE_TTL
from state import leases, meta, outbox, runs, shards
from state.instants import micros
from state.outbox import Wanted

pytestmark = pytest.mark.postgres
WORD = "OF ANOTHER ORG"


@pytest.fixture
def led_elsewhere(story, postgres, monkeypatch):
    """A store of another org, in which its leader offers one record to push; our configuration leads to `story`."""
    monkeypatch.setenv("REBATES_STATE_URL", postgres)
    assert story("sync").code == 0
    configuration = load_configuration(
        explicit=Path(story.folder / "rebates.toml"), start=story.folder, environment=os.environ, flags={}
    )
    clock = system_clock()

    def build():
        return App.build(configuration, clock=clock, rng=system_rng())

    with build() as leader, leader.store.transaction() as tx:
        now, leased = leader.clock.now(), leader.lease_time(tx)
        meta.put(tx, "org_id", "00D7Q0000000009EAA")
        key, payload = next(
            iter(
                outbox.last_done(tx, "Rebate_Standing__c", outbox.keys_done(tx, "Rebate_Standing__c")).items()
            )
        )
        wanted = {**payload, "Tier__c": WORD}
        outbox.enqueue(tx, [Wanted("state", "Rebate_Standing__c", key, wanted, "acc")], now=now)
        lease = leases.acquire(tx, leases.ORG, owner="lead:1:a", ttl=LEASE_TTL, now=leased)
        pk = runs.start(tx, "sync", now, owner="lead:1:a", epoch=lease.epoch, now=now)
        given = [{"lanes": list(range(64)), "calls": 0, "at": micros(now + timedelta(minutes=5))}]
        rules = rules_in_use(leader)
        shards.cut(tx, pk, "push", given, leader_epoch=lease.epoch, rules=rules, now=leased)
    return story, build


def test_it_writes_nothing_and_leaves_the_row_to_the_leader(led_elsewhere, monkeypatch):
    story, build = led_elsewhere
    stop, real = threading.Event(), login_pause.note_helper_refused

    def noted(tx, code, now):
        real(tx, code, now)
        stop.set()

    monkeypatch.setattr(login_pause, "note_helper_refused", noted)
    threading.Timer(20, stop.set).start()
    help_runs(build, stop)
    with build() as app, app.store.read() as tx:
        assert outbox.counts(tx)["pending"] == 1
        assert login_pause.helper_rests(tx, app.clock.now())
    assert WORD not in {row["Tier__c"] for row in story.rows("SELECT Tier__c FROM Rebate_Standing__c")}
