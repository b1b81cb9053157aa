"""Whoever only looks, or is refused, makes no store: an empty one would be found whole by `verify` and `db check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.main import run

PROGRAM = str(Path("programs/retail-2026.toml").resolve())
ORG = """programs = "programs"
[org.main]
instance_url = "http://127.0.0.1:9"
client_id = "key"
username = "u@acme.example"
private_key = "file:secret.key"
"""
LOOKING = [
    ["doctor"],
    ["status"],
    ["verify"],
    ["plan"],
    ["why-changed", "x", "--since", "2026-01-01"],
    ["explain", "x"],
    ["db", "check"],
    ["program", "check", PROGRAM, "--store"],
    ["program", "diff", PROGRAM, PROGRAM, "--store"],
]


@pytest.mark.parametrize(
    "words", [*LOOKING, ["reconcile"], ["sync"], ["pull"], ["schedule", "run", "--once"]], ids=" ".join
)
def test_without_a_configuration_nothing_is_made(words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REBATES_SCHEDULE_SYNC_EVERY", "15m")
    assert run(words) in (1, 2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_before_the_first_sync_a_command_that_only_looks_makes_no_store(words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rebates.toml").write_text(ORG)
    (tmp_path / "programs").mkdir()
    assert run([*words, "--json"]) in (1, 2)
    assert {one.name for one in tmp_path.iterdir()} == {"rebates.toml", "programs"}
    assert "rebates sync" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["verify"], ["status"], ["db", "check"]], ids=" ".join)
def test_an_empty_file_is_not_found_whole(words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rebates.toml").write_text(ORG)
    (tmp_path / "rebates.db").touch()
    assert run([*words, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "store_empty"


@pytest.mark.parametrize("command", ["sync", "reconcile"])
def test_a_run_that_lacks_its_program_files_makes_no_store(command, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rebates.toml").write_text(ORG)
    assert run([command]) == 2
    assert "no such folder of program files" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["rebates.toml"]
