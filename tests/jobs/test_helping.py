"""A helper outlives whatever is wrong with its host, and what is wrong with its host hurts nobody else."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from connector.errors import AuthenticationFailed, Transient
from jobs import helping, login_pause
from jobs.app import App
from jobs.helping import help_runs
from jobs.rules_in_use import rules_in_use
from jobs.running import LEASE_TTL
from state import leases, runs, shards
from state.instants import micros
from tests.jobs.test_schedule import PROGRAM

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("make_shop", ["postgresql"], indirect=True),
]


@pytest.fixture
def helper(make_shop, monkeypatch):
    """`helper()` begins to help, in a thread of its own; `helper.sessions` counts how often it began anew."""
    monkeypatch.setattr(helping, "IDLE_SECONDS", 0.05)
    shop = make_shop()
    shop.program(PROGRAM, "care")
    opened, stop = shop.opened, threading.Event()
    began = threading.Semaphore(0)
    real = helping.Hand

    def counted(*args, **named):
        began.release()
        return real(*args, **named)

    monkeypatch.setattr(helping, "Hand", counted)

    def build():
        return App.build(opened.configuration, clock=opened.clock, rng=opened.rng)

    shop.fresh = build
    thread = threading.Thread(target=help_runs, args=(build, stop), daemon=True)
    thread.shop, thread.began, thread.stop = shop, began, stop
    yield thread
    stop.set()
    if thread.is_alive():
        thread.join(30)


def test_two_files_with_one_key_or_no_folder_do_not_end_a_helper(helper, capsys):
    folder = helper.shop.folder / "programs"
    helper.shop.program(PROGRAM, "care-copy")
    helper.start()
    assert not helper.began.acquire(timeout=0.5)
    assert helper.is_alive()
    folder.rename(folder.with_name("away"))
    assert not helper.began.acquire(timeout=0.3)
    assert helper.is_alive()
    folder.with_name("away").rename(folder)
    (folder / "care-copy.toml").unlink()
    assert helper.began.acquire(timeout=10), "it helps again once the files are right"
    assert "worker.failed" in "".join(capsys.readouterr())


def test_a_bug_does_not_end_a_helper(helper, monkeypatch):
    asked = threading.Semaphore(0)

    def broken(app):
        asked.release()
        raise KeyError("a bug")

    monkeypatch.setattr(helping, "rules_in_use", broken)
    helper.start()
    assert all(asked.acquire(timeout=10) for _ in range(3))


ELSEWHERE = "00D7Q0000000009EAA"


def lead(shop):
    """A leader elsewhere offers one shard of a push, and has the lease."""
    app = shop.opened
    with app.store.transaction() as tx:
        now = app.lease_time(tx)
        lease = leases.acquire(tx, leases.ORG, owner="lead:1:a", ttl=LEASE_TTL, now=now)
        pk = runs.start(tx, "sync", app.clock.now(), owner="lead:1:a", epoch=lease.epoch, now=now)
        given = [{"lanes": [0], "at": micros(app.clock.now()), "calls": 0}]
        shards.cut(tx, pk, "push", given, leader_epoch=lease.epoch, rules=rules_in_use(shop.fresh()), now=now)
    return pk


def shard(shop, pk):
    with shop.opened.store.read() as tx:
        (found,) = shards.of_run(tx, pk)
    return found


@pytest.fixture
def asked(helper, monkeypatch):
    """Each time that the helper logs in; it is refused."""
    tries = threading.Semaphore(0)
    tries.count = 0

    def refuse(app):
        tries.count += 1
        tries.release()
        raise AuthenticationFailed("invalid_client", status=400)

    monkeypatch.setattr(App, "org", property(refuse))
    return tries


def rested(helper, sessions=5):
    """So often it looked again whether it may help."""
    looks = threading.Semaphore(0)
    real = login_pause.helper_rests

    def look(tx, now):
        looks.release()
        return real(tx, now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(login_pause, "helper_rests", look)
        return all(looks.acquire(timeout=10) for _ in range(sessions))


def test_a_helper_that_is_refused_the_login_rests_for_a_quarter_of_an_hour_and_the_leader_goes_on(
    helper, asked
):
    pk = lead(helper.shop)
    helper.start()
    assert asked.acquire(timeout=10)
    assert rested(helper)
    assert asked.count == 1
    assert shard(helper.shop, pk).owner is None, "the leader takes it"
    with helper.shop.opened.store.read() as tx:
        assert login_pause.pause(tx, helper.shop.clock.now()) is None, "the leader's login is another one"
        assert shards.present(tx, since=helper.shop.clock.now() - LEASE_TTL) == [], "nobody counts on it"
    helper.shop.clock.moment += login_pause.PAUSE
    assert asked.acquire(timeout=10), "then it asks once more"


def test_a_login_that_works_on_its_host_ends_the_rest_of_a_helper(helper, asked):
    lead(helper.shop)
    helper.start()
    assert asked.acquire(timeout=10)
    assert rested(helper)
    with helper.shop.opened.store.transaction() as tx:
        assert login_pause.is_noted(tx)
        login_pause.note_worked(tx)
    assert asked.acquire(timeout=10)


def test_a_helper_whose_login_leads_to_another_org_sends_nothing_and_rests(helper, monkeypatch, capsys):
    sent, logins = [], threading.Semaphore(0)
    monkeypatch.setattr(helping, "push_shard", sent.append)

    def org(app):
        logins.release()
        return SimpleNamespace(org_id=ELSEWHERE, usage=SimpleNamespace(calls=0))

    monkeypatch.setattr(App, "org", property(org))
    pk = lead(helper.shop)
    helper.start()
    assert logins.acquire(timeout=10)
    assert rested(helper)
    assert not logins.acquire(timeout=0.2)
    assert sent == []
    assert (shard(helper.shop, pk).state, shard(helper.shop, pk).owner) == ("open", None)
    assert "worker.refused" in "".join(capsys.readouterr())


def test_a_helper_that_cannot_reach_the_org_waits_before_it_tries_again(helper, asked, monkeypatch):
    waits = []

    def unreachable(app):
        asked.release()
        raise Transient("NO_CONNECTION")

    monkeypatch.setattr(App, "org", property(unreachable))
    real = helper.stop.wait
    helper.stop.wait = lambda seconds=None: waits.append(seconds) or real(seconds)
    lead(helper.shop)
    helper.start()
    assert all(asked.acquire(timeout=10) for _ in range(3))
    assert waits[:2] == [helping.IDLE_SECONDS] * 2
