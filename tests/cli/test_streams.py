"""Who reads along changes neither the work nor how it ended: pipes that close, full disks, no letters, Ctrl-C."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.main import run

ROOT = Path(__file__).parents[2]
REBATES = f"{sys.executable} -m cli.main"


@pytest.fixture
def shell(tmp_path):
    """Runs a line in a shell and in an empty folder."""

    def run_(line, **environment):
        env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        return subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_


@pytest.mark.parametrize("command", ["--help", "mapping show", "mapping show --json", "mapping schema"])
def test_a_reader_that_has_seen_enough_is_no_failure(shell, command):
    done = shell(f"{REBATES} {command} | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (0, "")
    done = shell(f"{REBATES} {command} | true; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["--help", "mapping show", "mapping show --json"])
def test_with_stdout_closed_the_command_ends_as_it_would(shell, command):
    done = shell(f"{REBATES} {command} >&-")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["--help", "mapping show", "mapping show --json"])
def test_a_result_that_finds_no_room_is_said_in_a_sentence(shell, command):
    done = shell(f"{REBATES} {command} >/dev/full")
    assert done.returncode == 1
    assert done.stderr == "error: the result could not be written: No space left on device\n"


@pytest.mark.parametrize("end", ["2>&-", "2>/dev/full"])
def test_messages_that_nobody_can_read_stop_nothing(shell, end):
    assert shell(f"{REBATES} mapping show {end}").returncode == 0
    assert shell(f"{REBATES} no-such-command {end}").returncode == 2, "and it ends as it would"
    assert shell(f"{REBATES} init new {end}").returncode == 0


def test_letters_that_a_stream_does_not_have_are_replaced_and_json_stays_whole(shell):
    assert shell(f"{REBATES} --help", PYTHONIOENCODING="ascii").returncode == 0
    done = shell(f"{REBATES} 'Lumière' --json", PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert "Lumière" in json.loads(done.stdout)["error"]["message"]


STOPPED = """
import os, signal, time
import mappings.file
from cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
def slow():
    os.kill(os.getpid(), signal.{signal})
    time.sleep(20)
mappings.file.standard_text = slow
main({words})
"""


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_a_command_that_only_looks_says_that_it_was_stopped(tmp_path, signal):
    def stopped(*words):
        script = STOPPED.format(signal=signal, words=list(words))
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
        )  # fmt: skip

    done = stopped("mapping", "show", "standard")
    assert (done.returncode, "Stopped" in done.stderr, "Traceback" in done.stderr) == (130, True, False)
    done = stopped("mapping", "show", "standard", "--json")
    assert done.returncode == 130
    assert json.loads(done.stdout)["error"]["code"] == "interrupted"


@pytest.mark.parametrize("command", [["doctor"], ["verify", "--deep"], ["mapping", "check"]])
def test_ctrl_c_in_a_command_is_a_json_object_where_one_was_asked_for(capsys, monkeypatch, command):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.opening.configuration_of", interrupted)
    assert run([*command, "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "interrupted"
