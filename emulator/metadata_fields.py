"""CustomField and CustomObject metadata → fields and objects of the live schema.

Sources: Metadata API Developer Guide, "CustomField", "CustomObject", "FieldType"; the refusals are worded as
deploys word them where that is public, else Assumed.
"""

from __future__ import annotations

import re
from typing import Any

from emulator.schema import Field, Schema, SObject, make_field, system_fields
from emulator.xml_tree import Element

SIMPLE = {
    "Checkbox": "boolean", "Currency": "currency", "Date": "date", "DateTime": "datetime", "Time": "time",
    "Number": "double", "Percent": "percent", "Text": "string", "TextArea": "textarea", "Url": "url",
    "Email": "email", "Phone": "phone", "LongTextArea": "textarea", "Html": "textarea", "AutoNumber": "string",
    "Picklist": "picklist", "MultiselectPicklist": "multipicklist", "Lookup": "reference",
    "MasterDetail": "reference",
}  # fmt: skip
FIXED_LENGTH = {"TextArea": 255, "Url": 255, "Email": 80, "Phone": 40, "AutoNumber": 30}
FORMULA_TYPES = frozenset(("Checkbox", "Currency", "Date", "DateTime", "Number", "Percent", "Text", "Time"))
UNIQUE_TYPES = frozenset(("Text", "Number", "Email", "AutoNumber"))
NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*__c\Z")
FORMULA_LENGTH = 1300  # Source: recorded describes of text formulas


class Refused(ValueError):
    """What is wrong with a component, in the words of a deploy."""


def _whole(body: Element, tag: str, low: int, high: int, label: str) -> int:
    text = body.get(tag)
    if not text:
        raise Refused(f"Must specify '{tag}' for a CustomField of type {body.get('type')}")
    if not text.isdecimal() or not low <= int(text) <= high:
        raise Refused(f"{label} must be between {low} and {high}; found '{text}'")
    return int(text)


def custom_field(name: str, sobject: str, body: Element, schema: Schema) -> Field:
    """The field that a CustomField element describes. `schema` knows the objects it may refer to.

    Raises Refused. A formula is kept as text; whether it compiles is asked later, when all fields are there.
    """
    kind = body.get("type")
    if not NAME.match(name) or len(name) > 43:
        raise Refused(
            f"The field name '{name}' is invalid: letters, digits and single underscores, ending in __c"
        )
    if not body.get("label"):
        raise Refused("Required field is missing: label")
    if len(body.get("label")) > 40:
        raise Refused(f"Label: data value too large: {body.get('label')} (max length=40)")
    if not kind:
        raise Refused("Required field is missing: type")
    if kind not in SIMPLE:
        raise Refused(f"'{kind}' is not a valid value for the enum 'FieldType'")
    data: dict[str, Any] = {
        "name": name, "type": SIMPLE[kind], "label": body.get("label"), "custom": True,
        "inlineHelpText": body.get("inlineHelpText") or None,
        "definition": {"type": kind, "description": body.get("description") or None},
    }  # fmt: skip
    formula = body.first("formula")
    if formula is not None:
        _formula(kind, body, data)
        return make_field(data)
    _shape(kind, body, data)
    _keys(kind, body, data)
    if kind in ("Picklist", "MultiselectPicklist"):
        _picklist(body, data)
    if kind in ("Lookup", "MasterDetail"):
        _reference(name, kind, sobject, body, schema, data)
    if body.flag("required"):
        if kind in ("MasterDetail", "Checkbox", "AutoNumber", "LongTextArea", "Html"):
            raise Refused(f"Can not specify 'required' for a CustomField of type {kind}")
        data |= {"nillable": False, "permissionable": False}
    if body.get("defaultValue") and kind != "Checkbox":
        data |= {"defaultValueFormula": body.get("defaultValue"), "defaultedOnCreate": True}
    return make_field(data)


