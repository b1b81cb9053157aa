"""Metadata as rows: the virtual tables behind Tooling queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from emulator.errors import ApiError
from emulator.schema import Field, SObject
from emulator.wire import datetime_text
from emulator.xml_tree import Element

if TYPE_CHECKING:
    from emulator.org import Org

Row = dict[str, Any]
DATA_TYPES = {
    "string": "Text",
    "double": "Number",
    "boolean": "Checkbox",
    "datetime": "Date/Time",
    "reference": "Lookup",
}


def table(org: Org, name: str) -> list[Row]:
    tables: dict[str, Callable[[Org], Iterator[Row]]] = {
        "customfield": _custom_fields,
        "customobject": _custom_objects,
        "validationrule": _validation_rules,
        "entitydefinition": _entities,
        "fielddefinition": _fields,
        "lightningcomponentbundle": lambda org: _plain(org, "LightningComponentBundle"),
        "layout": lambda org: _plain(org, "Layout"),
    }
    if name.lower() not in tables:
        raise ApiError(400, "INVALID_TYPE", f"sObject type '{name}' is not supported.")
    return list(tables[name.lower()](org))


def _kept(org: Org, kind: str) -> Iterator[tuple[str, Row, Element]]:
    for key, each in org.storage.kept_all("metadata").items():
        if key.startswith(f"{kind}:"):
            name = key.partition(":")[2]
            base = {
                "Id": each["id"], "FullName": name, "NamespacePrefix": None, "ManageableState": "unmanaged",
                "CreatedDate": datetime_text(each["created"]), "CreatedById": each["by"],
                "LastModifiedDate": datetime_text(each["changed"]),
            }  # fmt: skip
            yield name, base, Element.of(each["body"])


def _entity_id(org: Org, name: str) -> str:
    """Custom objects go by id, standard ones by name."""
    kept = org.storage.kept("metadata", f"CustomObject:{name}") if name.endswith("__c") else None
    return str(kept["id"]) if kept else name


def _entity(org: Org, name: str) -> Row:
    return {
        "QualifiedApiName": name,
        "DurableId": _entity_id(org, name),
        "DeveloperName": name.removesuffix("__c"),
    }


def _custom_fields(org: Org) -> Iterator[Row]:
    for name, base, body in _kept(org, "CustomField"):
        owner, _, field = name.partition(".")
        yield base | {
            "DeveloperName": field.removesuffix("__c"), "TableEnumOrId": _entity_id(org, owner),
            "EntityDefinitionId": _entity_id(org, owner), "EntityDefinition": _entity(org, owner),
            "Length": int(body.get("length") or 0) or None, "Metadata": body.json(),
            "InlineHelpText": body.get("inlineHelpText") or None, "Description": body.get("description") or None,
        }  # fmt: skip


def _custom_objects(org: Org) -> Iterator[Row]:
    for name, base, body in _kept(org, "CustomObject"):
        if name.endswith("__c"):
            yield base | {
                "DeveloperName": name.removesuffix("__c"), "SharingModel": body.get("sharingModel") or None,
                "Description": body.get("description") or None, "Metadata": body.json(),
            }  # fmt: skip


def _validation_rules(org: Org) -> Iterator[Row]:
    for name, base, body in _kept(org, "ValidationRule"):
        owner, _, rule = name.partition(".")
        yield base | {
            "ValidationName": rule, "Active": body.flag("active"), "EntityDefinitionId": _entity_id(org, owner),
            "EntityDefinition": _entity(org, owner), "ErrorMessage": body.get("errorMessage"),
            "ErrorDisplayField": body.get("errorDisplayField") or None, "Metadata": body.json(),
            "Description": body.get("description") or None,
        }  # fmt: skip


def _plain(org: Org, kind: str) -> Iterator[Row]:
    for name, base, _ in _kept(org, kind):
        yield base | {"DeveloperName": name, "Name": name}


def _entities(org: Org) -> Iterator[Row]:
    for each in org.schema:
        yield _entity(org, each.name) | {
            "Id": _entity_id(org, each.name), "Label": each.label, "MasterLabel": each.label,
            "PluralLabel": each.label_plural, "KeyPrefix": each.key_prefix, "IsCustomizable": True,
            "IsQueryable": each.flag("queryable"), "NamespacePrefix": None,
        }  # fmt: skip


def _fields(org: Org) -> Iterator[Row]:
    for sobject in org.schema:
        for each in sobject.fields.values():
            yield _field_row(org, sobject, each)


def _field_row(org: Org, sobject: SObject, field: Field) -> Row:
    known = DATA_TYPES.get(field.type, field.type.title())
    return {
        "DurableId": f"{_entity_id(org, sobject.name)}.{field.name}", "QualifiedApiName": field.name,
        "DeveloperName": field.name.removesuffix("__c"), "Label": field.label, "MasterLabel": field.label,
        "DataType": f"Formula ({known})" if field.calculated else known, "Length": field.length,
        "Precision": field.precision, "Scale": field.scale, "IsCalculated": field.calculated,
        "IsNillable": field.nillable, "EntityDefinitionId": _entity_id(org, sobject.name),
        "EntityDefinition": _entity(org, sobject.name), "NamespacePrefix": None,
    }  # fmt: skip
