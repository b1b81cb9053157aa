"""Records that are gone from the org a few at a time: sharing that is lost bit by bit takes nothing back unseen."""

from __future__ import annotations

import re
from decimal import Decimal

from own_files import use_mapping

from emulator import lifecycle
from emulator.raw_rows import change, user_named
from emulator.seed_story import LUMIERE
from mappings.file import standard_text


def orders_of(world, since="2026-11-01"):
    query = f"SELECT Id FROM Order WHERE Account.Name = '{LUMIERE}' AND EffectiveDate >= {since} AND StatusCode = 'Activated'"
    return [row["Id"] for row in world.rows(f"{query} ORDER BY Id")]


def november(world):
    (row,) = world.rows(
        "SELECT Qualifying_Amount__c, Adjustments__c FROM Rebate_Standing__c "
        f"WHERE Account__r.Name = '{LUMIERE}' AND Period__c = '2026-11'"
    )
    return Decimal(row["Qualifying_Amount__c"])


def night(world, *flags, code=0):
    world.wait(days=1)
    done = world("reconcile", *flags, "--json")
    assert done.code == code, done.text
    return done


def test_orders_that_vanish_one_a_night_are_told_at_once_and_stop_before_they_are_many(story):
    story("sync")
    first, second, *_, third = orders_of(story)
    story.org.faults.hide_rows("Order", [first])
    (told,) = [one for one in night(story).warnings if one.startswith("order:")]
    assert first in told
    assert "1 record that the org no longer shows counts as deleted" in told
    after_one = november(story)
    assert after_one < Decimal("45188")

    story.org.faults.hide_rows("Order", [first, second])
    done = night(story, code=2)
    assert done.error["code"] == "ROWS_VANISHED"
    assert (
        "and 1 more went in the last 30 days; nothing was reversed" in done.data["stopped"]["order"]["detail"]
    )
    assert november(story) == after_one

    night(story, "--accept-missing", "order")
    after_two = november(story)
    assert after_two < after_one
    story.org.faults.hide_rows("Order", [first, second, third])
    night(story)
    assert november(story) < after_two, "a person said that the others were deleted"
    story.org.faults.show_rows()
    night(story)
    assert november(story) == Decimal("45188"), "what was only hidden comes back"


def settle_november(world):
    world("sync")
    world.wait(days=40)
    assert world("sync").code == 0
    states = {one["period"]: one["state"] for one in world("periods", "list", "--json").data["periods"]}
    assert states["2026-11"] == "settled"


def adjustments(world):
    return [one for one in world("payouts", "list", "--json").data["payouts"] if one["type"] != "settled"]


def test_an_order_that_was_settled_is_taken_back_only_when_a_person_says_that_it_was_deleted(story):
    settle_november(story)
    order = orders_of(story)[0]
    lifecycle.delete(story.org, "Order", order, hard=True)
    done = night(story, code=2)
    assert f"counts in settled periods ({order} in 2026-11)" in done.data["stopped"]["order"]["detail"]
    assert "rebates reconcile --accept-missing order (" in done.error["hint"]
    assert (november(story), adjustments(story)) == (Decimal("45188"), [])
    night(story, "--accept-missing", "order")
    assert november(story) < Decimal("45188")
    night(story)


def only_activated(story, more=""):
    where = f'object = "Order"\nwhere = "StatusCode = \'Activated\'"\n{more}'
    use_mapping(story, standard_text().replace('object = "Order"\n', where))


def cancel(story, order):
    with story.org.storage.transaction():
        cancelled = {"Status": "Canceled", "StatusCode": "Canceled"}
        change(story.org, "Order", order, user_named(story.org), **cancelled)


def test_an_order_that_a_person_cancelled_is_taken_back_where_only_activated_ones_are_read(story):
    """The org shows it, only the mapping's condition does not: nothing was lost."""
    only_activated(story)
    settle_november(story)
    for count, order in enumerate(orders_of(story)[:2], 1):
        cancel(story, order)
        done = night(story)
        assert {stock["entity"]: stock["buried"] for stock in done.data["inventory"]}["order"] == 1, count
    assert november(story) < Decimal("45188")


def stopped_orders(done):
    return done.data["stopped"]["order"]["detail"], done.data["stopped"]["order"]["hint"]


def test_many_that_a_condition_leaves_out_are_not_called_invisible(story, monkeypatch):
    monkeypatch.setattr("jobs.lost_rows.FEW", 1)
    only_activated(story)
    story("sync")
    first, second, third, *_ = orders_of(story)
    for order in (first, second):
        cancel(story, order)
    detail, hint = stopped_orders(night(story, code=2))
    assert re.fullmatch(
        r"2 of \d+ records are left out by the mapping's `where` now, and the org still has them; nothing was reversed",
        detail,
    )
    assert hint.startswith("Check that the mapping is right (rebates mapping check)")
    assert "--accept-missing order (" in hint
    lifecycle.delete(story.org, "Order", third, hard=True)
    detail, hint = stopped_orders(night(story, code=2))
    assert re.fullmatch(
        r"1 of \d+ records are no longer visible, and 2 are left out by the mapping's `where`; nothing was reversed",
        detail,
    )
    assert hint.startswith("Check that the integration user may still see every Order")


