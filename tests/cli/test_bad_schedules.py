"""A schedule that nobody could follow is a setting to change, for every command: no traceback, no scheduler that starts."""

from __future__ import annotations

import json

import pytest

from cli.main import run

ORG = """[org.main]
instance_url = "https://acme.my.salesforce.com"
client_id = "key"
username = "u@acme.example"
private_key = "file:secret.key"

"""
BAD = {
    '[schedule]\nsync.cron = "61 * * * *"': ("schedule.sync.cron", "0-59"),
    '[schedule]\nverify.cron = "0 0 31 2 *"': ("schedule.verify.cron", "never comes"),
    '[schedule]\nsync.cron = "* * * *"': ("schedule.sync.cron", "five fields"),
    '[schedule]\nsync.every = "99999999d"': ("schedule.sync.every", "36500d"),
    '[schedule]\nsync.every = "9999999999999d"': ("schedule.sync.every", "36500d"),
    '[schedule]\nreconcile.every = "7d"': ("schedule.reconcile.every", "at most 1d"),
    '[schedule]\ntime_zone = "CET/Berlin"\nsync.every = "15m"': ("schedule.time_zone", "Europe/Berlin"),
    '[schedule]\ntime_zone = "America"\nsync.cron = "0 3 * * *"': ("schedule.time_zone", "IANA name"),
    '[schedule]\ntime_zone = ""': ("schedule.time_zone", "IANA name"),
    '[retention]\nruns = "99999999d"': ("retention.runs", "36500d"),
}


@pytest.mark.parametrize("settings", BAD)
@pytest.mark.parametrize(
    "words", [["schedule", "list"], ["schedule", "run", "--once"], ["status"], ["doctor"]], ids=" ".join
)
def test_a_schedule_that_nobody_could_follow_is_refused_by_its_key_with_what_is_allowed(
    words, settings, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "rebates.toml"
    path.write_text(ORG + settings + "\n")
    assert run([*words, "--json"] if "run" not in words else words) == 2
    told = capsys.readouterr()
    said = json.loads(told.out)["error"]["message"] if told.out else told.err
    key, allowed = BAD[settings]
    assert f"{path}: {key}: " in said
    assert allowed in said
    assert [one.name for one in tmp_path.iterdir()] == ["rebates.toml"]


def test_a_schedule_given_by_the_environment_is_refused_by_the_name_of_its_variable(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REBATES_SCHEDULE_SYNC_CRON", "0 25 * * *")
    assert run(["schedule", "list"]) == 2
    assert "REBATES_SCHEDULE_SYNC_CRON: schedule.sync.cron: " in capsys.readouterr().err


@pytest.mark.parametrize("rhythm", ['every = "1d"', 'cron = "0 9 29 2 *"', 'cron = "0 9 1 * mon"'])
def test_a_rare_schedule_is_none_the_worse_for_it(rhythm, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rebates.toml").write_text(f'{ORG}[schedule]\ntime_zone = "Europe/Helsinki"\nsync.{rhythm}\n')
    assert run(["schedule", "list", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["data"]["jobs"][0]["next"]) == 5
