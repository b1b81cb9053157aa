"""A helper outlives whatever is wrong with its host, and what is wrong with its host hurts nobody else."""

from __future__ import annotations

import threading

import pytest

from jobs import helping
from jobs.app import App
from jobs.helping import help_runs
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

    thread = threading.Thread(target=help_runs, args=(build, stop), daemon=True)
    thread.shop, thread.began = shop, began
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
