"""What the command tree says of a command line that fails."""

from __future__ import annotations

import json

import pytest

from cli.main import run


@pytest.mark.parametrize(
    ("words", "schema"),
    [
        (["explain", "ACME"], "rebates.explain/1"),
        (["--config", "gone.toml", "sync", "--dry-run"], "rebates.sync/1"),
        (["--org", "eu", "outbox", "list"], "rebates.outbox-list/1"),
        (["program", "check", "gone.toml"], "rebates.program-check/1"),
    ],
)
def test_a_failure_names_the_command_as_its_result_would(words, schema, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run([*words, "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["ok"], told["data"]) == (schema, False, None)


def test_a_refused_number_of_workers_makes_no_store(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["sync", "--workers", "2"]) == 2
    assert "a SQLite file has one writer" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
