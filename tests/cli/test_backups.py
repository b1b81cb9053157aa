"""Backups and copies that cannot be: said with the file that the person named, and nothing is left lying about."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from cli.main import run


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
