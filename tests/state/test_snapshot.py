"""The Parquet copy of the facts: whatever happens to the store, once brought up to date it holds the same rows."""

from __future__ import annotations

import os
import shutil
import stat
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from state import inventory, meta, parts
from state.snapshot import Snapshot, SnapshotFailed
from state.store import Store
from state.tables.facts import order_lines, orders

DAY = date(2026, 6, 3)
KEYS = {"orders": orders.c.pk, "order_lines": order_lines.c.order_pk}


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(parts, "ORDERS_PER_PART", 2)


@pytest.fixture
def snapshot(tmp_path):
    return Snapshot(tmp_path / "facts", now=datetime(2026, 6, 1, tzinfo=UTC))


@pytest.fixture
def shop(scene):
    """Five orders with a line each: three parts (numbers begin at one)."""
    scene.pull("account", {"id": "ACME"})
    names = [f"O{n}" for n in range(1, 6)]
    scene.pull("order", *({"id": name, "account_id": "ACME", "ordered_on": DAY} for name in names))
    scene.pull("order_line", *(line(name, 100) for name in names))
    return scene


def line(order, amount, **more):
    return {"id": f"L-{order}", "order_id": order, "amount": amount, **more}


def copied(snapshot, store, needed=None):
    """What readers of the snapshot see."""
    with store.transaction() as tx:
        found = snapshot.current(tx, needed)
    tables = {
        name: pa.concat_tables(pq.read_table(file) for file in snapshot.files(found, name)) for name in KEYS
    }
    return {name: sorted(map(repr, table.to_pylist())) for name, table in tables.items()}, found


def in_the_store(store, columns):
    with store.read() as tx:
        return {
            name: sorted(
                repr(dict(row._mapping))
                for row in tx.execute(select(*(key.table.c[column] for column in columns[name])))
            )
            for name, key in KEYS.items()
        }


def require_equal(snapshot, store, needed=None):
    rows, found = copied(snapshot, store, needed)
    assert rows == in_the_store(store, found.columns)


def test_a_snapshot_holds_the_orders_and_lines_of_the_store_and_says_of_when(shop, snapshot):
    with shop.store.transaction() as tx:
        meta.pin_org(tx, "00D000000000001EAA")
    done = snapshot.refresh(shop.store)
    assert (done.parts, done.written, done.orders, done.lines) == (3, 3, 5, 5)
    require_equal(snapshot, shop.store)
    with shop.store.transaction() as tx:
        stamp = snapshot.current(tx).stamp
    assert stamp == {"org_id": "00D000000000001EAA", "epoch": 1, "watermarks": {}}


def test_an_empty_store_has_an_empty_snapshot(store, snapshot):
    assert snapshot.refresh(store).parts == 0


def test_only_the_parts_that_changed_are_written_again(shop, snapshot):
    snapshot.refresh(shop.store)
    assert snapshot.refresh(shop.store).written == 0
    shop.pull("order_line", line("O5", 7))
    assert snapshot.refresh(shop.store).written == 1
    shop.pull("order", {"id": "O1", "account_id": "ACME", "ordered_on": date(2026, 7, 1)})
    shop.pull("order", {"id": "O6", "account_id": "ACME", "ordered_on": DAY})
    shop.pull("order_line", line("O6", 1))
    assert snapshot.refresh(shop.store).written == 2
    require_equal(snapshot, shop.store)


def test_a_row_that_comes_again_unchanged_writes_nothing(shop, snapshot):
    snapshot.refresh(shop.store)
    shop.pull("order_line", line("O5", 100))
    assert snapshot.refresh(shop.store).written == 0


def test_a_line_that_the_org_lost_changes_its_part(shop, snapshot):
    snapshot.refresh(shop.store)
    with shop.store.transaction() as tx:
        assert inventory.bury(tx, "order_line", ["L-O2"]) == 1
    assert snapshot.refresh(shop.store).written == 1
    require_equal(snapshot, shop.store)


def test_rules_alone_change_no_part(shop, snapshot, program):
    snapshot.refresh(shop.store)
    shop.compute(program())
    shop.pull("account", {"id": "ACME", "type": "Reseller"})
    shop.compute(program("other"))
    assert snapshot.refresh(shop.store).written == 0


def test_changes_that_were_never_computed_are_in_the_next_snapshot(shop, snapshot, program):
    """While a program waits to be computed from scratch, single orders are not marked; parts are."""
    shop.compute(program())
    snapshot.refresh(shop.store)
    shop.compute(program("retail", name="Other terms", currency="EUR"))
    shop.pull("order_line", line("O1", 5))
    shop.pull("order_line", line("O1", 6))
    require_equal(snapshot, shop.store)


