"""A SQLite store is one machine's: another host is refused while it is open here, whoever was killed is forgotten."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from state import meta, one_host
from state.errors import AnotherHost
from state.one_host import OneHost
from state.store import Store

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no flock")

# A process that has the store open and says so; on the machine that it is told to be on.
HOLD = """
import sys
from pathlib import Path
from state import one_host
from state.store import Store
if sys.argv[2]:
    one_host.this_machine = lambda: sys.argv[2]
store = Store.open(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rebates.db"


@pytest.fixture
def url(path):
    return f"sqlite:///{path}"


@pytest.fixture
def held(url):
    """`held(machine)`: another process has the store open, on this machine or on the one that is named."""
    started = []

    def start(machine=""):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, url, machine],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )  # fmt: skip
        started.append(process)
        assert process.stdout.readline() == "open\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_two_hosts_on_one_file_are_refused_by_name(url, held):
    held("kernel-of-b host-b")
    with pytest.raises(AnotherHost, match="open on another host, host-b") as caught:
        Store.open(url)
    assert "rebates db copy" in caught.value.hint


def test_a_command_says_which_host_has_the_store_and_ends_as_locked(url, held, tmp_path, monkeypatch, capsys):
    from cli.main import run

    held("kernel-of-b host-b")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REBATES_STATE_URL", url)
    assert int(run(["status"])) == 6
    assert "host-b" in capsys.readouterr().err


def test_two_processes_of_one_machine_work_on_it_side_by_side(url, held):
    held()
    store = Store.open(url)
    with store.transaction() as tx:
        meta.put(tx, "x", "1")
    store.close()


def test_containers_of_one_kernel_are_one_machine_whatever_they_are_called(url, held):
    kernel = one_host.this_machine().partition(" ")[0]
    held(f"{kernel} container-2")
    Store.open(url).close()


def test_what_a_killed_process_held_is_free_at_once_on_any_host(url, held):
    elsewhere = held("kernel-of-b host-b")
    elsewhere.send_signal(signal.SIGKILL)
    elsewhere.communicate()
    Store.open(url).close()


def test_a_store_that_was_closed_may_be_opened_on_another_host(path, url):
    Store.open(url).close()
    elsewhere = OneHost(path, "kernel-of-b host-b")
    elsewhere.claim()
    with pytest.raises(AnotherHost):
        Store.open(url)
    elsewhere.give_up()
    Store.open(url).close()


def test_a_forked_child_that_closes_its_store_leaves_the_parents_claim(path, url):
    store = Store.open(url)
    child = os.fork()
    if child == 0:
        store.close()
        os._exit(0)
    os.waitpid(child, 0)
    with pytest.raises(AnotherHost):
        OneHost(path, "kernel-of-b host-b").claim()
    store.close()
    OneHost(path, "kernel-of-b host-b").claim()


def test_a_store_that_is_only_named_leaves_no_file(path, url):
    Store.attach(url).close()
    assert not list(path.parent.iterdir())


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no /proc")
def test_many_stores_over_one_engine_hold_one_claim(url):
    first = Store.open(url)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with Store(first.engine).read() as tx:
            meta.get(tx, "epoch")
    first.engine.dispose()
    with Store(first.engine).read() as tx:
        meta.get(tx, "epoch")
    assert len(os.listdir("/proc/self/fd")) <= before
    first.close()
