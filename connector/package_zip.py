"""Packs the Salesforce package: source format in a folder → the zip that the Metadata API deploys.

Pure but for reading the folder: the same files give the same bytes, on any machine and in any order of reading.
Source format has one file a field; the Metadata API wants one file an object, so those are merged.
Rules of both formats: Salesforce DX developer guide, "Salesforce DX Project Structure and Source Format", and
Metadata API developer guide, "package.xml" (folders `Rebates-meta.xml`, members `Rebates/Standing`).
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment a zip can name: no clock in the bytes
_MODE = 0o644 << 16


class PackageError(ValueError):
    """The folder is not a package that could be deployed; says which file and why."""


@dataclass(frozen=True, order=True)
class Component:
    """One thing that a deploy creates or changes, as package.xml names it."""

    type: str
    name: str


# folder → (metadata type, suffix) for types that are one file each
_SINGLE = {
    "applications": ("CustomApplication", "app"),
    "flexipages": ("FlexiPage", "flexipage"),
    "labels": ("CustomLabels", "labels"),
    "layouts": ("Layout", "layout"),
    "notificationtypes": ("CustomNotificationType", "notiftype"),
    "permissionsets": ("PermissionSet", "permissionset"),
    "reportTypes": ("ReportType", "reportType"),
    "tabs": ("CustomTab", "tab"),
    "translations": ("Translations", "translation"),
}
# folder → (metadata type, suffix, suffix of its folder file)
_IN_FOLDERS = {
    "dashboards": ("Dashboard", "dashboard", "dashboardFolder"),
    "reports": ("Report", "report", "reportFolder"),
}
# folder inside an object → (element of CustomObject, metadata type, suffix)
_PARTS = {
    "compactLayouts": ("compactLayouts", "CompactLayout", "compactLayout"),
    "fields": ("fields", "CustomField", "field"),
    "listViews": ("listViews", "ListView", "listView"),
    "validationRules": ("validationRules", "ValidationRule", "validationRule"),
}
# never deployed: tests and editor settings of Lightning components
_NOT_DEPLOYED = ("__tests__", "jsconfig.json", ".eslintrc.json", ".DS_Store")


def build_package(
    source_dir: Path | Sequence[Path], api_version: str, *, leave_out: Collection[Component] = ()
) -> bytes:
    """The zip for `deployRequest`: every component under `source_dir` and a package.xml that names each.

    `source_dir` is a package directory (`salesforce/force-app`), or several that are deployed together;
    `api_version` such as "62.0". `leave_out`: components that stay at home, and what the org has of them as it is.
    Raises PackageError for an empty folder or a file of no known kind.
    """
    files, components = _read(source_dir, frozenset(leave_out))
    files["package.xml"] = _manifest(components, api_version)
    return _zip(files)


def build_removal(source_dir: Path | Sequence[Path], api_version: str) -> bytes:
    """The zip that removes what `build_package` creates; with checkOnly it lists what removal would take.

    Parts of our own objects go with their object and are not named twice. Labels are named one by one ("CustomLabels"
    would be all of the org's), and folders stay: an admin's own reports may lie in them.
    """
    files, components = _read(source_dir)
    own = {c.name for c in components if c.type == "CustomObject"}
    gone = {c for c in components if c.type != "CustomLabels" and _owner(c) not in own}
    gone -= {c for c in gone if c.type in ("Dashboard", "Report") and "/" not in c.name}
    for path, content in files.items():
        if path.endswith(".labels"):
            names = ElementTree.fromstring(content).iterfind(f"{{{NAMESPACE}}}labels/{{{NAMESPACE}}}fullName")
            gone |= {Component("CustomLabel", name.text or "") for name in names}
    manifest = _manifest(frozenset(), api_version)
    return _zip({"package.xml": manifest, "destructiveChanges.xml": _manifest(gone, api_version)})


def _owner(component: Component) -> str | None:
    """The object that a component is a part of, and goes with; None for one that stands alone."""
    separator = {"Layout": "-"}.get(component.type, ".")
    owner, found, _ = component.name.partition(separator)
    return owner if found else None


def components(source_dir: Path | Sequence[Path]) -> tuple[Component, ...]:
    """What the package holds, sorted by type and name."""
    return tuple(sorted(_read(source_dir)[1]))


def _read(
    source_dir: Path | Sequence[Path], leave_out: frozenset[Component] = frozenset()
) -> tuple[dict[str, bytes], set[Component]]:
    files: dict[str, bytes] = {}
    found: set[Component] = set()
    for folder in [source_dir] if isinstance(source_dir, Path) else source_dir:
        if not folder.is_dir():
            raise PackageError(f"{folder} is not a folder: the Salesforce package is not installed")
        for root in _roots(folder):
            for path, content, names in _convert(root, leave_out):
                if leave_out.issuperset(names):
                    continue
                if path in files:
                    raise PackageError(f"{path} comes from two places of the package")
                files[path] = content
                found.update(names)
    if not files:
        raise PackageError(f"no metadata found under {source_dir}")
    return files, found


def _roots(folder: Path) -> list[Path]:
    """The `main/default` folders, or the folder itself when it already is one."""
    nested = sorted(path for path in folder.glob("*/default") if path.is_dir())
    return nested or [folder]


def _convert(root: Path, leave_out: frozenset[Component]) -> Iterator[tuple[str, bytes, list[Component]]]:
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if folder.name == "objects":
            for item in sorted(path for path in folder.iterdir() if path.is_dir()):
                yield _object(item, leave_out)
        elif folder.name == "objectTranslations":
            for item in sorted(path for path in folder.iterdir() if path.is_dir()):
                yield _object_translation(item)
        elif folder.name == "lwc":
            for bundle in sorted(path for path in folder.iterdir() if path.is_dir()):
                if bundle.name not in _NOT_DEPLOYED:
                    yield from _bundle(bundle)
        elif folder.name in _IN_FOLDERS:
            yield from _foldered(folder)
        elif folder.name in _SINGLE:
            type_, suffix = _SINGLE[folder.name]
            for path in _files(folder):
                name = _stem(path, suffix)
                yield f"{folder.name}/{name}.{suffix}", path.read_bytes(), [Component(type_, name)]
        else:
            known = ", ".join(sorted([*_SINGLE, *_IN_FOLDERS, "lwc", "objectTranslations", "objects"]))
            raise PackageError(f"{folder}: no kind of metadata this package may hold (known: {known})")


def _files(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and not set(path.parts) & set(_NOT_DEPLOYED)
    )


def _stem(path: Path, suffix: str) -> str:
    name, found, rest = path.name.partition(f".{suffix}-meta.xml")
    if not found or rest or not name:
        raise PackageError(f"{path}: the name must end in .{suffix}-meta.xml")
    return name


def _bundle(bundle: Path) -> Iterator[tuple[str, bytes, list[Component]]]:
    if not (bundle / f"{bundle.name}.js").is_file():
        raise PackageError(f"{bundle}: {bundle.name}.js is missing")
    for path in _files(bundle):
        inside = PurePosixPath(*path.relative_to(bundle).parts)
        yield (
            f"lwc/{bundle.name}/{inside}",
            path.read_bytes(),
            [Component("LightningComponentBundle", bundle.name)],
        )


def _foldered(folder: Path) -> Iterator[tuple[str, bytes, list[Component]]]:
    type_, suffix, folder_suffix = _IN_FOLDERS[folder.name]
    for path in _files(folder):
        if path.parent == folder:
            name = _stem(path, folder_suffix)
            target = f"{folder.name}/{name}-meta.xml"
        else:
            name = f"{path.parent.relative_to(folder).as_posix()}/{_stem(path, suffix)}"
            target = f"{folder.name}/{name}.{suffix}"
        yield target, path.read_bytes(), [Component(type_, name)]


def _object(folder: Path, leave_out: frozenset[Component]) -> tuple[str, bytes, list[Component]]:
    name = folder.name
    own = folder / f"{name}.object-meta.xml"
    names = []
    if own.is_file():
        merged = _parse(own, "CustomObject")
        names.append(Component("CustomObject", name))
    else:
        merged = ElementTree.Element(f"{{{NAMESPACE}}}CustomObject")
    for part in sorted(folder.iterdir()):
        if part == own:
            continue
        if part.name not in _PARTS:
            raise PackageError(f"{part}: no part of an object this package may hold")
        element, type_, suffix = _PARTS[part.name]
        for path in _files(part):
            component = Component(type_, f"{name}.{_stem(path, suffix)}")
            if component in leave_out:
                continue
            item = _parse(path, type_)
            item.tag = f"{{{NAMESPACE}}}{element}"
            merged.append(item)
            names.append(component)
    return f"objects/{name}.object", _xml(merged), names


def _object_translation(folder: Path) -> tuple[str, bytes, list[Component]]:
    """Fields in files of their own become `fields` of the one file that the Metadata API wants."""
    merged = _parse(folder / f"{folder.name}.objectTranslation-meta.xml", "CustomObjectTranslation")
    for path in _files(folder):
        if path.name.endswith(".fieldTranslation-meta.xml"):
            item = _parse(path, "CustomFieldTranslation")
            item.tag = f"{{{NAMESPACE}}}fields"
            merged.append(item)
        else:
            _stem(path, "objectTranslation")
    name = f"objectTranslations/{folder.name}.objectTranslation"
    return name, _xml(merged), [Component("CustomObjectTranslation", folder.name)]


def _parse(path: Path, expected: str) -> ElementTree.Element:
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError as error:
        raise PackageError(f"{path} is missing") from error
    except ElementTree.ParseError as error:
        raise PackageError(f"{path}: not well-formed XML: {error}") from error
    if root.tag != f"{{{NAMESPACE}}}{expected}":
        raise PackageError(f"{path}: expected <{expected}>, found <{root.tag.rpartition('}')[2]}>")
    return root


def _manifest(names: set[Component] | frozenset[Component], api_version: str) -> bytes:
    if not re.fullmatch(r"\d{2,3}\.0", api_version):
        raise PackageError(f"API version {api_version!r} is not of the form 62.0")
    root = ElementTree.Element(f"{{{NAMESPACE}}}Package")
    for type_ in sorted({component.type for component in names}):
        types = ElementTree.SubElement(root, f"{{{NAMESPACE}}}types")
        for component in sorted(c for c in names if c.type == type_):
            ElementTree.SubElement(types, f"{{{NAMESPACE}}}members").text = component.name
        ElementTree.SubElement(types, f"{{{NAMESPACE}}}name").text = type_
    ElementTree.SubElement(root, f"{{{NAMESPACE}}}version").text = api_version
    return _xml(root)


def _xml(root: ElementTree.Element) -> bytes:
    """Canonical text: our own namespace as the default, four spaces, one trailing newline."""
    tree = ElementTree.fromstring(ElementTree.tostring(root))
    for element in tree.iter():
        element.tag = element.tag.rpartition("}")[2]
    tree.set("xmlns", NAMESPACE)
    ElementTree.indent(tree, "    ")
    text: str = ElementTree.tostring(tree, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _zip(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = _MODE
            info.create_system = 3  # as if on Unix, on every machine
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, files[name], compresslevel=9)
    return buffer.getvalue()