def test_of_very_many_some_are_looked_up_to_tell_what_they_are(story, monkeypatch):
    for name, value in (("lost_rows.FEW", 1), ("lost_lately.ASKED_MAX", 2), ("lost_lately.IDS_PER_QUERY", 2)):
        monkeypatch.setattr(f"jobs.{name}", value)
    only_activated(story)
    story("sync")
    for order in orders_of(story)[:3]:
        cancel(story, order)
    detail, hint = stopped_orders(night(story, code=2))
    assert re.fullmatch(
        r"3 of \d+ records are not shown under the mapping any more: of 2 that were looked up, the org has all, and only the "
        r"mapping's `where` leaves them out; nothing was reversed",
        detail,
    )
    assert hint.startswith("Check that the mapping is right")


def test_however_many_a_large_org_may_lose_those_that_a_person_cancelled_are_not_lost(story, monkeypatch):
    monkeypatch.setattr("jobs.lost_lately.ASKED_MAX", 1)
    only_activated(story)
    settle_november(story)
    for order in orders_of(story)[:2]:
        cancel(story, order)
    done = night(story)
    assert {stock["entity"]: stock["buried"] for stock in done.data["inventory"]}["order"] == 2
    assert november(story) < Decimal("45188")


def test_whole_reads_under_a_condition_do_not_see_what_left_it_and_the_check_says_so(story):
    only_activated(story, 'refresh = "daily"\n')
    checked = story("mapping", "check", "mapping.toml")
    assert "M206" in checked.text + checked.err
    assert "until the next reconcile" in " ".join((checked.text + checked.err).split())
    story("sync")
    cancel(story, orders_of(story)[0])
    story.wait(days=1)
    assert story("sync").code == 0
    assert november(story) == Decimal("45188")
    night(story)
    assert november(story) < Decimal("45188")


def test_what_lies_in_the_recycle_bin_was_deleted_by_a_person_where_the_mapping_does_not_look_there(story):
    text = standard_text().replace('object = "Order"\n', 'object = "Order"\ndeleted = "ignore"\n')
    use_mapping(story, text)
    settle_november(story)
    for order in orders_of(story)[:2]:
        lifecycle.delete(story.org, "Order", order)
        night(story)
    assert november(story) < Decimal("45188")


def hidden_together(story, monkeypatch):
    """Orders that were deleted, and products that our user may no longer see, in one night."""
    monkeypatch.setattr("jobs.lost_rows.FEW", 0)
    monkeypatch.setattr("jobs.lost_lately.FEW", 0)
    assert story("sync").code == 0
    story.wait(minutes=15)
    lifecycle.delete(story.org, "Order", orders_of(story)[0], hard=True)
    story.org.faults.hide_rows("Product2", [row["Id"] for row in story.rows("SELECT Id FROM Product2")])


def taken_back(done):
    return {one["entity"]: one["buried"] for one in done.data["inventory"] if one["buried"]}


def test_what_was_deleted_is_said_of_one_object_and_of_no_other(story, monkeypatch):
    hidden_together(story, monkeypatch)
    before = november(story)
    done = night(story, code=2)
    assert {
        name for name, one in done.data["stopped"].items() if f"--accept-missing {name} (" in one["hint"]
    } == {"order", "order_line", "product"}
    assert taken_back(done) == {}
    done = night(story, "--accept-missing", "Order", code=2)
    assert taken_back(done) == {"order": 1, "order_line": 2}, "the lines went with their order"
    assert november(story) < before
    assert "nothing was reversed" in done.data["stopped"]["product"]["detail"], "of these nobody said so"
    done = night(story, "--accept-missing", "order", "--accept-missing", "product", code=2)
    assert taken_back(done) == {"product": 13}
    assert night(story).data["stopped"] == {}


def test_all_objects_are_named_by_one_word(story, monkeypatch):
    hidden_together(story, monkeypatch)
    assert taken_back(night(story, "--accept-missing", "all", code=2)).keys() == {
        "order", "order_line", "product",
    }  # fmt: skip
    assert night(story).data["stopped"] == {}


def test_a_slip_accepts_nothing_and_neither_does_no_name_at_all(story, monkeypatch):
    hidden_together(story, monkeypatch)
    before = november(story)
    done = night(story, "--accept-missing", "ordr", code=2)
    assert '"ordr" is no object that is compared' in done.error["message"]
    assert 'did you mean "order"?' in done.error["hint"]
    assert "product, account, order, order_line" in done.error["hint"]
    assert story("reconcile", "--accept-missing").code == 2
    assert november(story) == before
