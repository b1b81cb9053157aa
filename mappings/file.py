"""Reading a mapping file: one rule, left is what is written, right is where it comes from.

A file that cannot be used raises MappingProblems with everything that is wrong with it, not only the first.
"""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from mappings.model import Mapping
from mappings.places import Node, read_toml
from mappings.problems import Finder, MappingProblems, Place, Problem, did_you_mean, has_errors, nearest
from mappings.pull_table import read_pull
from mappings.push_table import read_push
from mappings.settings import Settings

STANDARD = "standard"  # the mapping that ships: a stock org
_NAMESPACE = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9]){0,14}")


def read_mapping(path: str | Path, org_alias: str | None = None) -> Mapping:
    """The mapping in a file, or the one that ships when the path is "standard".

    `org_alias` applies `[org.<alias>.…]`, path by path. Raises MappingProblems.
    """
    if str(path) == STANDARD:
        return parse_mapping(standard_text(), "standard.toml", org_alias)
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except OSError as error:
        raise _unreadable(str(path), f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise _unreadable(str(path), f"is not UTF-8 text (byte {error.start})") from error
    return parse_mapping(text, str(path), org_alias)


def standard_text() -> str:
    """The mapping that ships, as written."""
    return resources.files("mappings").joinpath("standard.toml").read_text("utf-8")


def parse_mapping(text: str, file: str = "mapping.toml", org_alias: str | None = None) -> Mapping:
    """The mapping in a text; `file` is the name that problems are shown under. Raises MappingProblems."""
    root = read_toml(text, file)
    finder = Finder()
    top = Settings(root, finder)
    overrides = top.of_type("org", dict)
    if overrides is not None:
        for alias, node in overrides.value.items():
            if not node.is_table:
                finder.error("M006", f"org.{alias} is not a table", node.place)
            elif alias == org_alias:
                root = _merged(root, node)
    mapping = _read(root, file, org_alias, finder)
    if has_errors(finder.found):
        raise MappingProblems(finder.found)
    if overrides is not None:
        _check_other_overrides(text, file, overrides, org_alias)
    return mapping


def _read(root: Node, file: str, org_alias: str | None, finder: Finder) -> Mapping:
    top = Settings(root, finder)
    top.get("org")
    schema = top.of_type("schema", int)
    if schema is not None and schema.value != 1:
        finder.error("M017", f"schema {schema.value} is not known", schema.place, "schema = 1")
    zone_name = "timezone" if "timezone" in top else "time_zone"
    time_zone = top.text(zone_name) or "UTC"
    if "timezone" in top and "time_zone" in top:
        node = root.value["timezone"]
        finder.error("M011", "timezone and time_zone are one setting: keep one", node.key_place)
    if not _is_time_zone(time_zone):
        node = root.value[zone_name]
        near = nearest(time_zone, available_timezones())
        finder.error(
            "M007",
            f'there is no time zone "{time_zone}"',
            node.place,
            f'did you mean "{near}"?' if near else 'names as in "America/New_York"',
        )
    currency = top.choice("currency", ("record", "corporate"), "record")
    namespace_node = top.of_type("namespace", str)
    namespace = str(namespace_node.value) if namespace_node is not None else ""
    if namespace_node is not None and namespace and not _NAMESPACE.fullmatch(namespace):
        finder.error("M009", f'"{namespace}" is not a namespace', namespace_node.place)
    pull = top.get("pull")
    push = top.get("push")
    top.close(("time_zone",))
    if pull is None and push is None:
        place = Place(file, "", 1, 1, 1, "")
        finder.error("M008", "the file maps nothing: no [pull.…] and no [push.…]", place,
                     help='start from the standard mapping: rebates mapping show > mapping.toml')  # fmt: skip
    return Mapping(
        file=file,
        pull=read_pull(pull, finder) if pull is not None else {},
        push=read_push(push, namespace, finder) if push is not None else {},
        org_alias=org_alias,
        time_zone=time_zone,
        currency="corporate" if currency == "corporate" else "record",
        namespace=namespace,
    )


def _check_other_overrides(text: str, file: str, overrides: Node, org_alias: str | None) -> None:
    """The overrides of orgs that are not in use now must be right too, not only on their day."""
    found: list[Problem] = []
    for alias, node in overrides.value.items():
        if alias != org_alias:
            finder = Finder()
            _read(_merged(read_toml(text, file), node), file, alias, finder)
            found.extend(finder.found)
    if has_errors(found):
        raise MappingProblems(found)


def _merged(base: Node, over: Node) -> Node:
    """`over` laid upon `base`, path by path: tables are joined, anything else is replaced."""
    children = dict(base.value)
    for key, node in over.value.items():
        below = children.get(key)
        if below is not None and below.is_table and node.is_table and not _is_right_side(below, node):
            children[key] = _merged(below, node)
        else:
            children[key] = node
    return Node(children, base.key_place, base.place)


_ORIGINS = frozenset({"field", "first", "const", "expr", "from", "text"})


def _is_right_side(below: Node, over: Node) -> bool:
    """Two settings tables of one field that name a source each: the override replaces, it does not mix."""
    return bool(_ORIGINS & below.value.keys()) and bool(_ORIGINS & over.value.keys())


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, malformed, or a folder of the database
        return False
    return True


def _unreadable(path: str, why: str) -> MappingProblems:
    place = Place(file=path)
    parent = Path(path).parent
    names = [entry.name for entry in parent.glob("*.toml")] if parent.is_dir() else []
    near = did_you_mean(Path(path).name, names)
    return MappingProblems([Problem("error", "M000", f"the mapping {why}", place, near)])
