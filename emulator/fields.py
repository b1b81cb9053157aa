"""One field: everything describe says about it, and what its type implies.

A definition names only what differs from `defaults_for` its type and length.
Source: SOAP API Developer Guide, "DescribeSObjectResult", "Field"; recorded describes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
