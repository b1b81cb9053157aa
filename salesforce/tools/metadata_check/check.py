"""The whole check: schema, names, access, pages, components, reports, and that nothing is lost from the manifest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from . import access, analytics, components, objects, pages, translations
from .model import SUFFIXES, Package
from .nodes import Node, NotWellFormed, Problem, parse
from .schema import conforms

MANIFEST = "manifest/package.xml"
_TYPES = {
    "applications": "CustomApplication",
    "compactLayouts": "CompactLayout",
    "fields": "CustomField",
    "flexipages": "FlexiPage",
    "labels": "CustomLabels",
    "layouts": "Layout",
    "listViews": "ListView",
    "notificationtypes": "CustomNotificationType",
    "permissionsets": "PermissionSet",
    "reportTypes": "ReportType",
    "tabs": "CustomTab",
    "translations": "Translations",
    "validationRules": "ValidationRule",
}
_IN_OBJECTS = {"compactLayouts", "fields", "listViews", "validationRules"}


def load(root: Path) -> dict[str, str]:
    """The deployable files of a project folder (`salesforce/`), by path below `main/default`, and its manifest."""
    files = {}
    for package in ("force-app", "translations"):
        base = root / package / "main" / "default"
        for path in sorted(base.rglob("*")):
            if path.is_file() and "__tests__" not in path.parts and path.name != "jsconfig.json":
                files[path.relative_to(base).as_posix()] = path.read_text(encoding="utf-8")
    manifest = root / MANIFEST
    if manifest.is_file():
        files[MANIFEST] = manifest.read_text(encoding="utf-8")
    return files


def check(files: Mapping[str, str]) -> list[Problem]:
    """Every problem, sorted by file and line; none means that the package agrees with itself and with the schema."""
    package = Package({path: text for path, text in files.items() if path != MANIFEST})
    found = list(package.problems)
    for path in package.trees:
        found += _conforms(path, files[path])
        found += _in_its_place(path)
    for room in (objects, access, pages, components, analytics, translations):
        found += room.problems(package)
    found += _manifest(package, files.get(MANIFEST, ""))
    return sorted(set(found))


@lru_cache(maxsize=2048)
def _conforms(path: str, text: str) -> tuple[Problem, ...]:
    """A file that has not changed is not read against the schema again."""
    return tuple(conforms(path, parse(text)))


def _in_its_place(path: str) -> Iterator[Problem]:
    folder = path.split("/")[-2]
    suffix = SUFFIXES.get(folder)
    if suffix and not path.endswith(suffix):
        yield Problem(path, 0, f"a file in {folder} is named *{suffix}")


def _manifest(package: Package, text: str) -> Iterator[Problem]:
    """manifest/package.xml names exactly what is there: a lost file does not go unseen."""
    try:
        root: Node = parse(text)
    except NotWellFormed as error:
        yield Problem(MANIFEST, error.line, f"not well-formed XML: {error}")
        return
    named = {
        (group.one("name") or "", member.text)
        for group in root.all("types")
        for member in group.all("members")
    }
    if not re.fullmatch(r"\d{2,3}\.0", root.one("version") or ""):
        yield Problem(MANIFEST, root.line, "needs a <version> such as 62.0")
    there = set(_there(package))
    for type_, name in sorted(named - there):
        yield Problem(MANIFEST, 0, f"names the {type_} {name}, which is not there")
    for type_, name in sorted(there - named):
        yield Problem(MANIFEST, 0, f"does not name the {type_} {name}")


def _there(package: Package) -> Iterator[tuple[str, str]]:
    for path in package.files:
        parts = path.split("/")
        folder = parts[-2]
        if parts[0] == "lwc":
            yield "LightningComponentBundle", parts[1]
        elif parts[0] in ("reports", "dashboards"):
            kind = parts[0].removesuffix("s")
            name = (
                "/".join(parts[1:]).removesuffix(f".{kind}-meta.xml").removesuffix(f".{kind}Folder-meta.xml")
            )
            yield kind.capitalize(), name
        elif parts[0] == "objectTranslations":
            if path.endswith(".objectTranslation-meta.xml"):
                yield "CustomObjectTranslation", parts[-1].removesuffix(".objectTranslation-meta.xml")
        elif path.endswith(".object-meta.xml"):
            yield "CustomObject", parts[1]
        elif folder in _TYPES:
            name = parts[-1].removesuffix(SUFFIXES[folder])
            yield _TYPES[folder], f"{parts[1]}.{name}" if folder in _IN_OBJECTS else name
