"""A mapping that changes while the store is in use: what was read by it is read again, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from own_files import use_mapping

from emulator.raw_rows import change, user_named
from emulator.seed_story import LUMIERE
from jobs.bulk_streams import fingerprint
from jobs.planning import fingerprint as what_is_written
from mappings.file import parse_mapping, standard_text
from state.store import Store
from state.tables.facts import orders

BY_ACTIVATION = standard_text().replace(
    'ordered_on = "EffectiveDate"', 'ordered_on = { field = "ActivatedDate", as = "date" }'
)


def rows_read(world):
    world.wait(minutes=40)  # our own writes are behind the look-back then, however long a sync took
    done = world("sync", "--json")
    assert done.code == 0, done.err  # drafts were not activated: they have no day, and need none
    return {stream["entity"]: stream["rows"] for stream in done.data["streams"]}


def day_of(world, order_id):
    store = Store.open(f"sqlite:///{world.folder}/rebates.db")
    try:
        with store.read() as tx:
            found = tx.execute(orders.select().where(orders.c.sf_id == order_id)).one()
    finally:
        store.close()
    return date.fromordinal(found.ordered_on)


def test_orders_move_to_the_days_of_another_time_zone(story):
    use_mapping(story, BY_ACTIVATION)
    (order,) = story.rows(
        f"SELECT Id FROM Order WHERE Account.Name = '{LUMIERE}' AND EffectiveDate = 2026-11-09"
    )
    activated = datetime(2026, 11, 1, 2, 0, tzinfo=UTC)
    with story.org.storage.transaction():
        change(
            story.org,
            "Order",
            order["Id"],
            user_named(story.org),
            ActivatedDate=int(activated.timestamp() * 1000),
        )
    story.wait(minutes=10)  # what was saved a moment ago is left for the next sync
    story("sync")
    rows_read(story)  # and with it our own fields on accounts
    assert day_of(story, order["Id"]) == date(2026, 11, 1)
    use_mapping(story, BY_ACTIVATION.replace('time_zone = "UTC"', 'time_zone = "America/New_York"'))
    read = rows_read(story)
    assert day_of(story, order["Id"]) == date(2026, 10, 31)
    assert read["order"] == len(story.rows("SELECT Id FROM Order"))
    assert [read[name] for name in ("account", "product", "order_line")] == [0, 0, 0], (
        "no day of theirs is cut"
    )
    assert rows_read(story)["order"] == 0


def test_where_no_day_is_cut_by_it_another_time_zone_has_nothing_read_again():
    mapping = parse_mapping(standard_text())
    moved = replace(mapping, time_zone="America/New_York")
    for entity in mapping.pull.values():
        assert fingerprint(entity, mapping) == fingerprint(entity, moved)


def test_a_comment_in_the_mapping_has_nothing_read_or_compared_again():
    plain, commented = parse_mapping(standard_text()), parse_mapping("# Who asks: Ann\n\n" + standard_text())
    for name, entity in plain.pull.items():
        assert fingerprint(entity, plain) == fingerprint(commented.pull[name], commented)
    assert what_is_written(plain) == what_is_written(commented)


def shown(world):
    (row,) = world.rows(f"SELECT Rebate_Qualifying_Amount__c FROM Account WHERE Name = '{LUMIERE}'")
    return Decimal(row["Rebate_Qualifying_Amount__c"])


def test_sales_that_another_object_tells_again_never_count_beside_the_old_ones(story):
    """The old records are no longer shown, the new ones are the same sales: both together are twice the money."""
    new = [row["Id"] for row in story.rows("SELECT Id FROM OrderItem WHERE Order.EffectiveDate = 2026-11-09")]
    old = [row["Id"] for row in story.rows("SELECT Id FROM OrderItem") if row["Id"] not in new]
    story.org.faults.hide_rows("OrderItem", new)
    story("sync")
    assert shown(story) == Decimal("36188")
    story.org.faults.show_rows()
    story.org.faults.hide_rows("OrderItem", old)
    use_mapping(
        story, standard_text().replace('amount = "TotalPrice"', 'amount = "TotalPrice"\nprice = "UnitPrice"')
    )
    story.wait(minutes=40)
    for command in (("sync",), ("sync",), ("reconcile",), ("compute",), ("push",)):
        done = story(*command, "--json")
        assert (done.code, done.error["code"]) == (2, "ROWS_VANISHED"), command
        told = done.data["stopped"]["compute and push"]
        assert "nothing was computed or written: the mapping of order_line changed" in told["detail"]
        assert "rebates reconcile --accept-missing order_line`" in told["hint"]
        assert shown(story) == Decimal("36188"), command
        story.wait(minutes=15)
    story("reconcile", "--accept-missing", "order_line")
    assert shown(story) == Decimal("9000")
    assert "compute and push" not in story("sync", "--json").data["stopped"]


def test_a_window_of_days_that_moves_on_by_itself_is_refused_before_anything_is_read(story):
    """What ages out of it would look deleted, and be taken back from periods that are settled."""
    where = 'object = "Order"\nwhere = "CreatedDate = LAST_N_DAYS:30"\n'
    use_mapping(story, standard_text().replace('object = "Order"\n', where))
    checked = story("mapping", "check", "mapping.toml")
    assert checked.code == 2
    assert "M018" in checked.text + checked.err
    assert "CreatedDate >= 2026-01-01" in checked.text + checked.err
    done = story("sync", "--json")
    assert done.code == 2
    assert story.org.usage.total == 0, "the org was not asked"
