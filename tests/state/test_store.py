"""Opening a store, and everything that can be wrong with one."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import traceback
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pyarrow as pa
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, inspect, select
from sqlalchemy.exc import DBAPIError

from state import audit, backup, bulk, invariants, keys, leases, meta, outbox, rebasing, schema, watermarks
from state import store as store_module
from state.dialects import database_time
from state.errors import (
    CorruptStore,
    DiskFull,
    NewerSchema,
    OlderSchema,
    ReadOnly,
    StoreError,
    StoreLocked,
    StoreUnreachable,
    UpgradeFailed,
    explained,
)
from state.outbox import Wanted
from state.store import Store
from state.tables import metadata
from state.tables.facts import accounts, line_kinds
from state.tables.running import meta as meta_table
from tests import tables_at_once


@pytest.fixture(autouse=True)
def tables_by_alembic():
    with tables_at_once.tables_by_alembic():
        yield True


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rebates.db"


@pytest.fixture
def url(path):
    Store.open(f"sqlite:///{path}").close()
    return f"sqlite:///{path}"


def test_the_migrations_make_exactly_the_tables_of_the_models(store):
    with store.read() as tx:
        assert compare_metadata(MigrationContext.configure(tx), metadata) == []
        assert invariants.check(tx, deep=True) == []
        assert schema.revision(tx) == schema.known_revisions()[-1]
    assert store.check() == []


def test_opening_again_changes_nothing(store, store_url, now):
    again = Store.open(store_url)
    assert again.upgrade(now) == (schema.known_revisions()[-1], schema.known_revisions()[-1])
    again.close()


def made_at(store_url, revision):
    """A store with the tables of an earlier version."""
    opened = Store.attach(store_url)
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with opened.transaction() as tx:
        config.attributes["connection"] = tx
        command.upgrade(config, revision)
    return opened


@pytest.fixture
def older(store_url):
    opened = made_at(store_url, "0007")
    yield opened
    opened.close()


def test_a_store_is_not_upgraded_while_a_run_is_under_way(older, now):
    store = older
    with store.transaction() as tx:
        at = database_time(tx) or now
        lease = leases.acquire(tx, leases.ORG, owner="elsewhere:1", ttl=timedelta(minutes=15), now=at)
    with pytest.raises(StoreLocked, match="a run is under way: elsewhere:1") as refused:
        store.upgrade(now)
    assert "rebates pause" in refused.value.hint
    with store.transaction() as tx:
        assert schema.revision(tx) == "0007"
        leases.release(tx, lease, now=at)
    assert store.upgrade(now) == ("0007", schema.known_revisions()[-1])


def test_an_upgrade_that_fails_names_its_step_and_changes_nothing(older, now):
    with older.transaction() as tx:
        tx.exec_driver_sql("CREATE TABLE shards (mine TEXT)")
    with pytest.raises(UpgradeFailed, match=r"the step to 0008 .*shards.*nothing was changed") as failed:
        older.upgrade(now)
    assert "rebates db upgrade" in failed.value.hint
    with older.read() as tx:
        assert schema.revision(tx) == "0007"
        assert not inspect(tx).has_table("workers")


def test_an_upgrade_finds_the_kinds_with_long_texts_again(store_url, now):
    """A second row for the same kind would be harmless; that none comes says that both find the same digest."""
    opened = made_at(store_url, "0008")
    texts = ["short", *(f"{n} {'word ' * 799}"[:4_000] for n in range(7))]
    attributes = [json.dumps({"note": text}) for text in texts]
    with opened.transaction() as tx:
        # As the version before wrote them: the whole text, which PostgreSQL could take where it compresses well.
        whole = [json.dumps([one], separators=(",", ":")) for one in attributes]
        rows = [{"signature": s, "attributes": a} for s, a in zip(whole, attributes, strict=True)]
        tx.execute(line_kinds.insert(), rows)
        before = {row.attributes: row.pk for row in tx.execute(select(line_kinds))}
    assert opened.upgrade(now) == ("0008", schema.known_revisions()[-1])
    with opened.transaction() as tx:
        signatures = tx.execute(select(line_kinds.c.signature).order_by(line_kinds.c.pk)).scalars().all()
        assert signatures[0] == whole[0]
        assert {len(one) for one in signatures[1:]} == {len("sha256:") + 64}
        found = keys.line_kinds(tx, pa.table({"attributes": pa.array(attributes, pa.string())}))
        assert found.to_pylist() == [before[one] for one in attributes]
        assert tx.execute(select(func.count()).select_from(line_kinds)).scalar_one() == len(attributes)
    opened.close()


def test_two_processes_may_open_an_empty_store_at_once(store_url):
    stores, errors = [], []

    def open_it():
        try:
            stores.append(Store.open(store_url))
        except StoreError as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in stores:
        one.close()
    assert (errors, len(stores)) == ([], 3)


@pytest.mark.parametrize(("revision", "error"), [("9999", NewerSchema), (None, OlderSchema)])
def test_another_schema_is_refused_with_the_next_step(store, store_url, revision, error):
    with store.transaction() as tx:
        if revision is None:
            tx.exec_driver_sql("DELETE FROM alembic_version")
        else:
            tx.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
    with pytest.raises(error) as caught:
        Store.open(store_url, upgrade=False)
    assert caught.value.hint
    assert "postgres:" not in caught.value.where


def test_a_failed_transaction_leaves_nothing(store):
    def fail():
        with store.transaction() as tx:
            meta.put(tx, "half", "1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with store.read() as tx:
        assert meta.get(tx, "half") is None


def test_a_connection_that_dies_in_the_middle_leaves_nothing(store, now):
    connection = store.engine.connect()
    watermarks.advance(connection, "order", floor=now, ceiling=now, now=now)
    connection.connection.driver_connection.close()
    connection.invalidate()
    connection.close()
    with store.read() as tx:
        assert watermarks.read(tx, "order") is None


def test_writing_while_reading_is_an_error(store):
    with pytest.raises(ReadOnly), store.read() as tx:
        meta.put(tx, "x", "1")
    with store.transaction() as tx:
        meta.put(tx, "x", "1")


def test_a_reader_sees_one_moment(store):
    with store.read() as tx:
        assert meta.get(tx, "x") is None
        with store.transaction() as other:
            meta.put(other, "x", "1")
        assert meta.get(tx, "x") is None
    with store.read() as tx:
        assert meta.get(tx, "x") == "1"


def test_a_locked_store_says_so(url, path, monkeypatch):
    monkeypatch.setattr(store_module, "BUSY_MS", 50)
    store = Store.open(url)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreLocked, match="locked by another process"), store.transaction():
        pass
    holder.execute("ROLLBACK")
    holder.close()
    with store.transaction() as tx:
        meta.put(tx, "x", "1")
    store.close()


def test_a_full_disk_stops_cleanly_and_goes_on_when_there_is_space(url):
    store = Store.open(url)

    def fill():
        with store.transaction() as tx:
            pages = tx.exec_driver_sql("PRAGMA page_count").scalar_one()
            tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            try:
                for n in range(1000):
                    meta.put(tx, f"key {n}", "x" * 1000)
            finally:
                tx.exec_driver_sql("PRAGMA max_page_count = 1073741823")

    with pytest.raises(DiskFull) as caught:
        fill()
    assert "same command again" in caught.value.hint
    assert "15 minutes" in caught.value.hint, "its run could not give the lock back either"
    with store.transaction() as tx:
        assert tx.execute(select(meta_table.c.key)).scalars().all() == ["epoch", "next_seq"]
        meta.put(tx, "x", "1")
    store.close()


def test_a_disk_with_no_room_for_the_file_beside_the_store_is_called_full(path, monkeypatch):
    original = sqlite3.OperationalError("disk I/O error")
    original.sqlite_errorcode = sqlite3.SQLITE_IOERR | 18 << 8  # while it makes its shared-memory file
    where = f"sqlite:///{path}"

    def said(free):
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
        return type(explained(DBAPIError("BEGIN", None, original), where))

    assert (said(0), said(10**9)) == (DiskFull, StoreError)


def test_a_new_store_belongs_to_its_user_alone(tmp_path):
    Store.open(f"sqlite:///{tmp_path}/new.db").close()
    assert oct((tmp_path / "new.db").stat().st_mode & 0o777) == "0o600"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_store_says_so(url, path):
    path.chmod(0o400)
    with pytest.raises(ReadOnly):
        Store.open(url)


def test_a_file_that_is_no_database_says_so(tmp_path):
    (tmp_path / "notes.db").write_text("dear diary, " * 100)
    with pytest.raises(CorruptStore, match="not a SQLite database"):
        Store.open(f"sqlite:///{tmp_path / 'notes.db'}")


def test_flipped_bytes_are_found(url, path):
    raw = bytearray(path.read_bytes())
    for at in range(4096 * 3, len(raw), 997):
        raw[at] ^= 0xFF
    path.write_bytes(raw)
    damaged = Store.attach(url)
    assert damaged.check() != []
    damaged.close()


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("nonsense", StoreError),
        ("mysql://host/db", StoreError),
        ("sqlite://", StoreError),
        ("sqlite:////no/such/folder/rebates.db", StoreUnreachable),
        ("postgresql+psycopg://postgres:topsecret@127.0.0.1:1/none", StoreUnreachable),
    ],
)
def test_a_url_that_leads_nowhere_is_explained_without_its_password(url, error):
    with pytest.raises(error) as caught:
        Store.open(url)
    assert caught.value.hint
    assert "topsecret" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_gets_its_own_connection(store):
    with store.transaction() as tx:
        meta.put(tx, "x", "1")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with store.transaction() as tx:
                meta.put(tx, "child", "1")
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with store.read() as tx:
        assert (meta.get(tx, "x"), meta.get(tx, "child")) == ("1", "1")


def test_a_backup_is_whole_private_and_made_while_others_write(url, path, tmp_path):
    store = Store.open(url)
    with store.transaction() as tx:
        meta.put(tx, "x", "1")
    copy = tmp_path / "copy.db"
    with store.transaction() as tx:
        meta.put(tx, "unsaved", "1")
        size = backup.backup(store, copy)
    assert size == copy.stat().st_size
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    copied = Store.open(f"sqlite:///{copy}")
    with copied.read() as tx:
        assert (meta.get(tx, "x"), meta.get(tx, "unsaved")) == ("1", None)
    copied.close()
    with pytest.raises(StoreError, match="there is a file already"):
        backup.backup(store, copy)
    with pytest.raises(StoreError, match="folder of the backup does not exist"):
        backup.backup(store, copy.parent / "none" / "copy.db")
    store.close()


def test_a_row_that_waits_for_a_person_is_freed_above_everything_the_org_has_seen_before_a_restore(
    store, now
):
    with store.transaction() as tx:
        outbox.enqueue(tx, [Wanted("state", "Rebate_Standing__c", "RB-0", {"n": 0})], now=now)
        (row,) = outbox.claim(tx, now=now, limit=1, owner="me", epoch=1, until=now + timedelta(hours=1))
        outbox.quarantine(tx, row, outbox.Stuck.REFUSED, now=now, code="REQUIRED_FIELD_MISSING")
    backup.begin_epoch(store, actor="ann", now=now)
    with store.transaction() as tx:
        assert outbox.retry(tx, now=now) == 1
        (freed,) = outbox.listed(tx)
        assert freed.seq > 2 * meta.SEQUENCES_PER_EPOCH


def test_a_restored_store_starts_an_epoch_above_everything_sent_before(url, path, tmp_path, now):
    store = Store.open(url)
    wanted = [Wanted("state", "Rebate_Standing__c", f"RB-{n}", {"n": n}) for n in range(3)]
    with store.transaction() as tx:
        outbox.enqueue(tx, wanted[:2], now=now)
        outbox.claim(tx, now=now, limit=1, owner="me", epoch=1, until=now + timedelta(hours=1))
    backup.backup(store, tmp_path / "copy.db")
    with store.transaction() as tx:
        outbox.enqueue(tx, wanted[2:], now=now)
        highest = max(row.seq for row in outbox.listed(tx))
        last = audit.append(tx, actor="bob", action="pause", object="store", now=now)
    store.close()
    kept = backup.restore(url, tmp_path / "copy.db", actor="ann", now=now)
    assert kept is not None
    assert kept.exists()
    restored = Store.open(url)
    with restored.read() as tx:
        waiting = outbox.listed(tx)
        assert [(row.ext_key, row.state) for row in waiting] == [("RB-0", "pending"), ("RB-1", "pending")]
        assert min(row.seq for row in waiting) > highest
        assert (meta.epoch(tx), rebasing.stage(tx)) == (2, rebasing.Stage.RESTORED)
        (deed,) = audit.entries(tx)
        assert (deed.action, deed.detail["replaced"]) == ("restore", f"up to deed 1, {last}")
        assert invariants.check(tx) == []
    restored.close()
    before = Store.open(f"sqlite:///{kept}")
    with before.read() as tx:
        assert len(outbox.listed(tx)) == 3
    before.close()


def test_a_damaged_backup_is_not_restored(url, path, tmp_path, now):
    bad = tmp_path / "bad.db"
    bad.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    before = path.read_bytes()
    with pytest.raises(CorruptStore):
        backup.restore(url, bad, actor="ann", now=now)
    with pytest.raises(StoreError, match="no such backup"):
        backup.restore(url, tmp_path / "none.db", actor="ann", now=now)
    assert path.read_bytes() == before


def test_the_folder_of_migrations_travels_with_the_package():
    assert (Path(schema.__file__).parent / "migrations" / "env.py").is_file()
    assert schema.known_revisions()[0] == "0001"


def test_the_files_say_which_revisions_there_are_and_the_store_where_it_is_as_alembic_does(store):
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    walked = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()]
    assert list(schema.known_revisions()) == walked[::-1]
    with store.transaction() as tx:
        assert schema.revision(tx) == MigrationContext.configure(tx).get_current_revision()
        tx.exec_driver_sql("DELETE FROM alembic_version")
        assert schema.revision(tx) is None
        tx.exec_driver_sql("DROP TABLE alembic_version")
        assert schema.revision(tx) is None


def test_a_store_that_needs_no_migration_is_opened_without_what_migrates(url):
    loaded = "import sys; from state.store import Store; Store.open(sys.argv[1]).close(); print('alembic' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", loaded, url], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


@pytest.mark.parametrize("way", ["one", "many", "at once"])
def test_an_error_that_nobody_foresaw_holds_no_customers_values(store, way):
    """It is printed with its traceback, and cron sends that by mail."""
    erika = {
        "sf_id": "Erika Mustermann",
        "known": False,
        "deleted": False,
        "modstamp": 1,
        "name": "Erika Mustermann",
    }
    columns = tuple(erika)
    failed = (DBAPIError, psycopg.Error, sqlite3.Error)
    with pytest.raises(failed) as caught, store.transaction() as tx:
        if way == "at once":
            bulk.fill_tuples(tx, accounts, columns, [tuple(erika.values())] * 2)
        else:
            rows = [erika, erika] if way == "many" else erika
            tx.execute(accounts.insert(), rows)
            tx.execute(accounts.insert(), rows)
    said = "".join(traceback.format_exception(caught.value))
    assert "accounts" in said
    assert "uniq" in said.lower()
    assert "Erika" not in said


def test_a_number_that_is_none_does_not_bring_its_row_along(store):
    if store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite keeps what it is given")
    with pytest.raises((DBAPIError, psycopg.Error)) as caught, store.transaction() as tx:
        tx.exec_driver_sql(
            "INSERT INTO accounts (sf_id, name, known) VALUES ('001', 'Erika Mustermann', true)"
        )
    said = "".join(traceback.format_exception(caught.value.with_traceback(None)))
    assert "null value in column" in said
    assert "Failing row contains" not in said
