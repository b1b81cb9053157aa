"""Permission sets: they name what exists, what may be named, and leave no field of ours out of everybody's sight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .model import HOME, Package, stem
from .nodes import Node, Problem, suggestion

# objects that the package grants, and does not define
_OBJECTS = {"Account", "Order", "Pricebook2", "Product2", "Task"}
_WITHOUT_OBJECT_PERMISSION = {"Task", "OrderItem"}  # by a user permission, or with the parent
_USER_PERMISSIONS = {"ApiEnabled", "EditTask", "SendCustomNotifications"}
_STANDARD_TABS = {"standard-Account", "standard-report", "standard-Dashboard", "standard-home"}


def problems(package: Package) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for file, node in package.in_folder("permissionsets"):
        if len(node.one("label") or "") > 80 or len(node.one("description") or "") > 255:
            yield Problem(file, node.line, "a label holds 80 characters, a description 255")
        yield from _twice(file, node, "fieldPermissions", "field")
        yield from _twice(file, node, "objectPermissions", "object")
        yield from _fields(package, file, node, seen)
        yield from _objects(package, file, node)
        yield from _others(package, file, node)
    for fields in package.fields.values():
        for field in fields.values():
            if not field.is_required and (field.object, field.name) not in seen:
                yield Problem(
                    field.file, 0, f"no permission set lets anybody see {field.object}.{field.name}"
                )


def _twice(file: str, node: Node, element: str, key: str) -> Iterator[Problem]:
    for name, count in Counter(item.one(key) for item in node.all(element)).items():
        if count > 1:
            yield Problem(file, node.line, f"{name} stands {count} times")


def _fields(package: Package, file: str, node: Node, seen: set[tuple[str, str]]) -> Iterator[Problem]:
    granted = {item.one("object") for item in node.all("objectPermissions")}
    for item in node.all("fieldPermissions"):
        object_, _, name = (item.one("field") or "").partition(".")
        seen.add((HOME.get(object_, object_), name))
        line = item.line_of("field")
        if not package.has_field(object_, name):
            known = {f"{object_}.{field}" for field in package.field_names(object_)}
            yield Problem(
                file, line, f"there is no field {object_}.{name}{suggestion(f'{object_}.{name}', known)}"
            )
            continue
        field = package.field(object_, name)
        if field and field.is_required:
            yield Problem(
                file, line, f"{name} is required or master-detail: a permission set may not name it"
            )
        if field and field.is_formula and item.one("editable") == "true":
            yield Problem(file, line, f"{name} is a formula: nobody can edit it")
        if item.one("editable") == "true" and item.one("readable") != "true":
            yield Problem(file, line, f"{name} can be edited and not read")
        if object_ not in granted and object_ not in _WITHOUT_OBJECT_PERMISSION:
            yield Problem(file, line, f"{object_}.{name} is granted, but not the object")


def _objects(package: Package, file: str, node: Node) -> Iterator[Problem]:
    known = _OBJECTS | set(package.objects)
    for item in node.all("objectPermissions"):
        name = item.one("object") or ""
        if name not in known:
            yield Problem(file, item.line_of("object"), f"there is no object {name}{suggestion(name, known)}")
        may = {
            flag: item.one(flag) == "true"
            for flag in (
                "allowCreate",
                "allowDelete",
                "allowEdit",
                "allowRead",
                "modifyAllRecords",
                "viewAllRecords",
            )
        }
        if (any(may.values()) and not may["allowRead"]) or (may["allowDelete"] and not may["allowEdit"]):
            yield Problem(
                file, item.line, f"{name}: what may be written must be readable, what deleted, editable"
            )
        if may["modifyAllRecords"]:
            yield Problem(file, item.line, f"{name}: nothing here needs to modify all records")


def _others(package: Package, file: str, node: Node) -> Iterator[Problem]:
    tabs = {stem(path) for path, _ in package.in_folder("tabs")}
    apps = {stem(path) for path, _ in package.in_folder("applications")}
    checks = (
        ("tabSettings/tab", tabs | _STANDARD_TABS, "tab"),
        ("applicationVisibilities/application", apps, "app"),
        ("userPermissions/name", _USER_PERMISSIONS, "user permission that the service needs"),
    )
    for path, known, what in checks:
        for item in node.all(path):
            if item.text not in known:
                yield Problem(
                    file, item.line, f"there is no {what} {item.text}{suggestion(item.text, known)}"
                )
