"""What became of the mapped fields of an org since another time, and what does not fit any more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mappings.file import read_mapping
from mappings.in_use import broken_parts, changes, looks
from tests.mappings.org_describes import stock_org, with_fields, without

MAPPING = read_mapping("standard")


def after(sobject, name, **more):
    """The stock org with one field changed."""
    org = stock_org()
    org[sobject] = with_fields(org[sobject], replace(org[sobject].field(name), **more))
    return org


def seen(org):
    found = changes(looks(MAPPING, stock_org()), looks(MAPPING, org))
    pulls, pushes = broken_parts(MAPPING, org, {one.field: one for one in found})
    return found, set(pulls), set(pushes)


def test_an_org_that_stays_as_it_is_is_no_news():
    assert seen(stock_org()) == ([], set(), set())


@pytest.mark.parametrize(
    ("sobject", "name", "more", "told"),
    [
        ("Account", "Name", {"length": 400}, "length was 255, is 400"),
        ("OrderItem", "TotalPrice", {"scale": 4}, "scale was"),
        ("Rebate_Standing__c", "Program_Name__c", {"length": 1000}, "length was"),
    ],
)
def test_what_holds_more_than_before_is_told_and_stops_nothing(sobject, name, more, told):
    (one,), pulls, pushes = seen(after(sobject, name, **more))
    assert one.field == f"{sobject}.{name}"
    assert told in one.what
    assert (one.loses, pulls, pushes) == (False, set(), set())


def test_an_amount_that_the_org_would_round_stops_what_writes_it():
    """Salesforce rounds without a word: the money in the org would not be the money in the store."""
    (one,), pulls, pushes = seen(after("Rebate_Standing__c", "Rebate__c", scale=0))
    assert (one.what, one.loses) == ("scale was 2, is 0", True)
    assert (pulls, pushes) == (set(), {"standing"})


def test_an_amount_that_became_a_text_stops_what_is_settled_from_it():
    (one,), pulls, pushes = seen(after("OrderItem", "TotalPrice", type="reference"))
    assert one.what.startswith("type was currency, is reference")
    assert (pulls, pushes) == ({"order_line"}, set())


def test_a_key_that_is_no_longer_unique_stops_what_is_written_under_it():
    _, _, pushes = seen(after("Rebate_Standing__c", "Sync_Key__c", unique=False))
    assert pushes == {"standing"}


def test_a_field_that_is_gone_is_named():
    org = stock_org()
    org["Order"] = without(org["Order"], "EffectiveDate")
    (one,), pulls, _ = seen(org)
    assert (one.field, one.loses, pulls) == ("Order.EffectiveDate", True, {"order"})


def test_values_of_a_picklist_that_come_and_go_are_named():
    org = stock_org()
    status = org["Order"].field("Status")
    values = status.picklist_values
    org["Order"] = with_fields(org["Order"], replace(status, picklist_values=(*values[1:], "Shipped")))
    (one,), _, _ = seen(org)
    assert "with the new value Shipped" in one.what
    assert f"without the value {values[0]}" in one.what
