"""A permission set for the integration user, made from the mapping: read what is read, edit what is written.

Salesforce refuses a permission set that names a field without field-level security (system fields, required and
master-detail fields). With describes that is known; without, a short list of standard fields stands in.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from mappings.check_push import CREATES
from mappings.describe import ObjectDescribe
from mappings.fieldpaths import Describes, Found, follow
from mappings.model import Mapping, PullEntity
from mappings.where import where_paths

NAMESPACE = "http://soap.sforce.com/2006/04/metadata"

# Fields that every user of an object sees, so that no permission set may name them.
_ALWAYS_VISIBLE = frozenset({
    "Id", "Name", "IsDeleted", "SystemModstamp", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById",
    "OwnerId", "MasterRecordId", "CurrencyIsoCode", "RecordTypeId",
})  # fmt: skip
_ALWAYS_VISIBLE_ON = {
    "Order": {
        "AccountId",
        "EffectiveDate",
        "Status",
        "StatusCode",
        "OrderNumber",
        "OriginalOrderId",
        "Pricebook2Id",
    },
    "OrderItem": {
        "OrderId",
        "Product2Id",
        "Quantity",
        "UnitPrice",
        "TotalPrice",
        "PricebookEntryId",
        "OriginalOrderItemId",
    },
    "Product2": {"IsActive"},
    "Task": {"Subject", "Status", "Priority"},
    "User": {"IsActive", "Username"},
}
_PARENT_BY_RELATIONSHIP = {
    "Account": "Account", "Order": "Order", "Product2": "Product2", "Owner": "User", "CreatedBy": "User",
}  # fmt: skip
# Objects whose access follows another's, and objects that a permission set does not grant.
_GOVERNED_BY = {"OrderItem": "Order", "Task": None, "User": None, "CurrencyType": None, "Organization": None}
_ADDRESS_PARTS = ("Street", "City", "State", "StateCode", "PostalCode", "Country", "CountryCode", "Latitude",
                  "Longitude", "GeocodeAccuracy")  # fmt: skip
_COMPOUND_PREFIXES = ("Billing", "Shipping", "Mailing", "Other")


def permission_set_xml(
    mapping: Mapping, describes: Describes | None = None, *, label: str = "Rebate Sync Mapping"
) -> str:
    """The metadata of a permission set, deployable as it is. The same mapping gives the same bytes."""
    objects: dict[str, tuple[bool, bool]] = {}  # object -> create, edit
    fields: dict[str, bool] = {}  # "Object.Field" -> edit
    for entity in mapping.pull.values():
        _grant_object(objects, entity.object)
        for path in (*entity.paths, *(where_paths(entity.where) if entity.where else ())):
            for name in _fields_of(entity, path, describes or {}):
                fields.setdefault(name, False)
                _grant_object(objects, name.partition(".")[0])
    users: set[str] = {"ApiEnabled"}
    for target in mapping.push.values():
        if target.when == "never":
            continue
        if target.name == "notification":
            users.add("SendCustomNotifications")
            continue
        if target.object == "Task":
            users.add("EditTask")
        _grant_object(objects, target.object, create=target.name in CREATES, edit=target.name != "payout")
        for name in target.fields:
            if (
                _can_be_granted(target.object, name, (describes or {}).get(target.object))
                and name != target.match
            ):
                fields[f"{target.object}.{name}"] = True
        for name in target.reads.values():
            fields.setdefault(f"{target.object}.{name}", False)
        if target.match and target.name == "task" and _can_be_granted(target.object, target.match, None):
            fields[f"{target.object}.{target.match}"] = True
    return _xml(label, mapping, objects, fields, users)


def _grant_object(
    objects: dict[str, tuple[bool, bool]], name: str, create: bool = False, edit: bool = False
) -> None:
    governing = _GOVERNED_BY.get(name, name)
    if governing is None:
        return
    had_create, had_edit = objects.get(governing, (False, False))
    objects[governing] = (had_create or create, had_edit or edit)
    if governing == "Order":
        objects.setdefault(
            "Account", (False, False)
        )  # Salesforce: reading orders depends on reading accounts


def _fields_of(entity: PullEntity, path: str, describes: Describes) -> list[str]:
    """The fields that a path reads, with those it goes through, as `Object.Field`; those without FLS left out."""
    start = describes.get(entity.object)
    if start is not None:
        found = follow(describes, start, path)
        if isinstance(found, Found):
            on_the_way = [(object_, field.name) for object_, field in found.steps]
            reached = [*on_the_way, (found.object, found.field.name)]
            return [
                f"{object_.name}.{_governing(name, object_)}"
                for object_, name in reached
                if _can_be_granted(object_.name, name, object_)
            ]
    *parents, last = path.split(".")
    out: list[str] = []
    current: str | None = entity.object
    for parent in parents:
        reference = f"{parent[:-1]}c" if parent.endswith("__r") else f"{parent}Id"
        if current is not None and _can_be_granted(current, reference, None):
            out.append(f"{current}.{reference}")
        current = _PARENT_BY_RELATIONSHIP.get(parent)  # of a custom lookup only the describe knows the object
    if current is not None and _can_be_granted(current, last, None):
        out.append(f"{current}.{_governing(last, None)}")
    return out


def _can_be_granted(object_name: str, field: str, described: ObjectDescribe | None) -> bool:
    if described is not None and (found := described.field(field)) is not None:
        return found.permissionable and field not in _ALWAYS_VISIBLE
    return field not in _ALWAYS_VISIBLE and field not in _ALWAYS_VISIBLE_ON.get(object_name, set())


def _governing(field: str, described: ObjectDescribe | None) -> str:
    """Parts of an address have no security of their own: the address has."""
    if described is not None:
        found = described.field(field)
        compound = found.compound_field if found is not None else None
        return compound if compound and compound != "Name" else field
    for prefix in _COMPOUND_PREFIXES:
        if field.startswith(prefix) and field.removeprefix(prefix) in _ADDRESS_PARTS:
            return f"{prefix}Address"
    return field


def _xml(
    label: str,
    mapping: Mapping,
    objects: dict[str, tuple[bool, bool]],
    fields: dict[str, bool],
    users: set[str],
) -> str:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<PermissionSet xmlns="{NAMESPACE}">',
        f"    <description>Made from {escape(_base_name(mapping.file))}: reads the fields it maps, edits the fields it writes, nothing else.</description>",
    ]
    for name, edit in sorted(fields.items()):
        lines += _element("fieldPermissions", editable=edit, field=name, readable=True)
    lines += [
        "    <hasActivationRequired>false</hasActivationRequired>",
        f"    <label>{escape(label)}</label>",
    ]
    for name, (create, edit) in sorted(objects.items()):
        lines += _element(
            "objectPermissions", allowCreate=create, allowDelete=False, allowEdit=edit, allowRead=True,
            modifyAllRecords=False, object=name, viewAllRecords=False,
        )  # fmt: skip
    for name in sorted(users):
        lines += _element("userPermissions", enabled=True, name=name)
    return "\n".join([*lines, "</PermissionSet>", ""])


def _element(tag: str, **children: str | bool) -> list[str]:
    inside = [
        f"        <{name}>{escape(value) if isinstance(value, str) else str(value).lower()}</{name}>"
        for name, value in children.items()
    ]
    return [f"    <{tag}>", *inside, f"    </{tag}>"]


def _base_name(file: str) -> str:
    return file.replace("\\", "/").rsplit("/", 1)[-1]
