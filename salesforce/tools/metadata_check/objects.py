"""Objects, fields, validation rules, compact layouts, list views, page layouts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from . import formulas
from .model import STANDARD_FIELDS, Field, Package, stem
from .nodes import Node, Problem, suggestion

_API_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*")
_NEEDS = {
    "Currency": ("precision", "scale"),
    "Lookup": ("referenceTo", "relationshipName", "relationshipLabel"),
    "LongTextArea": ("length", "visibleLines"),
    "MasterDetail": ("referenceTo", "relationshipName", "relationshipLabel"),
    "Number": ("precision", "scale"),
    "Percent": ("precision", "scale"),
    "Picklist": ("valueSet",),
}
_LENGTHS = {"Text": (1, 255), "LongTextArea": (256, 131072)}
# longest texts the platform takes, by element, in characters
_LONGEST = {
    "label": 40,
    "inlineHelpText": 510,
    "description": 1000,
    "pluralLabel": 40,
    "relationshipLabel": 80,
}
_COLUMNS = {"NAME", "CREATED_DATE", "LAST_UPDATE", "ACCOUNT.NAME", "CORE.USERS.ALIAS"}


def problems(package: Package) -> Iterator[Problem]:
    for fields in package.fields.values():
        for field in fields.values():
            yield from _field(package, field)
    yield from _objects(package)
    yield from _rules(package)
    yield from _lists(package)
    yield from _layouts(package)


def _field(package: Package, field: Field) -> Iterator[Problem]:
    node, file = field.node, field.file

    def say(path: str, message: str) -> Problem:
        return Problem(file, node.line_of(path), message)

    yield from named(file, node, "fullName", field.name)
    name = field.name.removesuffix("__c")
    if not field.name.endswith("__c") or not _API_NAME.fullmatch(name) or len(name) > 40:
        yield say("fullName", f"{field.name} is no API name of a custom field (at most 40 characters)")
    for element, longest in _LONGEST.items():
        if len(node.one(element) or "") > longest:
            yield say(element, f"<{element}> is longer than {longest} characters")
    if not node.one("label"):
        yield say("label", "a field needs a <label>")
    if field.type not in _NEEDS and field.type not in ("Text", "Date", "DateTime", "Checkbox"):
        yield say("type", f"{field.type} is no type that this package uses")
    for element in () if field.is_formula and field.type == "Text" else _NEEDS.get(field.type, ()):
        if not node.all(element):
            yield say("type", f"a field of type {field.type} needs <{element}>")
    if field.type in _LENGTHS and not field.is_formula:
        low, high = _LENGTHS[field.type]
        if not low <= whole(node, "length") <= high:
            yield say("length", f"the length of a {field.type} lies between {low} and {high}")
    if node.one("precision") is not None:
        precision, scale = whole(node, "precision"), whole(node, "scale")
        if not 1 <= precision <= 18 or not 0 <= scale <= min(precision, 17):
            yield say("precision", "precision lies between 1 and 18, scale between 0 and precision")
    if node.one("externalId") == "true" and field.type not in ("Text", "Number"):
        yield say("externalId", f"a {field.type} cannot be an external id")
    repeated = [value for value, count in Counter(field.values).items() if count > 1]
    if repeated:
        yield say("valueSet", f"the value {repeated[0]} stands twice")
    target = node.one("referenceTo")
    known = {*package.objects, *STANDARD_FIELDS}
    if target and target not in known:
        yield say("referenceTo", f"there is no object {target}{suggestion(target, known)}")
    if field.is_formula:
        if not node.one("formulaTreatBlanksAs"):
            yield say("formula", "a formula says how it treats blanks: <formulaTreatBlanksAs>")
        for message in formulas.problems(package, field.object, node.one("formula") or ""):
            yield say("formula", message)


def whole(node: Node, path: str) -> int:
    """A whole number, or -1 where none stands (what is not a number, the schema reports)."""
    text = node.one(path) or ""
    return int(text) if text.isdecimal() else -1


def named(file: str, node: Node, path: str, name: str) -> Iterator[Problem]:
    """The name inside is the name of the file."""
    if node.one(path) != name:
        yield Problem(
            file, node.line_of(path), f"<{path}> {node.one(path)} is not the name of the file, {name}"
        )


def _objects(package: Package) -> Iterator[Problem]:
    for name, (file, node) in package.objects.items():
        if stem(file) != f"{name}.object":
            yield Problem(file, 0, f"the file is not named after its folder, {name}")
        layouts = {
            stem(path) for path, _ in package.in_folder("compactLayouts") if path.split("/")[1] == name
        }
        wanted = node.one("compactLayoutAssignment") or "SYSTEM"
        if wanted != "SYSTEM" and wanted not in layouts:
            line = node.line_of("compactLayoutAssignment")
            yield Problem(file, line, f"there is no compact layout {wanted}{suggestion(wanted, layouts)}")
        if node.one("nameField/type") == "AutoNumber" and "{0" not in (
            node.one("nameField/displayFormat") or ""
        ):
            yield Problem(file, node.line_of("nameField"), "an auto number needs a <displayFormat> with {0}")
        for element in ("label", "pluralLabel", "nameField", "deploymentStatus", "sharingModel"):
            if not node.all(element):
                yield Problem(file, node.line, f"a custom object needs <{element}>")
        masters = [f for f in package.fields.get(name, {}).values() if f.type == "MasterDetail"]
        if bool(masters) != (node.one("sharingModel") == "ControlledByParent"):
            yield Problem(
                file, node.line_of("sharingModel"), "ControlledByParent goes with a master-detail field"
            )
    for object_ in package.fields:
        if object_.endswith("__c") and object_ not in package.objects:
            yield Problem(
                f"objects/{object_}", 0, f"fields of an object that is not defined: {object_}.object-meta.xml"
            )


def _rules(package: Package) -> Iterator[Problem]:
    for file, node in package.in_folder("validationRules"):
        object_ = file.split("/")[1]
        yield from named(file, node, "fullName", stem(file))
        shown = node.one("errorDisplayField")
        if shown and not package.has_field(object_, shown):
            close = suggestion(shown, package.field_names(object_))
            yield Problem(
                file, node.line_of("errorDisplayField"), f"there is no field {object_}.{shown}{close}"
            )
        if len(node.one("errorMessage") or "") > 255:
            yield Problem(file, node.line_of("errorMessage"), "<errorMessage> is longer than 255 characters")
        for message in formulas.problems(
            package, object_, node.one("errorConditionFormula") or "", rule=True
        ):
            yield Problem(file, node.line_of("errorConditionFormula"), message)


def _lists(package: Package) -> Iterator[Problem]:
    for file, node in package.in_folder("compactLayouts"):
        yield from named(file, node, "fullName", stem(file))
        for item in node.all("fields"):
            yield from known_field(package, file, item, file.split("/")[1], item.text)
        if len(node.all("fields")) > 10:
            yield Problem(file, node.line, "a compact layout holds at most 10 fields")
    for file, node in package.in_folder("listViews"):
        object_ = file.split("/")[1]
        yield from named(file, node, "fullName", stem(file))
        for item in node.all("columns") + node.all("filters/field"):
            if item.text not in _COLUMNS:
                yield from known_field(package, file, item, object_, item.text)
        if len(node.all("columns")) > 15:
            yield Problem(file, node.line, "a list view shows at most 15 columns")
        for item in node.all("filters"):
            yield from known_values(package.field(object_, item.one("field") or ""), file, item, "value")


def known_field(package: Package, file: str, node: Node, object_: str, name: str) -> Iterator[Problem]:
    if not package.has_field(object_, name):
        close = suggestion(name, package.field_names(object_))
        yield Problem(file, node.line, f"there is no field {object_}.{name}{close}")


def known_values(field: Field | None, file: str, node: Node, path: str) -> Iterator[Problem]:
    """A filter on a picklist asks for values that the picklist has."""
    if field is None or not field.values:
        return
    for value in (node.one(path) or "").split(","):
        if value not in field.values:
            close = suggestion(value, field.values)
            yield Problem(file, node.line_of(path), f"{field.name} has no value {value!r}{close}")


def _layouts(package: Package) -> Iterator[Problem]:
    for file, node in package.in_folder("layouts"):
        object_ = stem(file).partition("-")[0]
        if object_ not in package.objects:
            yield Problem(
                file, 0, f"a layout of an object that is not here{suggestion(object_, package.objects)}"
            )
            continue
        items = {
            item.one("field") or "": item for item in node.all("layoutSections/layoutColumns/layoutItems")
        }
        for name, item in items.items():
            yield from known_field(package, file, item, object_, name)
            field = package.field(object_, name)
            behavior = item.one("behavior")
            if field and field.is_required and behavior != "Required":
                yield Problem(file, item.line, f"{name} is required: the layout must say so")
            if field and field.is_formula and behavior != "Readonly":
                yield Problem(file, item.line, f"{name} is a formula: the layout must say Readonly")
        for field in package.fields[object_].values():
            if field.is_required and field.name not in items:
                yield Problem(file, node.line, f"the required field {field.name} is not on the layout")
        for section in node.all("layoutSections"):
            columns = 1 if section.one("style") == "OneColumn" else 2
            if len(section.all("layoutColumns")) != columns:
                yield Problem(
                    file, section.line, f"a section of style {section.one('style')} has {columns} columns"
                )
        for related in node.all("relatedLists"):
            child, _, name = (related.one("relatedList") or "").partition(".")
            found = package.field(child, name)
            if found is None or found.node.one("referenceTo") != object_:
                yield Problem(file, related.line, f"there is no related list {child}.{name} of {object_}")
            for item in related.all("fields"):
                if item.text not in _COLUMNS:
                    yield from known_field(package, file, item, child, item.text)
