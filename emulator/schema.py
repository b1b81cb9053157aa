"""The org's objects and fields: everything describe says, and everything validation asks.

Standard objects are data (`emulator/standard/*.json`); custom ones arrive with a metadata deploy. A data file
names only what differs from what the field's type implies (`defaults_for`).
Source: Salesforce Object Reference; SOAP API Developer Guide, "DescribeSObjectResult"; recorded describes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any

from emulator.errors import ApiError

TEXT_TYPES = frozenset(
    {
        "string",
        "textarea",
        "picklist",
        "multipicklist",
        "combobox",
        "email",
        "phone",
        "url",
        "encryptedstring",
    }
)
NUMBER_TYPES = frozenset({"currency", "double", "percent", "int"})
ID_TYPES = frozenset({"id", "reference"})
COMPOUND_TYPES = frozenset({"address", "location"})
LONG_TEXT = 255
ACTIVITY = ("Task", "Event")

SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "time": "xsd:time",
    "base64": "xsd:base64Binary",
    "address": "urn:address",
    "location": "urn:location",
    "anyType": "xsd:anyType",
}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", lambda found: "_" + found[1].lower(), name)


@dataclass(frozen=True)
class PicklistValue:
    value: str
    label: str
    active: bool = True
    default: bool = False

    def describe(self) -> dict[str, Any]:
        return {
            "active": self.active,
            "defaultValue": self.default,
            "label": self.label,
            "validFor": None,
            "value": self.value,
        }


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field; attributes are named as in describe, in snake case. The last four are ours, not describe's."""

    aggregatable: bool = True
    ai_prediction_field: bool = False
    auto_number: bool = False
    byte_length: int = 0
    calculated: bool = False
    calculated_formula: str | None = None
    cascade_delete: bool = False
    case_sensitive: bool = False
    compound_field_name: str | None = None
    controller_name: str | None = None
    createable: bool = True
    custom: bool = False
    default_value: Any = None
    default_value_formula: str | None = None
    defaulted_on_create: bool = False
    dependent_picklist: bool = False
    deprecated_and_hidden: bool = False
    digits: int = 0
    display_location_in_decimal: bool = False
    encrypted: bool = False
    external_id: bool = False
    extra_type_info: str | None = None
    filterable: bool = True
    filtered_lookup_info: Any = None
    formula_treat_null_number_as_zero: bool = False
    groupable: bool = True
    high_scale_number: bool = False
    html_formatted: bool = False
    id_lookup: bool = False
    inline_help_text: str | None = None
    label: str = ""
    length: int = 0
    mask: str | None = None
    mask_type: str | None = None
    name: str = ""
    name_field: bool = False
    name_pointing: bool = False
    nillable: bool = True
    permissionable: bool = True
    picklist_values: tuple[PicklistValue, ...] = ()
    polymorphic_foreign_key: bool = False
    precision: int = 0
    query_by_distance: bool = False
    reference_target_field: str | None = None
    reference_to: tuple[str, ...] = ()
    relationship_name: str | None = None
    relationship_order: int | None = None
    restricted_delete: bool = False
    restricted_picklist: bool = False
    scale: int = 0
    search_prefilterable: bool = False
    soap_type: str = "xsd:string"
    sortable: bool = True
    type: str = "string"
    unique: bool = False
    updateable: bool = True
    write_requires_master_read: bool = False

    child: str | None = None
    """Name of the list on the parent's side (`Orders` of an account)."""
    cascade: bool = False
    """Deleting the parent deletes this record too."""
    format: str | None = None
    """How an auto number is written: `{00000000}` or `A-{0000}`."""
    definition: Any = None
    """Whatever the deploy that made a custom field wants to keep with it."""

    @property
    def stored(self) -> bool:
        """Whether the field has a column of its own: compound and formula fields are worked out on reading."""
        return self.type not in COMPOUND_TYPES and not self.calculated

    @property
    def required_on_create(self) -> bool:
        """Source: Object Reference, "Required Fields"."""
        return (
            not self.nillable and self.createable and not self.defaulted_on_create and self.type != "boolean"
        )

    def describe(self) -> dict[str, Any]:
        """The JSON of this field in `describe`, all 57 recorded keys."""
        out: dict[str, Any] = {}
        for key, attribute in DESCRIBE_ATTRIBUTES:
            value = getattr(self, attribute)
            if attribute == "picklist_values":
                value = [each.describe() for each in value]
            elif isinstance(value, tuple):
                value = list(value)
            out[key] = value
        return out


DESCRIBE_KEYS: tuple[str, ...] = tuple(
    re.sub(r"_(\w)", lambda found: found[1].upper(), name)
    for name in Field.__dataclass_fields__
    if name not in ("child", "cascade", "format", "definition")
)
DESCRIBE_ATTRIBUTES = tuple((key, _snake(key)) for key in DESCRIBE_KEYS)


_BLANK: dict[str, Any] = {key: getattr(Field(), attribute) for key, attribute in DESCRIBE_ATTRIBUTES}
_SNAKE = dict(DESCRIBE_ATTRIBUTES)


def defaults_for(base: Mapping[str, Any]) -> dict[str, Any]:
    """What a field's type and length imply for every describe attribute (describe's own key names)."""
    kind = base["type"]
    length = base.get("length", 18 if kind in ID_TYPES else 0)
    long_text = kind == "textarea" and length > LONG_TEXT
    compound = kind in COMPOUND_TYPES
    out = dict(_BLANK)
    out.update(
        aggregatable=not (long_text or compound or kind == "boolean"),
        byteLength=18 if kind in ID_TYPES else length * 3,
        createable=not compound,
        updateable=not compound,
        defaultedOnCreate=kind in ("boolean", "id"),
        filterable=not long_text,
        groupable=not (long_text or compound or kind in ("currency", "double", "percent", "datetime")),
        nillable=kind not in ("boolean", "id"),
        picklistValues=[],
        queryByDistance=compound,
        referenceTo=[],
        soapType=SOAP_TYPES.get(kind, "xsd:string"),
        sortable=not (long_text or compound),
        defaultValue=False if kind == "boolean" else None,
        length=length,
    )
    out.update(base)
    return out


def make_field(data: Mapping[str, Any]) -> Field:
    """A field from `name`, `type`, `label` and whatever differs from `defaults_for` (describe's key names).

    `picklist` is a short form of `picklistValues`: a list of values or `{value, label, active, default}`.
    """
    data = dict(data)
    picks = tuple(
        PicklistValue(each, each)
        if isinstance(each, str)
        else PicklistValue(
            each["value"],
            each.get("label", each["value"]),
            each.get("active", True),
            each.get("default", False),
        )
        for each in data.pop("picklist", ())
    )
    ours = {name: data.pop(name) for name in ("child", "cascade", "format", "definition") if name in data}
    values = {_SNAKE[key]: value for key, value in defaults_for(data).items()}
    values["picklist_values"] = picks
    values["reference_to"] = tuple(values["reference_to"])
    return Field(**values, **ours)


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
def _standard_data() -> tuple[dict[str, Any], ...]:
    folder = resources.files("emulator") / "standard"
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".json"))
    return tuple(json.loads((folder / name).read_text("utf-8")) for name in names)


def standard_schema() -> Schema:
    """A stock org: the standard objects, single currency."""
    schema = Schema()
    for data in _standard_data():
        schema.add_sobject(sobject_from(data))
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


def with_label(old: Field, label: str) -> Field:
    return replace(old, label=label)
