"""`mapping init` and `mapping explain`: a first file that fits the org, and one record followed through a line."""

import re
from dataclasses import replace

import pytest

from mappings.check import check
from mappings.file import parse_mapping, read_mapping, standard_text
from mappings.initial import initial_mapping
from mappings.walkthrough import walk
from tests.mappings.org_describes import field, obj, picklist, read_only, stock_org, with_fields, without


def test_a_stock_org_gets_the_standard_mapping():
    assert initial_mapping(stock_org()) == standard_text()


def test_an_org_with_several_currencies_gets_them_mapped():
    org = stock_org()
    for name in ("Account", "Order"):
        org[name] = with_fields(org[name], read_only("CurrencyIsoCode"))
    org["CurrencyType"] = obj(
        "CurrencyType",
        field("IsoCode"),
        field("ConversionRate", "double"),
        field("IsActive", "boolean"),
        deleted=False,
    )
    mapping = parse_mapping(initial_mapping(org))

    assert {"currency"} <= mapping.pull["order"].fields.keys() & mapping.pull["account"].fields.keys()
    assert mapping.pull["currency_rate"].object == "CurrencyType"
    assert check(mapping, org) == []


def test_a_region_field_of_the_org_is_taken_by_its_label():
    org = stock_org()
    org["Account"] = with_fields(org["Account"], picklist("Terr_1__c", "East", label="Sales Territory"))

    assert parse_mapping(initial_mapping(org)).pull["account"].fields["region"].paths == ("Terr_1__c",)


def test_a_field_that_cannot_be_seen_is_left_out_with_the_reason():
    org = stock_org()
    org["Product2"] = without(org["Product2"], "Family")
    text = initial_mapping(org)

    assert '# family = "Family"   # not visible to the integration user' in text
    assert check(parse_mapping(text), org) == []


def test_the_org_s_own_fields_are_offered_and_can_be_taken():
    org = stock_org()
    org["Account"] = with_fields(
        org["Account"],
        picklist("Segment__c", "Key", "Growth", label="Partner Segment"),
        field("VIP__c", "boolean", label="2nd VIP"),
        field("Notes__c"),
    )
    text = initial_mapping(org)

    assert re.search(r'^# partner_segment = "Segment__c" +# picklist: Key, Growth$', text, re.M)
    assert re.search(r'^# vip__c = \{ field = "VIP__c", as = "bool" \} +# boolean$', text, re.M)
    assert "Notes__c" not in text
    taken = text.replace("# partner_segment", "partner_segment").replace("# vip__c", "vip__c")
    mapping = parse_mapping(taken)
    assert mapping.pull["account"].attributes == ("partner_segment", "vip__c")
    assert check(mapping, org) == []


def steps(mapping, entity, name, **row):
    return [(step.what, step.value) for step in walk(mapping.pull[entity], name, mapping, row)]


def test_a_record_is_followed_through_every_setting():
    mapping = parse_mapping(
        '[pull.account]\nobject = "Account"\n[pull.account.fields]\nname = "Name"\n'
        'region = { first = ["A__c", "B__c"], trim = true, case = "lower", values = { na = "north" }, default = "west" }'
    )

    assert steps(mapping, "account", "region", A__c=None, B__c=" NA ") == [
        ("A__c", None), ("B__c", " NA "), ("first that is not empty", " NA "), ("trim", "NA"), ("case lower", "na"),
        ("values", "north"), ("kept as text", "north"),
    ]  # fmt: skip
    assert steps(mapping, "account", "region", A__c=None, B__c=None)[-2:] == [
        ("default", "west"),
        ("kept as text", "west"),
    ]
    assert steps(mapping, "account", "region", A__c="EU", B__c=None)[-1] == (
        "set aside", "region has a value for which `values` has no rule",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("entity", "name", "row", "last"),
    [
        ("order_line", "amount", {"TotalPrice": "9.9213206E7"}, ("kept as amount", "99213206")),
        (
            "order_line",
            "amount",
            {"TotalPrice": None},
            ("set aside", "amount is empty, and a value is required"),
        ),
        ("order", "ordered_on", {"EffectiveDate": "2026-11-30"}, ("kept as day", "2026-11-30")),
        ("order", "active", {"StatusCode": "Draft"}, ("kept as bool", "false")),
        (
            "order",
            "modstamp",
            {"SystemModstamp": "2026-11-30T00:00:00.000+0000"},
            ("kept as stamp", "2026-11-30T00:00:00Z"),
        ),
    ],
)
def test_what_is_kept_is_shown_as_people_write_it(entity, name, row, last):
    assert steps(read_mapping("standard"), entity, name, **row)[-1] == last


def test_an_expression_that_has_no_value_says_why():
    mapping = read_mapping("standard")
    line = mapping.pull["order_line"]
    expr = parse_mapping(
        '[pull.order_line]\nobject = "OrderItem"\n[pull.order_line.fields]\norder_id = "OrderId"\nquantity = "Quantity"\n'
        'amount = { expr = "Gross__c / Rate__c" }'
    ).pull["order_line"]
    walked = walk(replace(line, fields=expr.fields), "amount", mapping, {"Gross__c": "5", "Rate__c": "0"})

    assert [(step.what, step.value) for step in walked][-1] == (
        "set aside",
        "division by zero or a number too large",
    )
