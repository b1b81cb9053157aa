"""Deployed components as the org keeps them: taken out again, and brought back when a file is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator import permission_metadata
from emulator.formulas import Formulas
from emulator.life import rules_of
from emulator.metadata_fields import custom_field, custom_object, picklist_values
from emulator.metadata_shape import rule_of, set_picklist
from emulator.multi_currency import with_currency
from emulator.raw_rows import find
from emulator.schema import ACTIVITY
from emulator.storage import quote
from emulator.xml_tree import Element

if TYPE_CHECKING:
    from emulator.org import Org

ORDER = (
    "CustomObject", "CustomField", "StandardValueSet", "ValidationRule", "CustomNotificationType",
    "CustomPermission", "CustomLabel", "Layout", "CompactLayout", "ListView", "CustomTab", "PermissionSet",
)  # fmt: skip
STANDARD_VALUE_SETS = {
    "AccountType": ("Account", "Type"), "AccountRating": ("Account", "Rating"), "Industry": ("Account", "Industry"),
    "OrderType": ("Order", "Type"), "Product2Family": ("Product2", "Family"), "TaskType": ("Task", "Type"),
}  # fmt: skip


def forget(org: Org, kind: str, name: str) -> None:
    """Take one deployed component out of the org, with its data."""
    org.storage.keep("metadata", f"{kind}:{name}", None)
    owner, _, rest = name.partition(".")
    if kind == "CustomField":
        for target in ACTIVITY if owner == "Activity" else (owner,):
            sobject = org.schema.require(target)
            made = sobject.field(rest)
            if made is not None and made.stored:
                org.storage.execute(f"UPDATE {quote(sobject.name)} SET {quote(made.name)} = NULL")
            org.storage.execute('DELETE FROM "FieldPermissions" WHERE "Field" = ?', (f"{target}.{rest}",))
        org.schema.remove_field(owner, rest)
    elif kind == "CustomObject":
        org.storage.execute(f"DELETE FROM {quote(name)}")
        org.storage.execute('DELETE FROM "ObjectPermissions" WHERE "SobjectType" = ?', (name,))
        org.storage.execute('DELETE FROM "FieldPermissions" WHERE "SobjectType" = ?', (name,))
        for key in org.storage.kept_all("metadata"):
            if key.partition(":")[2].startswith(f"{name}."):
                org.storage.keep("metadata", key, None)
        for rule in rules_of(org).of(name):
            rules_of(org).remove(name, rule.name)
        org.schema.remove_sobject(name)
    elif kind == "ValidationRule":
        rules_of(org).remove(owner, rest)
    elif kind == "PermissionSet":
        row = find(org, "PermissionSet", Name=name)
        if row:
            for table, column in permission_metadata.TABLES:
                org.storage.execute(f"DELETE FROM {quote(table)} WHERE {quote(column)} = ?", (row["Id"],))
            org.storage.execute('DELETE FROM "PermissionSet" WHERE "Id" = ?', (row["Id"],))
    elif kind == "CustomNotificationType":
        org.storage.execute('DELETE FROM "CustomNotificationType" WHERE "DeveloperName" = ?', (name,))


def restore(org: Org) -> None:
    """After opening a file: the schema and rules that were deployed to it."""
    kept = org.storage.kept_all("metadata")
    ordered = sorted(kept.items(), key=lambda item: rank(item[0]))
    details = {
        key.partition(":")[2].partition(".")[0]
        for key, each in kept.items()
        if key.startswith("CustomField:") and Element.of(each["body"]).get("type") == "MasterDetail"
    }
    formulas = org.formulas
    assert isinstance(formulas, Formulas)
    with org.storage.transaction():
        for key, each in ordered:
            kind, _, name = key.partition(":")
            owner, _, rest = name.partition(".")
            body = Element.of(each["body"])
            if kind == "CustomObject" and name.endswith("__c"):
                made = custom_object(name, body, each["prefix"], detail=name in details)
                org.add_sobject(with_currency(org, made))
            elif kind == "CustomField" and rest.endswith("__c"):
                target = "Task" if owner == "Activity" else owner
                org.add_field(owner, custom_field(rest, target, body, org.schema))
            elif kind == "StandardValueSet":
                picks = picklist_values(body, "standardValue")
                set_picklist(org.schema, *STANDARD_VALUE_SETS[name], picks)
            elif kind == "ValidationRule":
                rules_of(org).add(owner, rule_of(formulas, owner, rest, body))


def rank(key: str) -> int:
    """Where a kept component (`type:name`) stands in the order of deploying."""
    kind = key.partition(":")[0]
    return ORDER.index(kind) if kind in ORDER else len(ORDER)
