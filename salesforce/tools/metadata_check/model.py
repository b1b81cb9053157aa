"""The package as names and what they mean: objects, fields, labels, components, reports. Built once, asked by all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import PurePosixPath

from .nodes import Node, NotWellFormed, Problem, parse

# What the package uses of objects that it does not define (Object Reference, Salesforce).
STANDARD_FIELDS = {
    "Account": {
        "Name",
        "Owner",
        "OwnerId",
        "ParentId",
        "Type",
        "BillingState",
        "BillingCountry",
        "BillingAddress",
    },
    "Order": {"OriginalOrderId", "Type"},
    "Product2": {"Family", "IsActive", "ProductCode"},
    "Task": {"ActivityDate", "Description", "WhatId"},
}
# What every custom object has besides its own fields.
SYSTEM_FIELDS = {"Name", "CreatedById", "LastModifiedById"}
# Fields of Activity are granted on Task.
HOME = {"Task": "Activity"}

# folder → file suffix, for the kinds that are one file each
SUFFIXES = {
    "applications": ".app-meta.xml",
    "compactLayouts": ".compactLayout-meta.xml",
    "fields": ".field-meta.xml",
    "flexipages": ".flexipage-meta.xml",
    "labels": ".labels-meta.xml",
    "layouts": ".layout-meta.xml",
    "listViews": ".listView-meta.xml",
    "notificationtypes": ".notiftype-meta.xml",
    "permissionsets": ".permissionset-meta.xml",
    "reportTypes": ".reportType-meta.xml",
    "tabs": ".tab-meta.xml",
    "translations": ".translation-meta.xml",
    "validationRules": ".validationRule-meta.xml",
}


@dataclass(frozen=True)
class Field:
    """A custom field of the package."""

    object: str
    name: str
    file: str
    node: Node

    @property
    def type(self) -> str:
        return self.node.one("type") or ""

    @property
    def is_formula(self) -> bool:
        return self.node.one("formula") is not None

    @property
    def is_required(self) -> bool:
        """Required for everybody: a permission set may not name it, a layout must."""
        return self.type == "MasterDetail" or self.node.one("required") == "true"

    @property
    def values(self) -> list[str]:
        return [node.text for node in self.node.all("valueSet/valueSetDefinition/value/fullName")]


@dataclass
class Package:
    """All files by path below the package folders, and the trees of those that are XML."""

    files: Mapping[str, str]
    trees: dict[str, Node] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    fields: dict[str, dict[str, Field]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path, text in sorted(self.files.items()):
            if not path.endswith(".xml"):
                continue
            try:
                self.trees[path] = parse(text)
            except NotWellFormed as error:
                self.problems.append(Problem(path, error.line, f"not well-formed XML: {error}"))
        for path, node in self.in_folder("fields"):
            object_ = path.split("/")[1]
            self.fields.setdefault(object_, {})[stem(path)] = Field(object_, stem(path), path, node)

    @cached_property
    def _by_folder(self) -> dict[str, list[tuple[str, Node]]]:
        found: dict[str, list[tuple[str, Node]]] = {}
        for path, node in self.trees.items():
            found.setdefault(path.split("/")[-2], []).append((path, node))
        return found

    def in_folder(self, folder: str) -> list[tuple[str, Node]]:
        """Path and root of each file directly in a folder of that name."""
        return self._by_folder.get(folder, [])

    @cached_property
    def objects(self) -> dict[str, tuple[str, Node]]:
        """The custom objects that the package defines: name → file, root."""
        return {
            path.split("/")[1]: (path, node)
            for path, node in self.trees.items()
            if path.endswith(".object-meta.xml")
        }

    @cached_property
    def labels(self) -> dict[str, Node]:
        return {
            node.one("fullName") or "": node
            for _, root in self.in_folder("labels")
            for node in root.all("labels")
        }

    @cached_property
    def components(self) -> dict[str, dict[str, str]]:
        """Lightning components: name → their files by name, without tests."""
        found: dict[str, dict[str, str]] = {}
        for path, text in self.files.items():
            parts = path.split("/")
            if parts[0] == "lwc" and len(parts) == 3:
                found.setdefault(parts[1], {})[parts[2]] = text
        return found

    @cached_property
    def relationships(self) -> dict[str, tuple[str, str]]:
        """Child relationships: "Account.Rebate_Standings__r" → child object, field."""
        return {
            f"{f.node.one('referenceTo')}.{f.node.one('relationshipName')}__r": (f.object, f.name)
            for fields in self.fields.values()
            for f in fields.values()
            if f.node.one("relationshipName")
        }

    @cached_property
    def relations(self) -> set[str]:
        """Names that lead from a record to others: "Rebate_Standings__r", "Account__r"."""
        to_children = {path.partition(".")[2] for path in self.relationships}
        return to_children | {
            name.removesuffix("__c") + "__r"
            for fields in self.fields.values()
            for name, field in fields.items()
            if field.node.one("referenceTo")
        }

    def has_field(self, object_: str, name: str) -> bool:
        """A field of the package, a system field of its objects, or a standard field that it uses."""
        home = HOME.get(object_, object_)
        if name in self.fields.get(home, {}) or name in STANDARD_FIELDS.get(object_, ()):
            return True
        return home in self.objects and name in SYSTEM_FIELDS

    def field(self, object_: str, name: str) -> Field | None:
        return self.fields.get(HOME.get(object_, object_), {}).get(name)

    def field_names(self, object_: str) -> set[str]:
        return set(self.fields.get(HOME.get(object_, object_), {})) | STANDARD_FIELDS.get(object_, set())


@lru_cache(maxsize=2048)
def stem(path: str) -> str:
    """The name that a file of a known kind carries; the whole file name when its suffix is not of its folder."""
    pure = PurePosixPath(path)
    return pure.name.removesuffix(SUFFIXES.get(pure.parent.name, "-meta.xml"))
