"""The URL of the store: its password is never printed, and what is printed leads back to the store."""

from __future__ import annotations

import json

import pytest

from cli.main import run
from state.urls import parsed

SERVER = "postgresql+psycopg://u:topsecret@db.example/rebates"


ORG = """[org.main]
instance_url = "https://acme.my.salesforce.com"
client_id = "key"
username = "u@acme.example"
private_key = "file:secret.key"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", [["config", "show"], ["config", "show", "--origin", "--json"]])
@pytest.mark.parametrize("url", [SERVER, "postgresql+psycopg://u@db.example/rebates?password=topsecret"])
@pytest.mark.parametrize("written_in", ["file", "environment"])
def test_the_configuration_in_force_hides_the_password_of_the_database(
    words, url, written_in, folder, capsys, monkeypatch
):
    if written_in == "file":
        (folder / "rebates.toml").write_text(f'[state]\nurl = "{url}"\n')
    else:
        monkeypatch.setenv("REBATES_STATE_URL", url)
    assert run(words) == 0
    said = "".join(capsys.readouterr())
    assert "topsecret" not in said
    assert "***" in said
    assert "db.example/rebates" in said


@pytest.mark.parametrize(
    "url",
    [
        "u:topsecret@host/x",
        "postgres://u:topsecret@host:port/x",
        "mysql://u:topsecret@host/x",
        "sqlite+nothing:///topsecret.db?password=topsecret",
        "sqlite://",
    ],
)
@pytest.mark.parametrize(
    "words", [["status"], ["sync"], ["db", "check"], ["db", "restore", "rebates.toml", "--yes"]]
)
def test_a_url_that_leads_to_no_store_is_a_setting_to_change_and_not_repeated(
    words, url, folder, capsys, monkeypatch
):
    (folder / "rebates.toml").write_text(ORG)
    monkeypatch.setenv("REBATES_STATE_URL", url)
    assert run([*words, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] in ("store_url", "unusable")
    assert ":topsecret" not in json.dumps(error)
    assert "password=topsecret" not in json.dumps(error)
    assert run(["config", "show"]) == 0
    assert ":topsecret" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "password",
    ["Geh@sesame", "Geh@sesame/1", "Geh@ses?ame", "@sesame", "sesame@", "a/b@c:sesame"],
)
@pytest.mark.parametrize("words", [["status"], ["sync"], ["db", "check"], ["doctor"]])
def test_a_password_with_an_at_sign_that_is_not_escaped_is_refused_and_no_part_of_it_said(
    words, password, folder, capsys, monkeypatch
):
    (folder / "rebates.toml").write_text(ORG)
    monkeypatch.setenv("REBATES_STATE_URL", f"postgresql+psycopg://u:{password}@127.0.0.1/rebates")
    run([*words, "--json"])
    said = "".join(capsys.readouterr())
    assert run(["config", "show"]) == 0
    said += "".join(capsys.readouterr())
    for part in ("sesame", "ame@", "Geh", "c:ses"):
        assert part not in said
    assert run(["status"]) == 2
    assert "%40" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("url", "host", "database"),
    [
        ("postgresql+psycopg://u:Geh%40im@db.example:5432/rebates", "db.example", "rebates"),
        (
            "postgresql+psycopg://u@corp:sesame@db.example/r?application_name=me@here&sslrootcert=/a@b.pem",
            "db.example",
            "r",
        ),
        ("postgresql+psycopg://u@db.example/reb@tes", "db.example", "reb@tes"),
        ("postgresql+psycopg://u:sesame@/rebates?host=/run/postgresql", None, "rebates"),
        ("sqlite:////srv/a:b@c/d@e.db", None, "/srv/a:b@c/d@e.db"),
    ],
)
def test_an_at_sign_that_tears_no_password_is_left_alone(url, host, database):
    read = parsed(url)
    assert (read.host, read.database) == (host, database)
    assert read.password in (None, "Geh@im", "sesame")


@pytest.mark.parametrize("name", ["rev d ünï", "half 50% off", "what%20now"])
def test_the_store_that_status_names_is_found_when_it_is_given_back(name, tmp_path, capsys, monkeypatch):
    place = tmp_path / name
    (place / "programs").mkdir(parents=True)
    (place / "rebates.toml").write_text(ORG + '[state]\nurl = "sqlite:///rebates.db"\n')
    monkeypatch.chdir(place)
    assert run(["db", "upgrade"]) == 0
    assert [one.name for one in place.glob("*.db")] == ["rebates.db"]
    capsys.readouterr()
    assert run(["status", "--json"]) == 0
    store = json.loads(capsys.readouterr().out)["data"]["store"]
    assert "ünï" in store or "%" in store
    monkeypatch.setenv("REBATES_STATE_URL", store)
    assert run(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["store"] == store
    assert run(["db", "check"]) == 0