def _formula(kind: str, body: Element, data: dict[str, Any]) -> None:
    if kind not in FORMULA_TYPES:
        raise Refused(f"Can not specify 'formula' for a CustomField of type {kind}")
    for tag in ("externalId", "unique", "required"):
        if body.flag(tag):
            raise Refused(f"Can not specify '{tag}' for a formula field")
    _numbers(kind, body, data)
    if kind == "Text":
        data["length"] = FORMULA_LENGTH
    data |= {
        "calculated": True, "calculatedFormula": body.get("formula"), "createable": False, "updateable": False,
        "formulaTreatNullNumberAsZero": body.get("formulaTreatBlanksAs", "BlankAsZero") != "BlankAsBlank",
        "nillable": kind != "Checkbox",
    }  # fmt: skip


def _numbers(kind: str, body: Element, data: dict[str, Any]) -> None:
    if kind not in ("Number", "Currency", "Percent"):
        return
    formula = body.first("formula") is not None
    precision = 18 if formula and not body.get("precision") else _whole(body, "precision", 1, 18, "Precision")
    scale = _whole(body, "scale", 0, precision, "Scale") if body.get("scale") or not formula else 2
    data |= {"precision": precision, "scale": scale}


def _shape(kind: str, body: Element, data: dict[str, Any]) -> None:
    _numbers(kind, body, data)
    if kind == "Text":
        data["length"] = _whole(body, "length", 1, 255, "Length")
    elif kind in ("LongTextArea", "Html"):
        data["length"] = _whole(body, "length", 256, 131_072, "Length")
        _whole(body, "visibleLines", 2, 50, "Visible lines")
        data["htmlFormatted"] = kind == "Html"
        data["extraTypeInfo"] = "richtextarea" if kind == "Html" else "plaintextarea"
    elif kind in FIXED_LENGTH:
        data["length"] = FIXED_LENGTH[kind]
        if kind == "TextArea":
            data["extraTypeInfo"] = "plaintextarea"
    elif kind == "Checkbox":
        if body.get("defaultValue") not in ("true", "false"):
            raise Refused("Must specify 'defaultValue' for a CustomField of type Checkbox")
        data["defaultValue"] = body.flag("defaultValue")
    if kind == "AutoNumber":
        data |= {
            "autoNumber": True, "createable": False, "updateable": False, "nillable": False,
            "defaultedOnCreate": True, "format": display_format(body),
        }  # fmt: skip


def display_format(body: Element) -> str:
    shape = body.get("displayFormat")
    if not re.search(r"\{0+\}", shape):
        raise Refused(f"Display Format: invalid display format '{shape}': it needs a number such as {{0000}}")
    return shape


def _keys(kind: str, body: Element, data: dict[str, Any]) -> None:
    for tag in ("externalId", "unique"):
        if body.flag(tag):
            if kind not in UNIQUE_TYPES:
                raise Refused(f"Can not specify '{tag}' for a CustomField of type {kind}")
            data[tag] = True
    if body.flag("caseSensitive") and not body.flag("unique"):
        raise Refused("Can not specify 'caseSensitive' without 'unique'")
    data["caseSensitive"] = body.flag("caseSensitive")
    data["idLookup"] = body.flag("externalId")


def _picklist(body: Element, data: dict[str, Any]) -> None:
    values = body.first("valueSet")
    if values is None:
        raise Refused("Picklist requires a value set")
    definition = values.first("valueSetDefinition")
    if definition is None:
        raise Refused("Picklist requires a value set definition (shared value sets are not kept here)")
    picks = picklist_values(definition, "value")
    if not picks:
        raise Refused("Picklist requires at least one value")
    data |= {"picklist": picks, "restrictedPicklist": values.flag("restricted"), "length": 255}
    if data["type"] == "multipicklist":
        data["length"] = 4099
    default = next((each["value"] for each in picks if each["default"]), None)
    if default is not None:
        data |= {"defaultValue": default, "defaultedOnCreate": True}


