"""A deploy's zip (Metadata API layout) or a source-format folder → the components in it.

Sources: Metadata API Developer Guide, "File-Based Calls", "package.xml", "Deleting Components from an
Organization"; Salesforce DX Developer Guide, "Salesforce DX Project Structure and Source Format".
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from emulator.xml_tree import Element, XmlError, read_xml

FOLDERS = {
    "applications": "CustomApplication",
    "customPermissions": "CustomPermission",
    "dashboards": "Dashboard",
    "flexipages": "FlexiPage",
    "globalValueSets": "GlobalValueSet",
    "labels": "CustomLabels",
    "layouts": "Layout",
    "lwc": "LightningComponentBundle",
    "notificationtypes": "CustomNotificationType",
    "objects": "CustomObject",
    "permissionsets": "PermissionSet",
    "reports": "Report",
    "reportTypes": "ReportType",
    "settings": "Settings",
    "standardValueSets": "StandardValueSet",
    "staticresources": "StaticResource",
    "tabs": "CustomTab",
    "translations": "Translations",
}
IN_OBJECT = {
    "fields": "CustomField",
    "validationRules": "ValidationRule",
    "listViews": "ListView",
    "compactLayouts": "CompactLayout",
    "recordTypes": "RecordType",
    "webLinks": "WebLink",
    "fieldSets": "FieldSet",
}
NESTED = frozenset(IN_OBJECT.values())
KNOWN_TYPES = frozenset(FOLDERS.values()) | NESTED | {"CustomLabel"}
MANIFESTS = (
    "package.xml",
    "destructiveChanges.xml",
    "destructiveChangesPre.xml",
    "destructiveChangesPost.xml",
)


@dataclass(frozen=True)
class Problem:
    """Why a component cannot be deployed, and where."""

    file: str
    type: str
    full_name: str
    problem: str
    line: int = 0
    column: int = 0
    kind: str = "Error"


@dataclass(frozen=True)
class Component:
    """One thing a deploy creates or changes. `body` is empty for bundles and binary files."""

    type: str
    full_name: str
    file: str
    body: Element

    def fails(self, problem: str, at: Element | None = None) -> Problem:
        where = at or self.body
        return Problem(self.file, self.type, self.full_name, problem, where.line, where.column)


@dataclass
class Package:
    """What a zip asks for: components to deploy, `(type, full name)` to delete before and after, problems found reading."""

    components: list[Component] = field(default_factory=list)
    delete_first: list[tuple[str, str]] = field(default_factory=list)
    delete_last: list[tuple[str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    version: str = ""


class NotAPackage(ValueError):
    """The zip cannot be read, or holds no package.xml."""


def read_zip(data: bytes) -> Package:
    """Raises NotAPackage when there is no zip or no package.xml; everything else becomes a Problem."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}
    except (zipfile.BadZipFile, RuntimeError, EOFError) as error:
        raise NotAPackage("The zip file could not be read: it is not a valid zip") from error
    root = next(
        (name.removesuffix("package.xml") for name in sorted(files, key=len) if _is_manifest(name)), None
    )
    if root is None:
        raise NotAPackage("No package.xml found")
    files = {name.removeprefix(root): body for name, body in files.items() if name.startswith(root)}
    package = Package()
    members = _manifest(files, "package.xml", package)
    package.delete_first = _deletions(files, "destructiveChangesPre.xml", package)
    package.delete_last = _deletions(files, "destructiveChangesPost.xml", package)
    package.delete_last += _deletions(files, "destructiveChanges.xml", package)
    contents = {name: body for name, body in files.items() if name not in MANIFESTS}
    found = list(_components(contents, package))
    _match(found, members, package)
    return package


def _is_manifest(name: str) -> bool:
    return name == "package.xml" or (name.endswith("/package.xml") and name.count("/") == 1)


def _manifest(files: dict[str, bytes], name: str, package: Package) -> dict[str, list[str]]:
    """The members named in a manifest, by type."""
    if name not in files:
        return {}
    try:
        root = read_xml(files[name])
    except XmlError as error:
        package.problems.append(Problem(name, "", name, str(error), error.line, error.column))
        return {}
    if name == "package.xml":
        package.version = root.get("version")
    members: dict[str, list[str]] = {}
    for types in root.all("types"):
        kind = types.get("name")
        if kind not in KNOWN_TYPES:
            problem = f"Unknown type name '{kind}' specified in package.xml"
            package.problems.append(Problem(name, "", name, problem, types.line, types.column))
            continue
        members.setdefault(kind, []).extend(each.text for each in types.all("members"))
    return members


