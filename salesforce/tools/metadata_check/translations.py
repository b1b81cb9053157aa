"""Translations: all labels, with the same places to fill; all values of the picklists whose words people see."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .model import Package
from .nodes import Problem, suggestion

_SPOKEN = {"Status__c", "Type__c"}  # picklists that lists and cards show


def problems(package: Package) -> Iterator[Problem]:
    yield from _labels(package)
    yield from _fields(package)


def _labels(package: Package) -> Iterator[Problem]:
    for file, root in package.in_folder("translations"):
        translated = {}
        for item in root.all("customLabels"):
            name = item.one("name") or ""
            translated[name] = item.one("label") or ""
            if name not in package.labels:
                yield Problem(file, item.line, f"there is no label {name}{suggestion(name, package.labels)}")
                continue
            english = re.findall(r"\{\d\}", package.labels[name].one("value") or "")
            if sorted(re.findall(r"\{\d\}", translated[name])) != sorted(english):
                yield Problem(
                    file,
                    item.line,
                    f"{name} does not have the places {' '.join(english)} of the English label",
                )
        for name in sorted(set(package.labels) - set(translated)):
            yield Problem(file, root.line, f"the label {name} is not translated")


def _fields(package: Package) -> Iterator[Problem]:
    for file, node in package.trees.items():
        parts = file.split("/")
        if parts[0] != "objectTranslations" or not file.endswith(".fieldTranslation-meta.xml"):
            continue
        if f"{parts[0]}/{parts[1]}/{parts[1]}.objectTranslation-meta.xml" not in package.files:
            yield Problem(file, 0, f"{parts[1]}.objectTranslation-meta.xml is missing beside it")
        object_, name = parts[1].rpartition("-")[0], node.one("name") or ""
        if parts[2] != f"{name}.fieldTranslation-meta.xml":
            yield Problem(file, node.line_of("name"), f"<name> {name} is not the name of the file")
        field = package.field(object_, name)
        if field is None:
            close = suggestion(name, package.field_names(object_))
            yield Problem(file, node.line_of("name"), f"there is no field {object_}.{name}{close}")
            continue
        words = [item.text for item in field.node.all("valueSet/valueSetDefinition/value/label")]
        given = [item.one("masterLabel") or "" for item in node.all("picklistValues")]
        for item in node.all("picklistValues"):
            if item.one("masterLabel") not in words:
                close = suggestion(item.one("masterLabel") or "", words)
                yield Problem(
                    file, item.line, f"{name} has no value labelled {item.one('masterLabel')}{close}"
                )
            if not item.one("translation"):
                yield Problem(file, item.line, "a value without its translation")
        for word in words:
            if word not in given:
                yield Problem(file, node.line, f"the value {word} is not translated")
    for file, node in package.trees.items():
        if file.endswith(".objectTranslation-meta.xml"):
            folder = file.rpartition("/")[0]
            if not any(path.startswith(f"{folder}/") and path != file for path in package.files):
                yield Problem(file, node.line, "translates no field")
            object_ = folder.rpartition("/")[2].rpartition("-")[0]
            for name in sorted(_SPOKEN & set(package.fields.get(object_, ()))):
                if f"{folder}/{name}.fieldTranslation-meta.xml" not in package.files:
                    yield Problem(file, node.line, f"{object_}.{name} is not translated")
