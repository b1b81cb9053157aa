"""Pulled rows on their way into the facts."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select

from state import rejected, staging, watermarks
from state.keys import SIGNED_BYTES
from state.tables import metadata
from state.tables.facts import accounts, line_kinds, order_kinds, order_lines, orders, products, users
from state.tables.running import staged_pages

JUNE = date(2026, 6, 3)


def test_new_changed_and_equal_rows_are_told_apart(scene):
    assert scene.pull("product", {"id": "P1", "family": "Skin care"}, {"id": "P2"}).inserted == 2
    again = scene.pull("product", {"id": "P1", "family": "Hair care"}, {"id": "P2"}, {"id": "P3"})
    assert (again.rows, again.inserted, again.updated, again.unchanged) == (3, 1, 1, 1)


def test_a_late_write_never_beats_a_newer_one(scene):
    scene.pull("account", {"id": "A1", "region": "West"}, modstamp=200)
    late = scene.pull("account", {"id": "A1", "region": "East"}, modstamp=100)
    assert (late.updated, late.stale) == (0, 1)
    with scene.store.read() as tx:
        assert tx.execute(select(accounts.c.region, accounts.c.modstamp)).one() == ("West", 200)


def test_the_same_stamp_writes_again_when_the_content_differs(scene):
    """A corrected mapping reads the same version of a record differently."""
    scene.pull("account", {"id": "A1", "region": None}, modstamp=100)
    assert scene.pull("account", {"id": "A1", "region": "East"}, modstamp=100).updated == 1


def test_rereading_the_overlap_of_two_windows_changes_nothing(scene, program):
    scene.pull("account", {"id": "A1"})
    scene.pull("order", {"id": "O1", "account_id": "A1", "ordered_on": JUNE}, modstamp=50)
    scene.pull("order_line", {"id": "L1", "order_id": "O1", "amount": 5}, modstamp=50)
    scene.compute(program())
    for entity, row in (
        ("order", {"id": "O1", "account_id": "A1", "ordered_on": JUNE}),
        ("order_line", {"id": "L1", "order_id": "O1", "amount": 5}),
    ):
        again = scene.pull(entity, row, modstamp=50)
        assert (again.unchanged, again.updated, again.dirty_orders) == (1, 0, 0)
    assert scene.compute() == 0


def test_a_newer_stamp_without_a_change_only_moves_the_stamp(scene, program):
    """Replacing a picklist value touches every record; that must not recompute the world."""
    scene.pull("account", {"id": "A1"})
    scene.pull("order", {"id": "O1", "account_id": "A1", "ordered_on": JUNE}, modstamp=50)
    scene.compute(program())
    touched = scene.pull("order", {"id": "O1", "account_id": "A1", "ordered_on": JUNE}, modstamp=60)
    assert (touched.unchanged, touched.dirty_orders) == (1, 0)
    with scene.store.read() as tx:
        assert tx.execute(select(orders.c.modstamp)).scalar_one() == 60


def test_of_several_versions_in_one_batch_the_newest_wins(scene):
    versions = [{"id": "A1", "region": r, "modstamp": m} for r, m in (("old", 1), ("new", 3), ("older", 2))]
    assert scene.pull("account", *versions).inserted == 1
    with scene.store.read() as tx:
        assert tx.execute(select(accounts.c.region)).scalars().all() == ["new"]


def test_of_equal_stamps_in_one_batch_the_last_wins(scene):
    scene.pull("account", {"id": "A1", "region": "first"}, {"id": "A1", "region": "second"})
    with scene.store.read() as tx:
        assert tx.execute(select(accounts.c.region)).scalars().all() == ["second"]


def test_a_line_waits_for_its_order_and_an_order_for_its_account(scene, program):
    scene.pull("order_line", {"id": "L1", "order_id": "O1", "product_id": "P1", "amount": 5})
    scene.compute(program())
    assert scene.amounts() == {}
    scene.pull("order", {"id": "O1", "account_id": "A1", "ordered_on": JUNE})
    scene.compute()
    assert scene.amounts() == {}
    scene.pull("account", {"id": "A1"})
    scene.compute()
    assert list(scene.amounts().values()) == [5]
    with scene.store.read() as tx:
        assert tx.execute(select(products.c.known).where(products.c.sf_id == "P1")).scalar_one() is False


def test_a_placeholder_keeps_its_number_when_its_record_arrives(scene):
    scene.pull("order", {"id": "O1", "account_id": "A1", "ordered_on": JUNE})
    with scene.store.read() as tx:
        before = tx.execute(select(accounts.c.pk)).scalar_one()
    assert scene.pull("account", {"id": "A1"}, modstamp=1).inserted == 1
    with scene.store.read() as tx:
        assert tx.execute(select(accounts.c.pk, accounts.c.known)).one() == (before, True)


def test_staged_rows_are_invisible_until_applied(scene, make_batch, now):
    with scene.store.transaction() as tx:
        staging.stage(tx, 7, "product", make_batch("product", {"id": "P1"}))
    with scene.store.read() as tx:
        assert staging.staged_rows(tx, 7) == 1
        assert (
            tx.execute(select(func.count()).select_from(products).where(products.c.pk != 0)).scalar_one() == 0
        )


def test_rows_and_watermark_are_saved_together_or_not_at_all(scene, make_batch, now):
    with scene.store.transaction() as tx:
        staging.stage(tx, 7, "product", make_batch("product", {"id": "P1"}))

    def apply_and_die() -> None:
        with scene.store.transaction() as tx:
            staging.apply(tx, 7, "product", now=now)
            watermarks.advance(tx, "product", floor=now, ceiling=now, now=now, run_pk=7)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        apply_and_die()
    with scene.store.read() as tx:
        assert watermarks.read(tx, "product") is None
        assert staging.staged_rows(tx, 7, "product") == 1
        assert tx.execute(select(products.c.sf_id).where(products.c.pk != 0)).all() == []


def test_a_new_run_drops_what_a_dead_one_staged(scene, make_batch):
    with scene.store.transaction() as tx:
        staging.stage(tx, 7, "product", make_batch("product", {"id": "P1"}))
        staging.stage(tx, 8, "product", make_batch("product", {"id": "P2"}))
        assert staging.discard(tx, 7) == 1
        assert staging.discard(tx) == 1
        assert tx.execute(select(func.count()).select_from(staged_pages)).scalar_one() == 0


def test_a_batch_of_another_shape_is_refused(scene, make_batch):
    with pytest.raises(ValueError, match="a batch of order has the columns"), scene.store.transaction() as tx:
        staging.stage(tx, 1, "order", make_batch("product", {"id": "P1"}))


def test_text_survives_as_it_is(scene):
    odd = {
        "id": "A1",
        "name": 'O"Hara, Sons\n& "Co"; Zürich 株式会社 \\N \\. %s ?',
        "type": "",
        "region": None,
        "attributes": {"note": 'a,b\n"c"', "vip": True},
    }
    scene.pull("account", odd)
    with scene.store.read() as tx:
        row = tx.execute(
            select(accounts.c.name, accounts.c.type, accounts.c.region, accounts.c.attributes)
        ).one()
    assert row == (odd["name"], "", None, '{"note": "a,b\\n\\"c\\"", "vip": true}')


def test_the_largest_amounts_survive(scene):
    largest = 9_223_372_036_854  # millions of millionths: the last that fits 64 bits
    scene.pull(
        "order_line",
        {"id": "L1", "order_id": "O1", "amount": largest},
        {"id": "L2", "order_id": "O1", "amount": -largest},
    )
    with scene.store.read() as tx:
        found = tx.execute(select(order_lines.c.amount_e6).order_by(order_lines.c.sf_id)).scalars().all()
    assert found == [largest * 10**6, -largest * 10**6]


def test_orders_share_a_kind_and_nulls_make_kinds_of_their_own(scene):
    scene.pull(
        "order",
        *(
            {
                "id": f"O{n}",
                "account_id": "A1",
                "ordered_on": JUNE,
                "status": status,
                "attributes": attributes,
            }
            for n, (status, attributes) in enumerate(
                [
                    ("Activated", None),
                    ("Activated", None),
                    (None, None),
                    ("", None),
                    ("Activated", {"channel": "web"}),
                ]
            )
        ),
    )
    with scene.store.read() as tx:
        assert tx.execute(select(func.count()).select_from(order_kinds)).scalar_one() == 4


@pytest.mark.parametrize("entity", ["order", "order_line"])
def test_a_kind_may_hold_any_character(scene, program, entity):
    """Control characters come from imports and from devices that scan."""
    scene.pull("account", {"id": "A1"})
    order = {"id": "O1", "account_id": "A1", "ordered_on": JUNE}
    line = {"id": "L1", "order_id": "O1", "amount": 5}
    for n, odd in enumerate(["a\x1fb", "\x1e", "\x1f", "", None, "null", 'a","b']):
        if entity == "order":
            order |= {"status": odd, "type": odd, "currency": odd, "attributes": {"channel": odd}}
        else:
            line |= {"attributes": {"promo": odd}}
        scene.pull("order", order, {**order, "id": f"N{n}", "status": "Activated"})
        scene.pull("order_line", line)
        with scene.store.read() as tx:
            kind = select(order_kinds.c.status, order_kinds.c.type, order_kinds.c.currency)
            of_order = kind.join(orders, orders.c.kind_pk == order_kinds.c.pk).where(orders.c.sf_id == "O1")
            wanted = (odd, odd, odd) if entity == "order" else (None, None, None)
            assert tx.execute(of_order).one() == wanted
        scene.compute(program())
    assert not scene.violations()
    assert list(scene.amounts().values()) == [5]


def letters(n, first, last):
    """A text that does not compress, always the same."""
    some = random.Random(n)
    return "".join(chr(some.randint(ord(first), ord(last))) for _ in range(n))


@pytest.mark.parametrize("long", [letters(4_000, "!", "~"), letters(1_200, "一", "鿿"), "word " * 800])
@pytest.mark.parametrize("where", ["status", "type", "order attribute", "line attribute"])
def test_a_long_text_in_a_record_stops_nothing(scene, program, where, long):
    """An index of PostgreSQL's takes 2,704 bytes of a row; a text of the org's may have 4,000 characters."""
    scene.pull("account", {"id": "A1"})
    others = {
        text: {"id": f"O{n}", "account_id": "A1", "ordered_on": JUNE}
        for n, text in enumerate([long, long[:-1] + "_"])
    }
    for order in others.values():
        scene.pull("order_line", {"id": f"L-{order['id']}", "order_id": order["id"], "amount": 5})
    for text, order in others.items():
        if where == "order attribute":
            order["attributes"] = {"note": text}
        elif where == "line attribute":
            line = {"id": f"L-{order['id']}", "order_id": order["id"], "amount": 5}
            scene.pull("order_line", line | {"attributes": {"note": text}})
        else:
            order[where] = text
    scene.pull("order", *others.values())
    kinds = line_kinds if where == "line attribute" else order_kinds
    column = kinds.c.get(where, kinds.c.attributes)
    with scene.store.read() as tx:
        kept = set(tx.execute(select(column).where(func.length(column) > 1_000)).scalars())
        signatures = tx.execute(select(kinds.c.signature)).scalars().all()
    wanted = {text if where in kinds.c else json.dumps({"note": text}) for text in others}
    assert kept == wanted  # whole, and told apart by their last character
    assert max(len(one.encode()) for one in signatures) <= SIGNED_BYTES
    again = scene.pull("order", *others.values())
    assert again.unchanged == len(others)
    scene.compute(program())
    assert sum(scene.amounts().values()) == 10
    assert not scene.violations()


def test_a_name_that_is_written_over_before_the_record_is_deleted_is_nowhere_in_the_store(scene, program):
    """As docs/operations.md says to whoever has to forget a customer."""
    named = {"name": "Erika Mustermann", "region": "Erika", "attributes": {"note": "Erika"}}
    order = {"id": "O1", "account_id": "A1", "ordered_on": JUNE}
    scene.pull("account", {"id": "A1", **named})
    scene.pull("order", {**order, "number": "Erika-1"})
    scene.pull("order_line", {"id": "L1", "order_id": "O1", "amount": 5})
    scene.compute(program())
    blank = {"id": "A1", "name": "-", "region": None, "attributes": None}
    scene.pull("account", blank)
    scene.pull("order", {**order, "number": "-"})
    scene.pull("account", {**blank, "deleted": True})
    scene.compute()
    with scene.store.read() as tx:
        said = [str(row) for table in metadata.sorted_tables for row in tx.execute(select(table))]
    assert any("A1" in row for row in said)
    assert not [row for row in said if "Erika" in row]


def test_a_rejected_record_comes_back_when_it_is_mended(scene, now):
    bad = rejected.RejectedRow("order_line", "L1", "amount", "1.2.3 is not a number")
    with scene.store.transaction() as tx:
        rejected.set_aside(tx, [bad], now=now)
        rejected.set_aside(tx, [bad], now=now + timedelta(days=1))
        assert rejected.counts(tx) == {"order_line": 1}
        (waiting,) = rejected.waiting(tx)
        assert (waiting.first_seen_at, waiting.last_seen_at) == (now, now + timedelta(days=1))
    scene.pull("order_line", {"id": "L2", "order_id": "O1", "amount": 5})
    with scene.store.read() as tx:
        assert rejected.counts(tx) == {"order_line": 1}
    scene.pull("order_line", {"id": "L1", "order_id": "O1", "amount": 5})
    with scene.store.read() as tx:
        assert rejected.counts(tx) == {}


def test_users_are_kept(scene):
    scene.pull("user", {"id": "U1", "name": "Ann", "active": True})
    assert scene.pull("user", {"id": "U1", "name": "Ann", "active": False}).updated == 1
    with scene.store.read() as tx:
        assert tx.execute(select(users.c.name, users.c.active)).one() == ("Ann", False)


def test_a_watermark_never_moves_back(store, now):
    with store.transaction() as tx:
        watermarks.advance(tx, "order", floor=now - timedelta(hours=1), ceiling=now, now=now, run_pk=1)
    with pytest.raises(watermarks.WatermarkMovedBack), store.transaction() as tx:
        watermarks.advance(
            tx, "order", floor=now - timedelta(hours=1), ceiling=now - timedelta(minutes=1), now=now
        )
    with pytest.raises(ValueError, match="runs backward"), store.transaction() as tx:
        watermarks.advance(tx, "order", floor=now, ceiling=now - timedelta(seconds=1), now=now)
    with store.transaction() as tx:
        kept = watermarks.read(tx, "order")
        assert kept == watermarks.Watermark("order", now - timedelta(hours=1), now, 1, now)
        assert watermarks.reset(tx, "order")
        assert watermarks.read(tx, "order") is None


def test_a_naive_instant_is_refused(store):
    naive = datetime(2026, 1, 1)
    with pytest.raises(ValueError, match="no time zone"), store.transaction() as tx:
        watermarks.advance(tx, "order", floor=naive, ceiling=naive, now=datetime(2026, 1, 1, tzinfo=UTC))
