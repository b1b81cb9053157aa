"""Whether a record's values are allowed, asked of describe and of the other records.

Order of the questions, as a client sees it: does the field exist (for this user), may it be written, is the
value of its type and size, is it in the picklist, does the reference lead somewhere, is anything required
missing, is a unique value taken. Source: SOAP API Developer Guide, "StatusCode"; Object Reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator import jsontext, wire
from emulator.context import Context
from emulator.errors import ApiError, RecordError, no_such_column
from emulator.ids import to_18
from emulator.schema import Field, SObject
from emulator.storage import quote

if TYPE_CHECKING:
    from emulator.org import Org

AUDIT_FIELDS = frozenset({"createddate", "createdbyid", "lastmodifieddate", "lastmodifiedbyid"})


def encode_values(
    org: Org, ctx: Context, sobject: SObject, values: Mapping[str, Any], *, creating: bool
) -> dict[str, Any]:
    """The database values of what the client sent, by field name. Raises RecordError or ApiError."""
    encoded: dict[str, Any] = {}
    refused: list[str] = []
    for name, value in values.items():
        if name == "attributes":
            continue
        field = sobject.field(name)
        if field is None and isinstance(value, dict):
            field, value = _by_external_id(org, sobject, name, value)
        if field is None or not (ctx.system or org.access.readable(ctx.user_id, sobject, field)):
            raise no_such_column(name, sobject.name)
        if not _writeable(org, ctx, sobject, field, creating):
            refused.append(field.name)
            continue
        encoded[field.name] = _checked(org, ctx, field, value)
    if refused:
        raise RecordError(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            f"Unable to create/update fields: {', '.join(refused)}. Please check the security settings of this"
            " field and verify that it is read/write for your profile or permission set.",
            tuple(refused),
        )
    return encoded


def _writeable(org: Org, ctx: Context, sobject: SObject, field: Field, creating: bool) -> bool:
    if ctx.system:
        return field.stored and field.name != "Id"
    if not (field.createable if creating else field.updateable):
        return False
    return org.access.editable(ctx.user_id, sobject, field)


def _checked(org: Org, ctx: Context, field: Field, value: Any) -> Any:
    try:
        encoded = wire.encode(field, value, bulk=ctx.bulk)
    except ApiError as problem:
        problem.message = problem.message.replace(
            wire.NOWHERE, jsontext.position(ctx.body, field.name, value)
        )
        raise
    if encoded is None:
        return 0 if field.type == "boolean" else None
    if field.restricted_picklist and field.picklist_values and not ctx.system:
        encoded = _picked(field, encoded)
    if field.type == "reference":
        check_reference(org, field, encoded)
    return encoded


def _picked(field: Field, value: str) -> str:
    """The value as the picklist spells it. Active values only; a multi-select is checked part by part."""
    known = {each.value.lower(): each.value for each in field.picklist_values if each.active}
    parts = value.split(";") if field.type == "multipicklist" else [value]
    wrong = [part for part in parts if part.lower() not in known]
    if wrong:
        raise RecordError(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"{field.label}: bad value for restricted picklist field: {wrong[0]}",
            (field.name,),
        )
    return ";".join(known[part.lower()] for part in parts)


def check_reference(org: Org, field: Field, record_id: str) -> None:
    """The record exists, is of an allowed object, and is not in the recycle bin."""
    target = org.schema.by_prefix(record_id[:3])
    if target is None or target.name not in field.reference_to:
        raise RecordError(
            "FIELD_INTEGRITY_EXCEPTION",
            f"{field.label}: id value of incorrect type: {record_id}",
            (field.name,),
        )
    state = existence(org, target, record_id)
    if state is None:
        raise RecordError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    if state:
        raise RecordError("ENTITY_IS_DELETED", "entity is deleted")


def existence(org: Org, sobject: SObject, record_id: str) -> bool | None:
    """None: no such record; True: deleted; False: alive."""
    column = '"IsDeleted"' if sobject.field("IsDeleted") else "0"
    row = org.storage.row(f'SELECT {column} FROM {quote(sobject.name)} WHERE "Id" = ?', (record_id,))
    return None if row is None else bool(row[0])


def _by_external_id(
    org: Org, sobject: SObject, name: str, keys: Mapping[str, Any]
) -> tuple[Field | None, Any]:
    """`{"Account": {"Partner_Key__c": "A-1"}}` → the reference field and the id the key leads to."""
    field = sobject.reference_by_relationship(name)
    given = {key: value for key, value in keys.items() if key != "attributes"}
    if field is None or len(given) != 1:
        return field, dict(keys)
    ((key_name, key),) = given.items()
    wanted = keys.get("attributes", {}).get("type") if isinstance(keys.get("attributes"), dict) else None
    for target_name in [wanted] if wanted else field.reference_to:
        target = org.schema.sobject(str(target_name))
        key_field = target.field(key_name) if target else None
        if target is None or key_field is None or not is_key(key_field):
            continue
        found = find_by_key(org, target, key_field, wire.encode(key_field, key))
        if len(found) == 1:
            return field, found[0]
        problem = "not found" if not found else "matches more than one record"
        raise RecordError(
            "INVALID_FIELD",
            f"Foreign key external ID: {str(key).lower()} {problem} for field {key_field.name}"
            f" in entity {target.name}",
        )
    raise RecordError("INVALID_FIELD", f"{key_name} is not an external ID or indexed field of {name}")


def is_key(field: Field) -> bool:
    """Whether records may be addressed by this field."""
    return field.external_id or field.id_lookup or field.type == "id"


def find_by_key(org: Org, sobject: SObject, field: Field, value: Any) -> list[str]:
    """Ids of the living records with this key; text keys ignore case unless the field says otherwise."""
    if value is None:
        return []
    alive = ' AND NOT "IsDeleted"' if sobject.field("IsDeleted") else ""
    table, column = quote(sobject.name), quote(field.name)
    found = org.storage.rows(f'SELECT "Id" FROM {table} WHERE {column} = ?{alive} LIMIT 2', (value,))
    if (
        not found
        and isinstance(value, str)
        and field.type not in ("id", "reference")
        and not field.case_sensitive
    ):
        found = org.storage.rows(
            f'SELECT "Id" FROM {table} WHERE {column} = ? COLLATE NOCASE{alive} LIMIT 2', (value,)
        )
    return [row[0] for row in found]


def check_required(sobject: SObject, new: Mapping[str, Any], changed: Mapping[str, Any] | None) -> None:
    """Nothing required is missing. `changed` is None on insert, else the fields an update sets."""
    if changed is None:
        missing = [
            each.name
            for each in sobject.fields.values()
            if each.required_on_create and new.get(each.name) is None
        ]
    else:
        missing = [
            field.name
            for name in changed
            if (field := sobject.field(name)) and not field.nillable and changed[name] is None
        ]
    if missing:
        raise RecordError(
            "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", tuple(missing)
        )


def check_unique(org: Org, sobject: SObject, record_id: str, values: Mapping[str, Any]) -> None:
    """No living record holds one of these unique values already."""
    for name, value in values.items():
        field = sobject.field(name)
        if field is None or not field.unique or value is None:
            continue
        taken = [each for each in find_by_key(org, sobject, field, value) if each != record_id]
        if taken:
            raise RecordError(
                "DUPLICATE_VALUE",
                f"duplicate value found: {field.name} duplicates value on record with id: {taken[0][:15]}",
            )


def record_id_of(sobject: SObject, text: str) -> str:
    """The 18-character id in an address or a body, or why it is none of this object's."""
    found = to_18(text)
    if found is None or (sobject.key_prefix and not found.startswith(sobject.key_prefix)):
        label = sobject.fields["id"].label
        raise RecordError("MALFORMED_ID", f"{label}: id value of incorrect type: {text}", ("Id",))
    return found