def test_texts_are_copied_once_a_statement_asks_for_them(shop, snapshot):
    snapshot.refresh(shop.store)
    needed = {"orders": frozenset({"sf_id"}), "order_lines": frozenset()}
    require_equal(snapshot, shop.store, needed)
    assert snapshot.refresh(shop.store).written == 0  # and stay
    rows, found = copied(snapshot, shop.store)
    assert "sf_id" in found.columns["orders"]
    assert "O1" in rows["orders"][0]


def test_the_snapshot_of_another_store_is_written_anew(shop, snapshot, tmp_path, new_scene):
    snapshot.refresh(shop.store)
    other = new_scene(Store.open(f"sqlite:///{tmp_path / 'other.db'}"))
    other.pull("account", {"id": "ACME"})
    for name in ("O1", "O2", "O3", "O4", "O5"):
        other.pull("order", {"id": name, "account_id": "ACME", "ordered_on": date(2020, 1, 1)})
    assert snapshot.refresh(other.store).written == 3
    require_equal(snapshot, other.store)
    require_equal(snapshot, shop.store)
    other.store.close()


def test_a_store_that_was_put_back_does_not_believe_a_younger_snapshot(tmp_path, new_scene, snapshot):
    """The same number of changes, other contents: only the seal tells the two histories apart."""
    here = new_scene(Store.open(f"sqlite:///{tmp_path / 'rebates.db'}"))
    here.pull("account", {"id": "ACME"})
    here.pull("order", {"id": "O1", "account_id": "ACME", "ordered_on": DAY})
    here.pull("order_line", line("O1", 1))
    here.store.close()
    shutil.copyfile(tmp_path / "rebates.db", tmp_path / "before.db")
    first = new_scene(Store.open(f"sqlite:///{tmp_path / 'rebates.db'}"))
    first.pull("order_line", line("O1", 2), modstamp=10)
    snapshot.refresh(first.store)
    first.store.close()
    again = new_scene(Store.open(f"sqlite:///{tmp_path / 'before.db'}"))
    again.pull("order_line", line("O1", 3), modstamp=10)
    require_equal(snapshot, again.store)
    again.store.close()


@pytest.mark.parametrize("damage", ["gone", "cut", "no manifest", "cut manifest"])
def test_what_is_damaged_is_written_again(shop, snapshot, damage):
    snapshot.refresh(shop.store)
    victim = sorted(snapshot.folder.glob("order_lines-*"))[0]
    manifest = snapshot.folder / "manifest.json"
    if damage == "gone":
        victim.unlink()
    elif damage == "cut":
        victim.write_bytes(victim.read_bytes()[:50])
    elif damage == "no manifest":
        manifest.unlink()
    else:
        manifest.write_text(manifest.read_text()[:50])
    require_equal(snapshot, shop.store)


def test_a_transaction_that_is_undone_leaves_no_snapshot_that_is_believed(shop, snapshot):
    snapshot.refresh(shop.store)
    with pytest.raises(KeyboardInterrupt), shop.store.transaction() as tx:
        tx.execute(orders.update().values(account_pk=99))
        parts.note_all_changed(tx)
        snapshot.current(tx)
        raise KeyboardInterrupt
    require_equal(snapshot, shop.store)


def test_no_file_of_an_older_version_stays_behind(shop, snapshot):
    snapshot.refresh(shop.store)
    before = {path.name for path in snapshot.folder.iterdir()}
    shop.pull("order_line", line("O5", 7))
    snapshot.refresh(shop.store)
    assert len({path.name for path in snapshot.folder.iterdir()}) == len(before)


def test_a_folder_that_cannot_be_written_is_named_and_the_store_is_as_it_was(shop, tmp_path, now):
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(SnapshotFailed, match="taken"):
        Snapshot(tmp_path / "taken", now=now).refresh(shop.store)
    assert shop.violations() == []


def test_what_a_killed_process_left_is_swept_up(shop, snapshot):
    snapshot.refresh(shop.store)
    (snapshot.folder / "orders-000009-1.0.parquet.partial").write_bytes(b"half")
    shop.pull("order_line", line("O5", 7))
    snapshot.refresh(shop.store)
    assert not list(snapshot.folder.glob("*.partial"))


