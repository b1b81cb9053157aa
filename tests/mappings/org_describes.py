"""A stock org with our package, as describes: the standard objects by hand, ours from the metadata that ships."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import cache
from pathlib import Path

from mappings.describe import FieldDescribe, ObjectDescribe

PACKAGE = Path(__file__).parents[2] / "salesforce" / "force-app" / "main" / "default" / "objects"
_M = "{http://soap.sforce.com/2006/04/metadata}"
_TYPES = {
    "Text": "string", "LongTextArea": "textarea", "TextArea": "textarea", "Picklist": "picklist", "Date": "date",
    "DateTime": "datetime", "Currency": "currency", "Number": "double", "Percent": "percent", "Checkbox": "boolean",
    "MasterDetail": "reference", "Lookup": "reference",
}  # fmt: skip


def field(name, type_="string", **more) -> FieldDescribe:
    more.setdefault("label", name.removesuffix("__c").replace("_", " "))
    writable = not more.get("calculated", False)
    more.setdefault("createable", writable)
    more.setdefault("updateable", writable)
    if type_ == "string":
        more.setdefault("length", 255)
    return FieldDescribe(name=name, type=type_, **more)


def read_only(name, type_="string", **more) -> FieldDescribe:
    return field(name, type_, createable=False, updateable=False, **more)


def required(name, type_="string", **more) -> FieldDescribe:
    more.setdefault("permissionable", False)
    return field(name, type_, nillable=False, **more)


def reference(name, to, relationship, **more) -> FieldDescribe:
    return field(name, "reference", reference_to=(to,), relationship_name=relationship, length=18, **more)


def picklist(name, *values, restricted=False, **more) -> FieldDescribe:
    return field(name, "picklist", picklist_values=values, restricted_picklist=restricted, length=255, **more)


def obj(name, *fields, deleted=True, **more) -> ObjectDescribe:
    system = [
        read_only("Id", "id", length=18, id_lookup=True, permissionable=False),
        read_only("SystemModstamp", "datetime", permissionable=False),
    ]
    if deleted:
        system.append(read_only("IsDeleted", "boolean", permissionable=False))
    return ObjectDescribe(name, name, {f.name: f for f in [*system, *fields]}, **more)


def with_fields(described: ObjectDescribe, *fields: FieldDescribe) -> ObjectDescribe:
    return replace(described, fields={**described.fields, **{f.name: f for f in fields}})


def without(described: ObjectDescribe, *names: str) -> ObjectDescribe:
    return replace(described, fields={k: v for k, v in described.fields.items() if k not in names})


@cache
def package_fields(object_name: str) -> tuple[FieldDescribe, ...]:
    """The fields of our package as an org with it would describe them."""
    folder = PACKAGE / object_name / "fields"
    return tuple(_from_metadata(path) for path in sorted(folder.glob("*.field-meta.xml")))


def _from_metadata(path: Path) -> FieldDescribe:
    root = ET.parse(path).getroot()

    def text(tag: str) -> str:
        return root.findtext(f"{_M}{tag}") or ""

    formula = bool(text("formula"))
    values = tuple(v.findtext(f"{_M}fullName") or "" for v in root.iter(f"{_M}value"))
    fixed = text("type") == "MasterDetail" and text("reparentableMasterDetail") != "true"
    is_required = text("required") == "true" or text("type") == "MasterDetail"
    return FieldDescribe(
        name=text("fullName"),
        label=text("label"),
        type=_TYPES[text("type")],
        length=int(text("length") or 0) or (18 if text("type") in ("MasterDetail", "Lookup") else 0),
        precision=int(text("precision") or 0),
        scale=int(text("scale") or 0),
        nillable=not is_required,
        createable=not formula,
        updateable=not formula and not fixed,
        calculated=formula,
        external_id=text("externalId") == "true",
        unique=text("unique") == "true",
        id_lookup=text("externalId") == "true",
        restricted_picklist=root.findtext(f".//{_M}restricted") == "true",
        picklist_values=values,
        reference_to=(text("referenceTo"),) if text("referenceTo") else (),
        relationship_name=text("fullName").removesuffix("c") + "r" if text("referenceTo") else None,
        permissionable=not is_required,
    )


def stock_org() -> dict[str, ObjectDescribe | None]:
    """Every object that the standard mapping touches."""
    account = obj(
        "Account",
        required("Name"),
        reference("ParentId", "Account", "Parent"),
        reference("OwnerId", "User", "Owner", defaulted_on_create=True, nillable=False, permissionable=False),
        read_only("MasterRecordId", "reference", reference_to=("Account",), relationship_name="MasterRecord"),
        picklist("Type", "Prospect", "Channel Partner / Reseller", "Other"),
        field("BillingCountry", length=80, compound_field="BillingAddress"),
        read_only("BillingAddress", "address"),
        *package_fields("Account"),
    )
    order = obj(
        "Order",
        reference("AccountId", "Account", "Account", permissionable=False),
        read_only("OrderNumber"),
        picklist("Status", "Draft", "Activated", nillable=False, permissionable=False),
        replace(picklist("StatusCode", "Draft", "Activated", "Canceled"), createable=False, updateable=False),
        picklist("Type", "Standard", "Return"),
        required("EffectiveDate", "date", permissionable=False),
        field("ActivatedDate", "datetime"),
        reference("OriginalOrderId", "Order", "OriginalOrder"),
    )
    order_item = obj(
        "OrderItem",
        reference("OrderId", "Order", "Order", nillable=False, permissionable=False),
        reference("Product2Id", "Product2", "Product2", permissionable=False),
        required("Quantity", "double", precision=18, scale=2),
        read_only("TotalPrice", "currency", precision=18, scale=2),
    )
    product = obj(
        "Product2",
        required("Name"),
        field("ProductCode"),
        picklist("Family", "Skin care", "Fragrance"),
        field("IsActive", "boolean"),
    )
    user = obj("User", read_only("Name"), field("IsActive", "boolean"), deleted=False)
    task = obj(
        "Task",
        field("Subject", "combobox", length=255),
        field("Description", "textarea", length=32000),
        reference("WhatId", "Account", "What"),
        reference("OwnerId", "User", "Owner", nillable=False, defaulted_on_create=True),
        field("ActivityDate", "date"),
        picklist("Status", "Not Started", "Completed", nillable=False, defaulted_on_create=True),
        picklist("Priority", "High", "Normal", "Low", nillable=False, defaulted_on_create=True),
        *package_fields("Activity"),
    )
    standing = obj("Rebate_Standing__c", read_only("Name"), *package_fields("Rebate_Standing__c"))
    payout = obj("Rebate_Payout__c", read_only("Name"), *package_fields("Rebate_Payout__c"))
    return {
        described.name: described
        for described in (account, order, order_item, product, user, task, standing, payout)
    }
