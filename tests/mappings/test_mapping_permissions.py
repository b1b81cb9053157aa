"""The permission set: exactly what the mapping reads and writes, and nothing that Salesforce refuses in one."""

import xml.etree.ElementTree as ET

from mappings.file import parse_mapping, read_mapping
from mappings.permissions import permission_set_xml
from tests.mappings.org_describes import field, obj, reference, stock_org, with_fields

_M = "{http://soap.sforce.com/2006/04/metadata}"


def grants(xml):
    """What a permission set grants: fields readable, fields editable, objects, users' permissions."""
    root = ET.fromstring(xml)

    def names(tag, child, flag=None):
        return {
            element.findtext(f"{_M}{child}")
            for element in root.iter(f"{_M}{tag}")
            if flag is None or element.findtext(f"{_M}{flag}") == "true"
        }

    return {
        "read": names("fieldPermissions", "field", "readable"),
        "edit": names("fieldPermissions", "field", "editable"),
        "objects": names("objectPermissions", "object"),
        "edit_objects": names("objectPermissions", "object", "allowEdit"),
        "create_objects": names("objectPermissions", "object", "allowCreate"),
        "users": names("userPermissions", "name"),
    }


TEXT = """
[pull.account]
object = "Account"
where = "Stage__c != null"
[pull.account.fields]
name = "Name"
type = "Type"
region = "BillingCountry"
zone = "Zone__r.Region__c"
[push.account]
object = "Account"
match = "Id"
[push.account.fields]
Rebate_Tier__c = "standing.tier"
"""


def test_it_grants_what_is_mapped_and_nothing_else():
    org = stock_org()
    org["Account"] = with_fields(
        org["Account"], reference("Zone__c", "Zone__c", "Zone__r"), field("Stage__c")
    )
    org["Zone__c"] = obj("Zone__c", field("Region__c"))
    got = grants(permission_set_xml(parse_mapping(TEXT), org))

    assert got["read"] == {
        "Account.Type", "Account.BillingAddress", "Account.Zone__c", "Zone__c.Region__c", "Account.Stage__c",
        "Account.Rebate_Tier__c",
    }  # fmt: skip
    assert got["edit"] == {"Account.Rebate_Tier__c"}
    assert got["objects"] == {"Account", "Zone__c"}
    assert got["edit_objects"] == {"Account"}
    assert got["create_objects"] == set()


def test_without_an_org_standard_fields_that_everyone_sees_are_left_out():
    got = grants(permission_set_xml(read_mapping("standard")))

    assert (
        not {
            "Account.Id",
            "Account.Name",
            "Order.AccountId",
            "Order.Status",
            "OrderItem.Quantity",
            "OrderItem.TotalPrice",
        }
        & got["read"]
    )
    assert {"Account.Type", "Account.BillingAddress", "Product2.Family"} <= got["read"]
    assert {"Rebate_Standing__c.Rebate__c", "Account.Rebate_Tier__c", "Task.Rebate_Key__c"} <= got["edit"]
    assert got["users"] == {"ApiEnabled", "EditTask", "SendCustomNotifications"}
    assert got["objects"] == {"Account", "Order", "Product2", "Rebate_Payout__c", "Rebate_Standing__c"}


def test_what_is_written_of_a_task_is_granted_where_it_has_security():
    got = grants(permission_set_xml(read_mapping("standard")))

    of_tasks = {name for name in got["edit"] if name.startswith("Task.")}
    assert of_tasks == {f"Task.{name}" for name in ("ActivityDate", "Description", "Rebate_Key__c", "WhatId")}


def test_required_and_master_detail_fields_are_left_out_where_the_org_says_so():
    got = grants(permission_set_xml(read_mapping("standard"), stock_org()))

    assert not {"Rebate_Standing__c.Account__c", "Rebate_Standing__c.Sync_Key__c"} & (
        got["read"] | got["edit"]
    )


def test_payouts_are_made_and_not_edited_and_what_finance_says_is_only_read():
    got = grants(permission_set_xml(read_mapping("standard"), stock_org()))

    assert "Rebate_Payout__c" in got["create_objects"] - got["edit_objects"]
    said = {f"Rebate_Payout__c.{name}" for name in ("Approved_By__c", "Paid_On__c", "Payment_Reference__c")}
    assert said <= got["read"] - got["edit"]


def test_a_target_that_is_switched_off_asks_for_no_rights():
    text = TEXT.replace('match = "Id"', 'match = "Id"\nwhen = "never"')

    assert grants(permission_set_xml(parse_mapping(text)))["edit"] == set()


def test_the_same_mapping_gives_the_same_bytes_and_no_path_of_this_machine():
    mapping = parse_mapping(TEXT, "/home/somebody/mapping & co.toml")

    assert permission_set_xml(mapping) == permission_set_xml(mapping)
    assert "somebody" not in permission_set_xml(mapping)
    assert "mapping &amp; co.toml" in permission_set_xml(mapping)