def picklist_values(definition: Element, tag: str) -> list[dict[str, Any]]:
    """The values of a value set, in order; refused when one is named twice."""
    picks: list[dict[str, Any]] = []
    for each in definition.all(tag):
        value = each.get("fullName")
        if not value or len(value) > 255:
            raise Refused(f"Picklist value '{value}' is empty or longer than 255 characters")
        if any(value.lower() == pick["value"].lower() for pick in picks):
            raise Refused(f"Duplicate picklist value: {value}")
        active = each.get("isActive", "true") != "false"
        picks.append(
            {
                "value": value,
                "label": each.get("label") or value,
                "active": active,
                "default": each.flag("default"),
            }
        )
    return picks


def _reference(
    name: str, kind: str, sobject: str, body: Element, schema: Schema, data: dict[str, Any]
) -> None:
    target = schema.sobject(body.get("referenceTo"))
    if target is None:
        raise Refused(
            f"referenceTo value of '{body.get('referenceTo')}' does not resolve to a valid sObject type"
        )
    child = body.get("relationshipName")
    if kind == "MasterDetail" and not child:
        raise Refused("Required field is missing: relationshipName")
    if child:
        for other in schema.children(target.name):
            same = (other.sobject.lower(), other.field.lower()) == (sobject.lower(), name.lower())
            if not same and (other.relationship_name or "").lower() == f"{child}__r".lower():
                raise Refused(f"Duplicate relationship name '{child}' on {target.name}")
    data |= {
        "referenceTo": [target.name],
        "relationshipName": name.removesuffix("c") + "r",
        "child": f"{child}__r" if child else None,
    }
    if kind == "MasterDetail":
        data |= {
            "nillable": False, "permissionable": False, "cascadeDelete": True, "cascade": True,
            "relationshipOrder": int(body.get("relationshipOrder", "0") or 0),
            "updateable": body.flag("reparentableMasterDetail"),
            "writeRequiresMasterRead": body.flag("writeRequiresMasterRead"),
        }  # fmt: skip
    else:
        rule = body.get("deleteConstraint", "SetNull") or "SetNull"
        if rule not in ("SetNull", "Cascade", "Restrict"):
            raise Refused(f"'{rule}' is not a valid value for the enum 'DeleteConstraint'")
        data |= {"cascade": rule == "Cascade", "restrictedDelete": rule == "Restrict"}


def custom_object(name: str, body: Element, prefix: str, *, detail: bool) -> SObject:
    """A new custom object with its system fields. `detail`: it is the detail of a master-detail, so no owner."""
    if not NAME.match(name):
        raise Refused(
            f"The object name '{name}' is invalid: letters, digits and single underscores, ending in __c"
        )
    for tag in ("label", "pluralLabel", "sharingModel", "deploymentStatus"):
        if not body.get(tag):
            raise Refused(f"Must specify a non-empty {tag} for the CustomObject")
    if detail != (body.get("sharingModel") == "ControlledByParent"):
        raise Refused(
            "Cannot set sharingModel to ControlledByParent on a CustomObject without a MasterDetail relationship field"
            if not detail
            else "sharingModel must be ControlledByParent on the detail side of a MasterDetail relationship"
        )
    named = body.first("nameField")
    if named is None or not named.get("label"):
        raise Refused("Must specify a nameField with a label for the CustomObject")
    fields = system_fields(body.get("label"), owned=not detail)
    fields.insert(1, _name_field(named))
    return SObject(
        name=name,
        label=body.get("label"),
        label_plural=body.get("pluralLabel"),
        key_prefix=prefix,
        fields={each.name.lower(): each for each in fields},
        custom=True,
        definition={"sharingModel": body.get("sharingModel"), "description": body.get("description") or None},
    )


def _name_field(named: Element) -> Field:
    data: dict[str, Any] = {
        "name": "Name", "type": "string", "label": named.get("label"), "length": 80, "nameField": True,
        "idLookup": True, "permissionable": False, "nillable": True, "defaultedOnCreate": True,
    }  # fmt: skip
    if named.get("type") == "AutoNumber":
        data |= {
            "autoNumber": True, "createable": False, "updateable": False, "nillable": False,
            "format": display_format(named),
        }  # fmt: skip
    elif named.get("type") != "Text":
        raise Refused(f"'{named.get('type')}' is not a valid type for a name field: Text or AutoNumber")
    return make_field(data)
