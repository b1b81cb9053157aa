"""The org's objects: standard ones from data files, custom ones from a metadata deploy.

Names are found in any case and answered in the case they were defined with. A data file in `emulator/standard`
names only what differs from what a field's type implies (`fields.defaults_for`).
Source: Salesforce Object Reference; SOAP API Developer Guide, "DescribeSObjectResult"; recorded describes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any

from emulator.errors import ApiError
from emulator.fields import (
    COMPOUND_TYPES,
    DESCRIBE_KEYS,
    ID_TYPES,
    NUMBER_TYPES,
    TEXT_TYPES,
    Field,
    PicklistValue,
    defaults_for,
    make_field,
)

__all__ = [
    "COMPOUND_TYPES", "DESCRIBE_KEYS", "ID_TYPES", "NUMBER_TYPES", "TEXT_TYPES", "Child", "Field", "PicklistValue",
    "SObject", "Schema", "defaults_for", "make_field", "sobject_from", "standard_schema", "system_fields",
]  # fmt: skip

ACTIVITY = ("Task", "Event")
"""A custom field of Activity is a field of both."""


@dataclass(frozen=True)
class Child:
    """One list on the parent's side of a reference."""

    sobject: str
    field: str
    relationship_name: str | None
    cascade_delete: bool
    restricted_delete: bool


@dataclass
class SObject:
    """One object: `fields` by lower-case name, in describe's order."""

    name: str
    label: str
    label_plural: str
    key_prefix: str | None
    fields: dict[str, Field]
    flags: dict[str, bool] = field(default_factory=dict)
    scopes: tuple[tuple[str, str], ...] = ()
    custom: bool = False
    requires: str | None = None
    """A feature the org must have for this object to exist (`multi-currency`)."""
    definition: Any = None

    def field(self, name: str) -> Field | None:
        """The field of that name, upper or lower case, or None."""
        return self.fields.get(name.lower())

    def stored_fields(self) -> Iterator[Field]:
        return (each for each in self.fields.values() if each.stored)

    def flag(self, name: str) -> bool:
        return self.flags.get(name, FLAG_DEFAULTS.get(name, False))

    @property
    def name_field(self) -> Field | None:
        return next((each for each in self.fields.values() if each.name_field), None)

    def reference_by_relationship(self, relationship: str) -> Field | None:
        """The reference field whose parent is reached by this name (`Owner` → OwnerId)."""
        wanted = relationship.lower()
        return next(
            (each for each in self.fields.values() if (each.relationship_name or "").lower() == wanted), None
        )


FLAG_DEFAULTS = dict.fromkeys(("createable", "updateable", "deletable", "undeletable", "layoutable", "mruEnabled", "queryable", "replicateable", "retrieveable", "searchable", "triggerable", "compactLayoutable", "searchLayoutable"), True)  # fmt: skip


class Schema:
    """All objects of one org. Names are found in any case; answers keep the case they were defined with."""

    def __init__(self) -> None:
        self._sobjects: dict[str, SObject] = {}
        self.features: set[str] = set()
        self.version = 0
        """Grows with every change; anything cached from the schema compares it."""

    def __iter__(self) -> Iterator[SObject]:
        return (
            each for each in self._sobjects.values() if not each.requires or each.requires in self.features
        )

    def sobject(self, name: str) -> SObject | None:
        found = self._sobjects.get(name.lower())
        if found is None or (found.requires and found.requires not in self.features):
            return None
        return found

    def require(self, name: str) -> SObject:
        """The object or the 404 a REST address with an unknown object gets."""
        found = self.sobject(name)
        if found is None:
            raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
        return found

    def by_prefix(self, prefix: str) -> SObject | None:
        return next((each for each in self if each.key_prefix == prefix), None)

    def add_sobject(self, sobject: SObject) -> None:
        self._sobjects[sobject.name.lower()] = sobject
        self.version += 1

    def add_field(self, sobject: str, new: Field) -> list[SObject]:
        """Add or replace a field; a field of Activity appears on Task and Event. Returns the objects changed."""
        changed = []
        for name in ACTIVITY if sobject.lower() == "activity" else (sobject,):
            target = self.require(name)
            target.fields[new.name.lower()] = new
            changed.append(target)
        self.version += 1
        return changed

    def remove_field(self, sobject: str, name: str) -> None:
        """Take a custom field away; of Activity, from Task and Event."""
        for target in ACTIVITY if sobject.lower() == "activity" else (sobject,):
            self.require(target).fields.pop(name.lower(), None)
        self.version += 1

    def remove_sobject(self, name: str) -> None:
        self._sobjects.pop(name.lower(), None)
        self.version += 1

    def children(self, parent: str) -> list[Child]:
        """Every list a parent has, from the references that point at it."""
        return [
            Child(each.name, ref.name, ref.child, ref.cascade, ref.restricted_delete)
            for each in self
            for ref in each.fields.values()
            if ref.type == "reference" and parent in ref.reference_to
        ]


def sobject_from(data: Mapping[str, Any]) -> SObject:
    fields = [make_field(each) for each in data["fields"]]
    return SObject(
        name=data["name"],
        label=data["label"],
        label_plural=data["labelPlural"],
        key_prefix=data.get("keyPrefix"),
        fields={each.name.lower(): each for each in fields},
        flags=dict(data.get("flags", {})),
        scopes=tuple((name, label) for name, label in data.get("scopes", ())),
        custom=data.get("custom", False),
        requires=data.get("requires"),
        definition=data.get("definition"),
    )


@cache
def _standard_sobjects() -> tuple[SObject, ...]:
    folder = resources.files("emulator") / "standard"
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".json"))
    return tuple(sobject_from(json.loads((folder / name).read_text("utf-8"))) for name in names)


def standard_schema() -> Schema:
    """A stock org: the standard objects, single currency. Fields never change, so all orgs share them."""
    schema = Schema()
    for each in _standard_sobjects():
        schema.add_sobject(replace(each, fields=dict(each.fields), flags=dict(each.flags)))
    schema.version = 0
    return schema


def system_fields(label: str, *, owned: bool) -> list[Field]:
    """The fields every custom object is born with (a detail of a master-detail has no owner)."""
    read_only = {
        "createable": False,
        "updateable": False,
        "permissionable": False,
        "nillable": False,
        "defaultedOnCreate": True,
    }
    user = {"referenceTo": ["User"]}
    specs: list[dict[str, Any]] = [
        {"name": "Id", "type": "id", "label": "Record ID", "idLookup": True, **read_only},
        {"name": "IsDeleted", "type": "boolean", "label": "Deleted", **read_only},
        {"name": "CreatedDate", "type": "datetime", "label": "Created Date", **read_only},
        {"name": "CreatedById", "type": "reference", "label": "Created By ID", "relationshipName": "CreatedBy"}
        | user | read_only,
        {"name": "LastModifiedDate", "type": "datetime", "label": "Last Modified Date", **read_only},
        {"name": "LastModifiedById", "type": "reference", "label": "Last Modified By ID"}
        | {"relationshipName": "LastModifiedBy"} | user | read_only,
        {"name": "SystemModstamp", "type": "datetime", "label": "System Modstamp", **read_only},
    ]  # fmt: skip
    if owned:
        owner = read_only | {"createable": True, "updateable": True}
        specs.insert(
            1,
            {"name": "OwnerId", "type": "reference", "label": "Owner ID", "relationshipName": "Owner"}
            | {"referenceTo": ["Group", "User"]} | owner,
        )  # fmt: skip
    return [make_field(each) for each in specs]
