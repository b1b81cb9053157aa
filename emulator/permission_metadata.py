"""PermissionSet metadata: checked against the schema, then kept as the records the API shows.

Source: Metadata API Developer Guide, "PermissionSet"; refusals as deploys word them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emulator.metadata_read import Component, Problem
from emulator.permissions import SYSTEM_PERMISSIONS
from emulator.raw_rows import put
from emulator.schema import Field, Schema

if TYPE_CHECKING:
    from emulator.org import Org

TABLES = (
    ("FieldPermissions", "ParentId"),
    ("ObjectPermissions", "ParentId"),
    ("PermissionSetAssignment", "PermissionSetId"),
)
FLAGS = {
    "allowCreate": "PermissionsCreate", "allowRead": "PermissionsRead", "allowEdit": "PermissionsEdit",
    "allowDelete": "PermissionsDelete", "viewAllRecords": "PermissionsViewAllRecords",
    "modifyAllRecords": "PermissionsModifyAllRecords",
}  # fmt: skip
NEEDS = {
    "allowCreate": ("allowRead",), "allowEdit": ("allowRead",), "allowDelete": ("allowRead", "allowEdit"),
    "viewAllRecords": ("allowRead",),
    "modifyAllRecords": ("allowRead", "allowEdit", "allowDelete", "viewAllRecords"),
}  # fmt: skip


@dataclass
class Wanted:
    """The rows a permission set stands for; replaced whole by every deploy of it."""

    columns: dict[str, Any] = field(default_factory=dict)
    system: list[str] = field(default_factory=list)
    fields: list[tuple[str, bool, bool]] = field(default_factory=list)  # (Object.Field__c, read, edit)
    objects: list[tuple[str, dict[str, int]]] = field(default_factory=list)


def read(component: Component, schema: Schema) -> tuple[Wanted, list[Problem]]:
    """What the component asks for, and everything that is wrong with it."""
    body, wanted, problems = component.body, Wanted(), list[Problem]()
    if not body.get("label"):
        problems.append(component.fails("Required field is missing: label"))
    for each in body.all("userPermissions"):
        if each.get("name") not in SYSTEM_PERMISSIONS:
            problems.append(component.fails(f"Unknown user permission: {each.get('name')}", each))
        elif each.flag("enabled"):
            wanted.system.append(each.get("name"))
    _read_objects(component, schema, wanted, problems)
    for each in body.all("fieldPermissions"):
        name = each.get("field")
        if any(name == known for known, _, _ in wanted.fields):
            problems.append(component.fails(f"Duplicate fieldPermissions: {name}", each))
            continue
        problem = field_problem(schema, name, editable=each.flag("editable"))
        if problem:
            problems.append(component.fails(problem, each))
            continue
        if each.flag("editable") and not each.flag("readable"):
            problems.append(
                component.fails(f"Field {name}: editable needs readable", each)
            )  # Assumed wording
        wanted.fields.append((name, each.flag("readable"), each.flag("editable")))
    wanted.columns = {
        "Label": body.get("label"), "Description": body.get("description") or None, "IsCustom": 1,
        "IsOwnedByProfile": 0, "Type": "Regular",
        "HasActivationRequired": int(body.flag("hasActivationRequired")),
    }  # fmt: skip
    table = schema.require("PermissionSet")
    for name in SYSTEM_PERMISSIONS:
        if table.field(f"Permissions{name}"):
            wanted.columns[f"Permissions{name}"] = int(name in wanted.system)
    return wanted, problems


def _read_objects(component: Component, schema: Schema, wanted: Wanted, problems: list[Problem]) -> None:
    listed = {each.get("object"): each for each in component.body.all("objectPermissions")}
    for name, each in listed.items():
        sobject = schema.sobject(name)
        if sobject is None:
            problems.append(component.fails(f"In field: field - no CustomObject named {name} found", each))
            continue
        for flag, needed in NEEDS.items():
            missing = [other for other in needed if each.flag(flag) and not each.flag(other)]
            if missing:
                names = ", ".join(f"{_verb(other)} {name}" for other in missing)
                problem = f"Permission {_verb(flag)} {name} depends on permission(s): {names}"
                problems.append(component.fails(problem, each))
        for master in (ref for ref in sobject.fields.values() if ref.cascade_delete and ref.custom):
            parent = master.reference_to[0]
            grant = listed.get(parent)
            if each.flag("allowRead") and (grant is None or not grant.flag("allowRead")):
                problem = f"Permission Read {name} depends on permission(s): Read {parent}"
                problems.append(component.fails(problem, each))
        wanted.objects.append((sobject.name, {FLAGS[flag]: int(each.flag(flag)) for flag in FLAGS}))


def _verb(flag: str) -> str:
    return {"viewAllRecords": "View All", "modifyAllRecords": "Modify All"}.get(
        flag, flag.removeprefix("allow")
    )


def field_problem(schema: Schema, name: str, *, editable: bool) -> str | None:
    """Why a permission set may not name this field (`Account.Rebate_Tier__c`); None when it may."""
    owner, _, rest = name.partition(".")
    sobject = schema.sobject(owner)
    found: Field | None = sobject.field(rest) if sobject else None
    if sobject is None:
        return f"In field: field - no CustomObject named {owner} found"
    if found is None:
        return f"In field: field - no CustomField named {name} found"
    if not found.permissionable or (found.custom and not found.nillable and found.type != "boolean"):
        return f"You cannot deploy to a required field: {name}"
    if editable and (found.calculated or found.auto_number):
        return (
            f"Field {name} is not editable: a formula or an auto number can only be read"  # Assumed wording
        )
    return None


def apply(org: Org, user_id: str, parent: str, wanted: Wanted) -> None:
    """Replace the permission set's rows."""
    org.storage.keep("permissions.system", parent, sorted(wanted.system))
    for table in ("FieldPermissions", "ObjectPermissions"):
        org.storage.execute(f'DELETE FROM "{table}" WHERE "ParentId" = ?', (parent,))
    for name, readable, editable in wanted.fields:
        put(
            org, "FieldPermissions", user_id, ParentId=parent, SobjectType=name.partition(".")[0], Field=name,
            PermissionsRead=int(readable), PermissionsEdit=int(editable),
        )  # fmt: skip
    for name, flags in wanted.objects:
        put(org, "ObjectPermissions", user_id, ParentId=parent, SobjectType=name, **flags)
