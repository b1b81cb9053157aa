"""Quota, lost permissions, unreadable rows, jobs that died half-way, an org in maintenance: what a sync does then."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

import pytest
from own_files import use_mapping

from emulator import multi_currency, records
from emulator.context import Context
from emulator.fault_kinds import Fault
from emulator.life import permissions_of
from emulator.raw_rows import change, put, user_named
from emulator.seed_story import LUMIERE, partner_orders_again

STANDING = (
    "SELECT Qualifying_Amount__c, Incomplete__c FROM Rebate_Standing__c "
    f"WHERE Account__r.Name = '{LUMIERE}' AND Period__c = '2026-11'"
)


def standing(world):
    (row,) = world.rows(STANDING)
    return row


def qualifying(world):
    return Decimal(standing(world)["Qualifying_Amount__c"])


def later(world, *args, code=0):
    world.wait(minutes=15)
    done = world(*(args or ("sync",)), "--json")
    assert done.code == code, (done.code, done.error, done.err)
    return done


def as_admin(world, sobject, record_id, **fields):
    with world.org.storage.transaction():
        change(world.org, sobject, record_id, user_named(world.org), **fields)


def bulk_states(world):
    from sqlalchemy import select

    from state.store import Store
    from state.tables.running import bulk_jobs

    store = Store.open(f"sqlite:///{world.folder}/rebates.db")
    try:
        with store.read() as tx:
            return [
                (row.purpose, row.state) for row in tx.execute(select(bulk_jobs).order_by(bulk_jobs.c.pk))
            ]
    finally:
        store.close()


# --- rows that cannot be read -----------------------------------------------------------------------------
def test_a_line_that_cannot_be_read_makes_its_standing_incomplete_until_it_is_mended(synced):
    story = synced
    (line,) = story.rows(
        f"SELECT Id, Quantity FROM OrderItem WHERE Order.Account.Name = '{LUMIERE}' AND Order.EffectiveDate = 2026-11-09"
    )
    as_admin(story, "OrderItem", line["Id"], Quantity=None)
    done = later(story, code=3)
    assert done.data["rejected"] == 1
    row = standing(story)
    assert line["Id"] in row["Incomplete__c"]
    assert "quantity" in row["Incomplete__c"]
    assert Decimal(row["Qualifying_Amount__c"]) == Decimal("45188"), (
        "the last version that could be read still counts"
    )
    (aside,) = story("status", "--json").data["set_aside"]["first"]
    assert (aside["entity"], aside["id"], aside["field"]) == ("order_line", line["Id"], "quantity")
    later(story, code=3)
    as_admin(story, "OrderItem", line["Id"], Quantity=int(float(line["Quantity"])))
    later(story)
    assert standing(story)["Incomplete__c"] is None
    assert story("verify", "--deep").code == 0


def test_an_order_that_was_never_readable_is_named_in_the_open_standings_of_its_account(synced):
    story = synced
    order = partner_orders_again(story.org)
    as_admin(story, "Order", order, EffectiveDate=None)
    later(story, code=3)
    row = standing(story)
    assert order in row["Incomplete__c"]
    assert Decimal(row["Qualifying_Amount__c"]) == Decimal("45188")
    as_admin(story, "Order", order, EffectiveDate="2026-11-24")
    later(story)
    assert standing(story)["Incomplete__c"] is None
    assert qualifying(story) == Decimal("50588")


# --- fields and permissions -------------------------------------------------------------------------------
def test_a_field_that_may_no_longer_be_read_stops_its_stream_alone_and_lowers_nothing(synced):
    story = synced
    permissions_of(story.org).hide("OrderItem.TotalPrice")
    order = partner_orders_again(story.org)
    done = later(story, code=2)
    assert done.error["code"] == "INVALID_FIELD"
    assert "TotalPrice on OrderItem" in done.error["message"]
    assert "Rebate_Sync_Integration" in done.error["hint"]
    assert [stream["entity"] for stream in done.data["streams"]] == ["user", "product", "account", "order"]
    assert qualifying(story) == Decimal("45188")
    (number,) = (
        row["OrderNumber"] for row in story.rows(f"SELECT OrderNumber FROM Order WHERE Id = '{order}'")
    )
    assert standing(story)["Incomplete__c"] == (
        f"the lines of order {number} ({order}) could not be read: INVALID_FIELD"
    )
    others = story.rows("SELECT Id FROM Rebate_Standing__c WHERE Incomplete__c != null")
    assert len(others) < len(story.rows("SELECT Id FROM Rebate_Standing__c")), (
        "only where an order came since"
    )
    permissions_of(story.org).show("OrderItem.TotalPrice")
    later(story)
    assert qualifying(story) == Decimal("50588"), "it comes back by itself"
    assert standing(story)["Incomplete__c"] is None
    assert story("verify", "--deep").code == 0


def test_a_line_of_a_new_product_is_missed_by_name_while_products_may_not_be_read(story):
    story("sync")
    line = story.rows("SELECT Id FROM OrderItem WHERE Order.EffectiveDate = 2026-11-09")[0]["Id"]
    with story.org.storage.transaction():
        fields = {"Name": "New Serum", "ProductCode": "NS", "Family": "Skin care", "IsActive": 1}
        product = put(story.org, "Product2", user_named(story.org), **fields)
        change(story.org, "OrderItem", line, user_named(story.org), Product2Id=product)
    permissions_of(story.org).hide("Product2.ProductCode")
    later(story, code=2)
    assert qualifying(story) < Decimal("45188"), "what the product is, and whether it counts, is not known"
    assert standing(story)["Incomplete__c"] == f"product {product} could not be read: INVALID_FIELD"
    permissions_of(story.org).show("Product2.ProductCode")
    later(story)
    assert (standing(story)["Incomplete__c"], qualifying(story)) == (None, Decimal("45188"))


# --- the day's API calls ----------------------------------------------------------------------------------
def test_a_run_at_its_budget_parks_and_the_next_one_goes_on(story):
    story("pull")
    story("compute")
    story.org.settings.api_max, now = 100, story.org.now_ms()
    for _ in range(95 - story.org.usage.used(now)):
        story.org.usage.count(now)  # other integrations, up to the reserve
    done = story("sync", "--json")
    assert (done.code, done.error["code"]) == (5, "ORG_NEARLY_EXHAUSTED")
    assert story("status", "--json").data["runs"][0]["outcome"] == "parked"
    assert story("status", "--json").data["outbox"]["pending"] > 0, "the work is kept"
    story.org.settings.api_max = 15_000
    later(story)
    assert qualifying(story) == Decimal("45188")
    assert story("verify", "--deep").code == 0


def test_calls_of_earlier_runs_count_against_our_share_for_a_day(synced):
    story = synced
    story.org.usage.reset()  # the org has plenty left
    (run, *_) = story("status", "--json").data["runs"]
    story.org.settings.api_max = 2 * run["counts"]["api_calls"]  # half of it is ours
    partner_orders_again(story.org)
    done = later(story, code=5)
    assert done.error["code"] == "API_BUDGET_SHARE"
    spent = run["counts"]["api_calls"]
    story.org.settings.api_max = 4 * spent  # enough for one day's sync, not for two days' together
    story.wait(days=1)
    assert story("sync").code == 0


# --- bulk jobs --------------------------------------------------------------------------------------------
@contextmanager
def results_are_gone(world):
    world.org.faults.add(
        Fault("status", path=r"jobs/query/\w+/results", status=404, code="NOT_FOUND", times=0)
    )
    yield
    world.org.faults.clear()


def test_a_bulk_job_of_a_run_that_died_is_gone_on_with(story):
    story.config('[sync]\ninitial_read = "bulk"\n')
    with results_are_gone(story):
        assert story("sync").code == 1
    assert len(bulk_states(story)) == 5, "all were created before the first was waited for"
    assert {state for _, state in bulk_states(story)} == {"open"}
    story.wait(minutes=15)
    done = story("sync", "--json")
    assert done.code == 0, (done.error, done.err)
    assert len(bulk_states(story)) == 5, "none is asked again"
    assert {state for _, state in bulk_states(story)} == {"done"}
    assert qualifying(story) == Decimal("45188")
    later(story)
    assert story("verify", "--deep").code == 0


def test_a_line_that_was_edited_during_a_first_load_is_in_its_first_numbers(story):
    """The window of the load ended before the edit: without it the line would be missing altogether."""
    story.config('[sync]\ninitial_read = "bulk"\n')
    with results_are_gone(story):
        assert story("sync").code == 1  # the jobs stay, with the windows of this run
    (line, *_) = story.rows(
        f"SELECT Id, Quantity, UnitPrice FROM OrderItem WHERE Order.Account.Name = '{LUMIERE}' AND Order.Status = "
        "'Activated' AND Product2.Family = 'Skin care' AND Order.EffectiveDate = 2026-11-03 ORDER BY Id"
    )
    boss = Context(user_named(story.org), system=True)
    records.update(story.org, boss, "OrderItem", line["Id"], {"Quantity": str(Decimal(line["Quantity"]) + 1)})
    done = later(story)
    assert qualifying(story) == Decimal("45188") + Decimal(line["UnitPrice"])
    assert done.data["standings_changed"] > 0
    assert story("verify", "--deep").code == 0


def test_a_bulk_job_that_is_too_old_is_left_and_asked_again(story):
    story.config('[sync]\ninitial_read = "bulk"\n')
    with results_are_gone(story):
        assert story("sync").code == 1
    story.wait(days=8)
    assert story("sync").code == 0
    assert [state for _, state in bulk_states(story)] == ["abandoned"] * 5 + ["done"] * 5


# --- once a day -------------------------------------------------------------------------------------------
def test_an_entity_that_is_refreshed_daily_is_read_whole_once_a_local_day(story):
    from mappings.initial import standard_text

    text = standard_text().replace(
        '[pull.product]\nobject = "Product2"', '[pull.product]\nobject = "Product2"\nrefresh = "daily"'
    )
    assert 'refresh = "daily"' in text
    use_mapping(story, text)
    story("sync")

    def read():
        streams = later(story).data["streams"]
        return next(stream["rows"] for stream in streams if stream["entity"] == "product")

    assert read() == 0
    story.wait(days=1)
    assert read() > 10
    assert read() == 0


# --- an org in maintenance --------------------------------------------------------------------------------
def test_a_read_only_org_is_read_and_written_to_when_it_is_open_again(synced, pauses_are_jumps):
    story = synced
    pauses_are_jumps(story)
    partner_orders_again(story.org)
    story.org.faults.add(Fault("read_only", times=0))
    story.wait(minutes=15)
    done = story("sync", "--json")
    assert done.data is not None, done.err
    assert done.data["retrying"] > 0
    assert done.code == 3, "what was put off is not done"
    assert later(story, code=3).data["put_off"] > 0, "nor is it done while it waits"
    assert story("reconcile", "--json").code == 3
    assert {run["outcome"] for run in story("status", "--json").data["runs"][:3]} == {"partial"}
    story.org.faults.clear()
    story.wait(hours=5)
    later(story)
    assert qualifying(story) == Decimal("50588")
    assert story("verify", "--deep").code == 0


def test_an_org_that_switches_on_several_currencies_has_them_mapped_before_anything_is_added_up(synced):
    story = synced
    before = qualifying(story)
    multi_currency.enable(story.org, {"EUR": "0.92"})
    partner_orders_again(story.org)
    story.wait(days=1)
    refused = story("sync")
    assert refused.code == 2, refused.text
    assert "several currencies" in refused.err
    assert 'currency = "corporate"' in refused.err
    assert qualifying(story) == before


@pytest.mark.parametrize("status", [None, "all"])
def test_a_record_that_the_org_cannot_read_delays_nobody_else(story, monkeypatch, status):
    from connector.collections import Collections
    from connector.errors import Misconfigured

    (poison,) = story.rows(f"SELECT Id FROM Account WHERE Name = '{LUMIERE}'")
    send = Collections._send

    def unreadable(self, method, path, sobject, keys, records, safety):
        if sobject == "Account" and (status == "all" or any(one["Id"] == poison["Id"] for one in records)):
            raise Misconfigured("JSON_PARSER_ERROR", status=400, sobject=sobject)
        return send(self, method, path, sobject, keys, records, safety)

    monkeypatch.setattr(Collections, "_send", unreadable)
    done = story("sync", "--json")
    stuck = [row for row in story("outbox", "list", "--json").data["rows"] if row["state"] == "quarantined"]
    if status == "all":  # then it is no record's fault
        assert (done.code, stuck) == (2, [])
        assert done.data["stopped"]["Account"]["code"] == "JSON_PARSER_ERROR"
    else:
        assert done.code == 3, done.err
        assert done.data["pushed_by_object"]["Account"] > 1
        assert [(row["object"], row["account"]) for row in stuck] == [("Account", poison["Id"])]
    monkeypatch.setattr(Collections, "_send", send)
    story("outbox", "retry")
    later(story)
    assert story("verify", "--deep").code == 0


# --- what operators do -----------------------------------------------------------------------------------
def test_rows_that_are_not_set_aside_cannot_be_freed(story):
    story.org.faults.add(
        Fault("row_error", path="Account", code="FIELD_CUSTOM_VALIDATION_EXCEPTION", times=0)
    )
    assert story("sync", "--json").code == 3
    story.org.faults.clear()
    stuck = [row["row"] for row in story("outbox", "list", "--json").data["rows"]]
    assert len(stuck) > 1
    refused = story("outbox", "retry", str(stuck[0]), "99999")
    assert refused.code == 2
    assert "none was freed" in refused.err
    assert {row["state"] for row in story("outbox", "list", "--json").data["rows"]} == {"quarantined"}
    assert story("outbox", "retry", str(stuck[0]), "--json").data["freed"] == 1
    assert later(story, code=3).data["pushed_by_object"] == {"Account": 1}, (
        "the others still wait for a person"
    )
    story("outbox", "retry")
    assert later(story).data["pushed_by_object"] == {"Account": len(stuck) - 1}


def test_pausing_in_a_folder_without_a_store_is_no_pause(tmp_path, story, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rebates.db").unlink(missing_ok=True)
    refused = story("pause")
    assert (refused.code, (tmp_path / "rebates.db").exists()) == (2, False)
    assert "no store yet" in refused.err


# --- what is said -----------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_no_log_line_or_error_carries_a_token_or_a_customers_value(story):
    story.config('[logging]\nlevel = "debug"\nformat = "json"\n')
    canary = "canary-4711@private.example"
    said = []
    faults = story.org.faults
    for fault in (
        Fault("status", path="/query", status=400, code="MALFORMED_QUERY", message=canary, nth=2),
        Fault("unauthorized", path="composite", nth=2),
        Fault("html", path="composite", nth=4),
        Fault("row_error", path="Account", code="FIELD_CUSTOM_VALIDATION_EXCEPTION", message=canary, times=2),
        Fault("row_error", path="Task", code="REQUIRED_FIELD_MISSING", message=canary, times=1),
        Fault("drop_ack", path="composite/sobjects", nth=3),
    ):
        faults.add(fault)
    for _ in range(3):
        done = story("sync", "--json")
        said += [done.err, json.dumps(done.error)]
        story.wait(minutes=15)
    assert faults.log, "nothing went wrong: this proves nothing"
    text = "".join(said)
    assert "FIELD_CUSTOM_VALIDATION_EXCEPTION" in text or "quarantin" in text or '"event"' in text
    assert canary not in text
    assert not re.search(r"00D\w{12,15}!\S+", text), "a session id"
    for secret in (LUMIERE, "Torres", "integration@northwind.example", "SELECT ", "BEGIN"):
        assert secret not in text, secret


# --- a login that is refused --------------------------------------------------------------------------------
def refuse_logins(world):
    world.org.faults.add(
        Fault("status", path="oauth2/token", status=400, code="invalid_grant", times=0,
              body='{"error":"invalid_grant","error_description":"user hasn\'t approved this consumer"}')
    )  # fmt: skip


def logins(world):
    return sum("oauth2/token" in path for _, _, path in world.org.faults.log)


@pytest.mark.parametrize("command", [("sync",), ("sync", "--dry-run"), ("pull",), ("reconcile",)])
def test_a_person_in_a_hurry_does_not_lock_the_user_out(story, command):
    refuse_logins(story)
    assert story(*command, "--json").code == 4
    asked = logins(story)
    for _ in range(3):
        story.wait(minutes=1)
        done = story(*command, "--json")
        assert (done.code, done.error["code"]) == (4, "login_paused")
        assert "--login-again" in done.error["hint"]
    assert logins(story) == asked
    assert story("compute", "--json").error["code"] == "login_paused", "the store knows no org yet"
    again = story(*command, "--login-again", "--json")
    assert (again.code, again.error["code"]) == (4, "invalid_grant")
    assert logins(story) > asked
    story.wait(minutes=15)
    assert story(*command, "--json").error["code"] == "invalid_grant"


def test_a_login_that_works_for_doctor_ends_the_pause(story):
    refuse_logins(story)
    story("sync")
    story("doctor")
    assert story("sync", "--json").error["code"] == "login_paused"
    story.org.faults.clear()
    story("doctor")
    assert story("sync").code == 0


# --- a field that changes -----------------------------------------------------------------------------------
def admin_changes(world, sobject, name, **more):
    fields = world.org.schema.sobject(sobject).fields
    fields[name.lower()] = replace(fields[name.lower()], **more)
    world.org.schema.version += 1


def test_a_longer_text_is_a_warning_of_the_night_and_used_from_then_on(synced):
    story = synced
    admin_changes(story, "Account", "Name", length=400)
    done = later(story)
    assert done.data["stopped"] == {}
    story.wait(minutes=15)
    done = story("reconcile", "--json")
    assert (done.code, done.data["fields_changed"]) == (0, ["Account.Name: length was 255, is 400"])
    story.wait(minutes=15)
    assert story("reconcile", "--json").data["fields_changed"] == [], "it is told once"


def test_a_target_that_does_not_fit_any_more_is_written_to_when_it_fits_again(synced):
    story = synced
    partner_orders_again(story.org)
    admin_changes(story, "Rebate_Standing__c", "Sync_Key__c", unique=False)
    story.wait(minutes=15)
    done = story("reconcile", "--json")
    assert (done.code, done.error["code"]) == (2, "SCHEMA_CHANGED")
    assert list(done.data["stopped"]) == ["standing"]
    assert "Rebate_Standing__c" not in done.data["pushed_by_object"]
    assert "Account" in done.data["pushed_by_object"], "the others go on"
    assert list(later(story, code=2).data["stopped"]) == ["standing"]
    admin_changes(story, "Rebate_Standing__c", "Sync_Key__c", unique=True)
    later(story, code=0)
    assert qualifying(story) == Decimal("50588")
    assert story("verify", "--deep").code == 0
    calls = story.org.usage.total
    story.wait(minutes=15)
    story("sync")
    later(story)
    assert story.org.usage.total - calls <= 4, "no describe while all is well"
