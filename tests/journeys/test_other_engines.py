"""The command line leaves the work from scratch to another engine: the same standings, and a snapshot the pull keeps."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec

import pytest

from emulator import lifecycle
from jobs import engines
from state.store import Store
from state.tables.work import standings


def saved(world):
    """Everything that is shown to anybody."""
    store = Store.open(f"sqlite:///{world.folder / 'rebates.db'}")
    with store.read() as tx:
        found = {
            (row.member_pk, row.period_pk): (row.rebate_e6, row.tier, row.content_hash)
            for row in tx.execute(standings.select())
        }
    store.close()
    return found


@pytest.mark.parametrize("engine", ["sql", "duckdb", pytest.param("spark", marks=pytest.mark.spark)])
def test_everything_from_scratch_is_what_was_there(story, engine, monkeypatch):
    if engine == "spark":
        if find_spec("pyspark") is None or shutil.which("java") is None:
            pytest.skip("no pyspark or no Java here: make spark-check")
        monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        story.config('[engine]\nspark = "local[2]"\nspark_options = ["spark.driver.host=127.0.0.1"]\n')
    assert story("sync").code == 0
    before = saved(story)
    assert before
    done = story("compute", "--full", "--engine", engine, "--json")
    assert done.code == 0, done.text
    assert done.data["standings"] >= len(before)  # every standing was looked at
    assert done.data["standings_changed"] == 0  # and none is another
    assert saved(story) == before
    assert story("verify", "--deep").code == 0


def test_a_first_sync_can_leave_everything_to_duckdb(story):
    story.config('[engine]\nuse = "duckdb"\n')
    assert story("sync").code == 0
    first = saved(story)
    assert story("compute", "--full", "--engine", "sql", "--json").data["standings_changed"] == 0
    assert saved(story) == first
    assert (story.folder / "rebates.snapshot" / "manifest.json").exists()


@pytest.mark.parametrize("command", ["sync", "reconcile"])
def test_a_dry_run_leaves_nothing_to_the_other_engine(story, command):
    story.config('[engine]\nuse = "duckdb"\n')
    done = story(command, "--dry-run", "--json")
    assert done.code == 0, done.text
    assert done.data["writes_planned"] > 0
    assert not (story.folder / "rebates.snapshot").exists()


def test_the_pull_keeps_the_snapshot(story):
    story.config('[engine]\nuse = "duckdb"\nsnapshot = "facts"\n')
    story("sync")
    assert story("db", "snapshot", "--json").data["snapshot"]["written"] == 0
    line = story.rows("SELECT Id FROM OrderItem LIMIT 1")[0]["Id"]
    story.wait(minutes=30)
    lifecycle.delete(story.org, "OrderItem", line)
    story.wait(minutes=1)
    assert story("pull").code == 0
    assert story("db", "snapshot", "--json").data["snapshot"]["written"] == 0
    manifest = json.loads((story.folder / "facts" / "manifest.json").read_text())
    assert manifest["stamp"]["watermarks"]["order_line"] >= "2026-11-24T15:30"
    assert story("compute", "--full").code == 0
    assert story("verify", "--deep").code == 0


def test_a_dry_run_leaves_no_snapshot(story):
    story.config('[engine]\nuse = "duckdb"\n')
    assert story("sync", "--dry-run").code == 0
    assert not (story.folder / "rebates.snapshot").exists()


def test_an_engine_that_is_not_installed_is_named_before_anything_starts(synced, monkeypatch):
    story = synced
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    done = story("compute", "--engine", "spark", "--json")
    assert done.code == 2
    assert "pyspark" in done.error["message"]
    assert "rebate-sync[spark]" in done.error["hint"]


def test_a_store_on_a_server_must_say_where_the_snapshot_lives(story):
    story.config('[engine]\nuse = "duckdb"\n')
    story("sync")

    class OnAServer:
        path = None

    class Application:
        engine = None
        store = OnAServer()
        settings = type("S", (), {"engine": type("E", (), {"use": "duckdb", "snapshot": None})})

    with pytest.raises(engines.Unusable, match="no folder beside it"):
        engines.snapshot_of(Application())