@pytest.mark.parametrize(
    "theirs",
    [
        "finance-2025.parquet",
        "export.partial",
        "orders.parquet",
        "orders-2026.parquet",
        "asked-for/it.csv",
        "manifest.json",
    ],
)
def test_a_folder_that_holds_something_else_is_refused(shop, snapshot, theirs):
    file = snapshot.folder / theirs
    file.parent.mkdir(parents=True)
    file.write_text('{"name": "theirs"}')
    with pytest.raises(SnapshotFailed, match="holds what no snapshot left") as refused:
        snapshot.refresh(shop.store)
    assert theirs.partition("/")[0] in str(refused.value)
    assert "a folder of its own" in refused.value.hint
    with pytest.raises(SnapshotFailed), shop.store.transaction() as tx:
        snapshot.current(tx)
    assert file.read_text() == '{"name": "theirs"}'
    assert len(list(snapshot.folder.iterdir())) == 1


def test_what_somebody_lays_beside_the_snapshot_stays(shop, snapshot):
    snapshot.refresh(shop.store)
    theirs = [
        snapshot.folder / name for name in ("finance-2025.parquet", "export.partial", "orders-2026.parquet")
    ]
    for file in theirs:
        file.write_text("theirs")
    shop.pull("order_line", line("O5", 7))
    assert snapshot.refresh(shop.store).written == 1
    assert [file.read_text() for file in theirs] == ["theirs"] * 3
    require_equal(snapshot, shop.store)


def test_a_copy_that_was_only_begun_is_gone_on_with(shop, snapshot):
    """The process was killed before there was any manifest; a file manager looked in."""
    snapshot.folder.mkdir()
    for name in (
        "orders-000000-1.0-0123456789abcdef.parquet",
        "orders-000001-1.0.parquet.partial",
        ".DS_Store",
        "manifest.json.partial",
    ):
        (snapshot.folder / name).write_bytes(b"half")
    (snapshot.folder / "manifest.json").touch()
    require_equal(snapshot, shop.store)
    assert {path.name for path in snapshot.folder.iterdir() if path.name.endswith(".partial")} == set()


def test_a_folder_with_the_orders_of_another_org_is_refused(shop, snapshot, tmp_path, new_scene):
    """Two jobs that share a folder would take each other's files away."""
    with shop.store.transaction() as tx:
        meta.pin_org(tx, "00D000000000001EAA")
    snapshot.refresh(shop.store)
    before = sorted(path.name for path in snapshot.folder.iterdir())
    other = new_scene(Store.open(f"sqlite:///{tmp_path / 'other.db'}"))
    with other.store.transaction() as tx:
        meta.pin_org(tx, "00D000000000002EAA")
    with pytest.raises(SnapshotFailed, match="another org, 00D000000000001EAA"):
        snapshot.refresh(other.store)
    other.store.close()
    assert sorted(path.name for path in snapshot.folder.iterdir()) == before
    assert snapshot.refresh(shop.store).written == 0


def test_the_files_of_two_stores_never_have_the_same_name(shop, tmp_path, new_scene):
    """Who reads a copy while another store writes one there misses a file, and never takes the other's rows for its own."""
    folder = tmp_path / "facts"
    other = new_scene(Store.open(f"sqlite:///{tmp_path / 'other.db'}"))
    other.pull("account", {"id": "ACME"})
    other.pull("order", {"id": "O1", "account_id": "ACME", "ordered_on": DAY})
    names = []
    for second, store in enumerate((shop.store, other.store)):
        copy = Snapshot(folder, now=datetime(2026, 6, 1, second=second, tzinfo=UTC))
        with store.transaction() as tx:
            names.append({path.name for path in copy.files(copy.current(tx), "orders")})
    other.store.close()
    assert not names[0] & names[1]


def test_a_folder_that_is_made_for_the_copy_belongs_to_its_user_alone(shop, snapshot):
    """It holds every order's amounts, and so does the store, which nobody else may read."""
    before = os.umask(0o022)
    try:
        snapshot.refresh(shop.store)
    finally:
        os.umask(before)
    assert stat.S_IMODE(snapshot.folder.stat().st_mode) == 0o700


def test_a_folder_that_others_may_read_keeps_its_rights(shop, snapshot):
    """The workers of a cluster read there, perhaps as somebody else."""
    snapshot.folder.mkdir()
    snapshot.folder.chmod(0o750)
    snapshot.refresh(shop.store)
    assert stat.S_IMODE(snapshot.folder.stat().st_mode) == 0o750
    assert all(stat.S_IMODE(file.stat().st_mode) & 0o040 for file in snapshot.folder.iterdir())
