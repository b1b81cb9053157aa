"""Backups and copies that cannot be: said with the file that the person named, and nothing is left lying about."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from cli.main import run
from state import schema
from state.store import Store


@pytest.fixture
def folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["db", "upgrade"]) == 0
    capsys.readouterr()
    return tmp_path


def files(folder):
    return {one.name for one in folder.iterdir()}


def error_of(capsys):
    return json.loads(capsys.readouterr().out)["error"]


@pytest.mark.parametrize("content", ["empty", "foreign"])
@pytest.mark.parametrize("name", ["other.db", "half 50%3F off?.db"])
def test_a_file_that_is_no_store_is_not_restored_and_leaves_nothing_behind(content, name, folder, capsys):
    other = folder / name
    other.touch()
    if content == "foreign":
        with closing(sqlite3.connect(other)) as database:
            database.execute("CREATE TABLE alembic_version (version_num TEXT)")
    before = files(folder)
    assert run(["db", "restore", name, "--yes", "--json"]) == 1
    message = error_of(capsys)["message"]
    assert "the backup is not a store" in message
    assert name in message
    assert "restoring" not in message
    assert files(folder) == before


@pytest.mark.parametrize(
    ("newer", "code"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "store_newer_schema"),
        ("INSERT INTO meta (key, value) VALUES ('rules', '9999')", "store_newer_rules"),
    ],
)
def test_a_backup_of_a_newer_version_is_refused_before_the_store_moves(newer, code, folder, capsys):
    assert run(["db", "backup", "newer.db"]) == 0
    with closing(sqlite3.connect(folder / "newer.db")) as database, database:
        database.execute(newer)
    capsys.readouterr()
    before = files(folder)
    assert run(["db", "restore", "newer.db", "--yes", "--json"]) == 2
    error = error_of(capsys)
    assert error["code"] == code
    assert "newer.db" in error["message"]
    assert "install the newer version" in error["hint"]
    assert files(folder) == before


def test_an_upgrade_says_what_comes_after_it(folder, capsys, monkeypatch):
    assert run(["db", "upgrade"]) == 0
    assert "next:" not in capsys.readouterr().out
    monkeypatch.setattr(Store, "upgrade", lambda store, now: ("0001", schema.known_revisions()[-1]))
    assert run(["db", "upgrade"]) == 0
    assert "next: rebates mapping check, rebates org deploy" in capsys.readouterr().out


def test_a_store_is_not_restored_onto_itself(folder, capsys):
    before = files(folder)
    (folder / "link.db").symlink_to("rebates.db")
    for name in ("rebates.db", "./rebates.db", "link.db"):
        assert run(["db", "restore", name, "--yes", "--json"]) == 1
        assert "this is the store itself" in error_of(capsys)["message"]
    assert files(folder) == before | {"link.db"}


def test_a_backup_under_a_name_that_no_file_can_have_is_refused(folder, capsys):
    before = files(folder)
    for letters in (300, 250):  # the second is too long only while it is being written
        assert run(["db", "backup", "b" * letters, "--json"]) == 1
        assert "no backup can have this name" in error_of(capsys)["message"]
    assert run(["db", "restore", "b" * 300, "--yes", "--json"]) == 1
    assert "there is no such backup" in error_of(capsys)["message"]
    assert files(folder) == before


def test_a_store_that_is_not_there_cannot_be_copied_and_is_not_made(folder, capsys):
    before = files(folder)
    assert run(["db", "copy", "sqlite:///nosuch.db", "sqlite:///new.db", "--json"]) == 2
    error = error_of(capsys)
    assert "there is nothing to copy" in error["message"]
    assert "nosuch.db" in error["message"]
    assert "upgrade" not in error["hint"]
    assert files(folder) == before


def test_a_backup_goes_back_into_a_folder_whose_name_looks_encoded(tmp_path, capsys, monkeypatch):
    place = tmp_path / "a%20b"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("REBATES_STATE_URL", "sqlite:///rebates.db")
    assert run(["db", "upgrade"]) == 0
    assert run(["db", "backup", "monday.db"]) == 0
    assert run(["db", "restore", "monday.db", "--yes"]) == 0
    assert {one.split(".before-restore-")[0] for one in files(place)} <= {
        *("rebates.db", "monday.db", "rebates.db.host"),
    }
    assert run(["db", "check"]) == 0
    assert [one.name for one in tmp_path.iterdir()] == [place.name]


@pytest.fixture
def older(tmp_path, monkeypatch, capsys):
    """A store as the version before this one left it."""
    from alembic import command
    from alembic.config import Config

    monkeypatch.chdir(tmp_path)
    store = Store.attach("sqlite:///rebates.db")
    with store.transaction() as tx:
        config = Config()
        config.set_main_option("script_location", str(schema._MIGRATIONS))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = tx
        command.upgrade(config, schema.known_revisions()[-2])
    store.close()
    return tmp_path


def test_what_is_advised_before_an_upgrade_works_with_the_older_store(older, capsys):
    assert run(["status", "--json"]) == 2
    assert "db backup FILE" in error_of(capsys)["hint"]
    assert run(["pause"]) == 0
    assert run(["db", "check", "--json"]) == 0
    (warning,) = json.loads(capsys.readouterr().out.partition("\n")[2])["warnings"]
    assert "promises were not checked" in warning
    assert run(["db", "backup", "before.db"]) == 0
    assert run(["db", "upgrade"]) == 0
    assert run(["resume"]) == 0
    assert run(["db", "check"]) == 0
    assert run(["db", "restore", "before.db", "--yes"]) == 0
    assert run(["db", "upgrade"]) == 0


def test_an_empty_database_is_no_store_to_back_up(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rebates.db").touch()
    assert run(["db", "backup", "before.db", "--json"]) == 2
    assert error_of(capsys)["code"] == "store_empty"
