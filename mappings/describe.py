"""What an org says about an object and its fields: the part of a describe that we read.

Written once here because the mapping checks against it and the connector fetches it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FieldDescribe:
    """One field as the integration user sees it (a field hidden by field-level security is absent)."""

    name: str
    label: str
    type: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    nillable: bool = True
    createable: bool = False
    updateable: bool = False
    calculated: bool = False
    external_id: bool = False
    unique: bool = False
    id_lookup: bool = False
    restricted_picklist: bool = False
    defaulted_on_create: bool = False
    filterable: bool = True
    picklist_values: tuple[str, ...] = ()
    reference_to: tuple[str, ...] = ()
    relationship_name: str | None = None
    permissionable: bool = True  # whether field-level security applies to it
    compound_field: str | None = None  # the compound field it is a part of

    @property
    def required_on_create(self) -> bool:
        """Salesforce's rule: not nillable, createable, not defaulted, and not a checkbox."""
        return (
            not self.nillable and self.createable and not self.defaulted_on_create and self.type != "boolean"
        )

    def as_json(self) -> dict[str, Any]:
        """In Salesforce's own keys: what `from_json` reads."""
        return {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "length": self.length,
            "precision": self.precision,
            "scale": self.scale,
            "nillable": self.nillable,
            "createable": self.createable,
            "updateable": self.updateable,
            "calculated": self.calculated,
            "externalId": self.external_id,
            "unique": self.unique,
            "idLookup": self.id_lookup,
            "restrictedPicklist": self.restricted_picklist,
            "defaultedOnCreate": self.defaulted_on_create,
            "filterable": self.filterable,
            "picklistValues": [{"value": value, "active": True} for value in self.picklist_values],
            "referenceTo": list(self.reference_to),
            "relationshipName": self.relationship_name,
            "permissionable": self.permissionable,
            "compoundFieldName": self.compound_field,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> FieldDescribe:
        return FieldDescribe(
            name=data["name"],
            label=data["label"],
            type=data["type"],
            length=data.get("length") or 0,
            precision=data.get("precision") or 0,
            scale=data.get("scale") or 0,
            nillable=data.get("nillable", True),
            createable=data.get("createable", False),
            updateable=data.get("updateable", False),
            calculated=data.get("calculated", False),
            external_id=data.get("externalId", False),
            unique=data.get("unique", False),
            id_lookup=data.get("idLookup", False),
            restricted_picklist=data.get("restrictedPicklist", False),
            defaulted_on_create=data.get("defaultedOnCreate", False),
            filterable=data.get("filterable", True),
            picklist_values=tuple(
                v["value"] for v in data.get("picklistValues") or () if v.get("active", True)
            ),
            reference_to=tuple(data.get("referenceTo") or ()),
            relationship_name=data.get("relationshipName"),
            permissionable=data.get("permissionable", True),
            compound_field=data.get("compoundFieldName") or None,
        )


@dataclass(frozen=True)
class ObjectDescribe:
    """One object; `fields` by API name as the org spells it."""

    name: str
    label: str
    fields: Mapping[str, FieldDescribe]
    createable: bool = True
    updateable: bool = True
    queryable: bool = True

    def field(self, name: str) -> FieldDescribe | None:
        """By API name; letter case as in the org first, then without regard to it, as SOQL does."""
        exact = self.fields.get(name)
        if exact is not None:
            return exact
        return next((f for f in self.fields.values() if f.name.lower() == name.lower()), None)

    def as_json(self) -> dict[str, Any]:
        """In Salesforce's own keys: what `from_json` reads."""
        return {
            "name": self.name,
            "label": self.label,
            "createable": self.createable,
            "updateable": self.updateable,
            "queryable": self.queryable,
            "fields": [field.as_json() for field in self.fields.values()],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> ObjectDescribe:
        fields = (FieldDescribe.from_json(item) for item in data["fields"])
        return ObjectDescribe(
            name=data["name"],
            label=data.get("label", data["name"]),
            fields={f.name: f for f in fields},
            createable=data.get("createable", True),
            updateable=data.get("updateable", True),
            queryable=data.get("queryable", True),
        )