def _deletions(files: dict[str, bytes], name: str, package: Package) -> list[tuple[str, str]]:
    return [(kind, each) for kind, names in _manifest(files, name, package).items() for each in names]


def _components(files: dict[str, bytes], package: Package) -> Iterator[Component]:
    bundles: set[str] = set()
    for name in sorted(files):
        folder, _, rest = name.partition("/")
        kind = FOLDERS.get(folder)
        if kind is None or not rest:
            package.problems.append(Problem(name, "", name, "Unknown folder or file in the zip"))
            continue
        if kind == "LightningComponentBundle":
            bundle = rest.partition("/")[0]
            if bundle not in bundles:
                bundles.add(bundle)
                yield Component(kind, bundle, f"{folder}/{bundle}", Element(kind, 1, 1))
            continue
        if name.endswith("-meta.xml") and kind in ("Report", "Dashboard", "StaticResource"):
            if "." not in rest.removesuffix("-meta.xml"):  # a folder of reports is a component itself
                yield Component(kind, rest.removesuffix("-meta.xml"), name, Element(kind, 1, 1))
            continue
        if kind == "StaticResource":
            yield Component(kind, rest.rpartition(".")[0], name, Element(kind, 1, 1))
            continue
        try:
            body = read_xml(files[name])
        except XmlError as error:
            full_name = rest.rpartition(".")[0]
            package.problems.append(Problem(name, kind, full_name, str(error), error.line, error.column))
            continue
        yield from _opened(kind, rest.rpartition(".")[0], name, body)


def _opened(kind: str, full_name: str, file: str, body: Element) -> Iterator[Component]:
    """A file's component, and those nested in it."""
    if kind == "CustomLabels":
        for label in body.all("labels"):
            yield Component("CustomLabel", label.get("fullName"), file, label)
        return
    yield Component(kind, full_name, file, body)
    if kind == "CustomObject":
        for tag, nested in IN_OBJECT.items():
            for each in body.all(tag):
                yield Component(nested, f"{full_name}.{each.get('fullName')}", file, each)


def _match(found: list[Component], members: dict[str, list[str]], package: Package) -> None:
    """Keep what package.xml names; report what it does not name, and what it names that is not there."""
    have = {(each.type, each.full_name) for each in found}
    labels = "CustomLabels" in members
    for each in found:
        named = members.get(each.type, [])
        parent = each.full_name.partition(".")[0]
        by_parent = each.type in NESTED and parent in members.get("CustomObject", [])
        if each.full_name in named or "*" in named or by_parent or (each.type == "CustomLabel" and labels):
            package.components.append(each)
        elif each.type == "CustomObject" and any(
            name.startswith(f"{each.full_name}.") for kind in NESTED for name in members.get(kind, [])
        ):
            continue  # the file only carries the fields and rules that are named themselves
        elif each.type not in NESTED:
            package.problems.append(Problem(each.file, each.type, each.full_name, "Not in package.xml"))
    for kind, names in members.items():
        for name in names:
            if name == "*" or kind == "CustomLabels" or (kind, name) in have:
                continue
            problem = (
                f"An object '{name}' of type {kind} was named in package.xml, "
                "but was not found in zipped directory"
            )
            package.problems.append(Problem("package.xml", kind, name, problem))


def read_source(folder: Path) -> Package:
    """A source-format folder (`…/main/default`), without a manifest: everything in it is deployed."""
    package = Package()
    for path in sorted(folder.rglob("*-meta.xml")):
        parts = path.relative_to(folder).parts
        kind = FOLDERS.get(parts[0])
        if kind is None or len(parts) < 2:
            continue
        full_name = path.name.removesuffix("-meta.xml").rpartition(".")[0]
        file = "/".join(parts)
        try:
            body = read_xml(path.read_bytes())
        except XmlError as error:
            package.problems.append(Problem(file, kind, full_name, str(error), error.line, error.column))
            continue
        if kind == "LightningComponentBundle":
            package.components.append(Component(kind, parts[1], file, Element(kind, 1, 1)))
        elif parts[0] == "objects" and len(parts) == 4:
            package.components.append(Component(IN_OBJECT[parts[2]], f"{parts[1]}.{full_name}", file, body))
        elif kind in ("Report", "Dashboard"):
            package.components.append(Component(kind, "/".join([*parts[1:-1], full_name]), file, body))
        else:
            package.components.extend(_opened(kind, full_name, file, body))
    return package
