"""Every element against the metadata schema: known, often enough, not too often, of the right kind."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from .nodes import Node, Problem, suggestion

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_NEVER_ASKED = {"fullName"}  # the file name says it


@cache
def _schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
    return loaded


def conforms(file: str, root: Node) -> Iterator[Problem]:
    """Problems of one file; a root of no known metadata type is one."""
    if root.tag not in _schema()["types"]:
        close = suggestion(root.tag, _schema()["types"])
        yield Problem(file, root.line, f"<{root.tag}> is not a metadata type of this package{close}")
        return
    yield from _element(file, root, root.tag)


def _element(file: str, node: Node, type_: str) -> Iterator[Problem]:
    types, enums = _schema()["types"], _schema()["enums"]
    known = types[type_]
    counts = Counter(child.tag for child in node.children)
    for child in node.children:
        if child.tag not in known:
            yield Problem(
                file, child.line, f"<{child.tag}> is not an element of {type_}{suggestion(child.tag, known)}"
            )
            continue
        kind, _, many = known[child.tag]
        if counts[child.tag] > 1 and not many:
            yield Problem(file, child.line, f"<{child.tag}> may stand once in {type_}")
        yield from _value(file, child, kind)
        if kind in types:
            yield from _element(file, child, kind)
        elif kind in enums and child.text not in enums[kind]:
            close = suggestion(child.text, enums[kind])
            yield Problem(file, child.line, f"<{child.tag}> {child.text!r} is not a {kind}{close}")
    for name, (_, optional, many) in known.items():
        if not optional and not many and name not in counts and name not in _NEVER_ASKED:
            yield Problem(file, node.line, f"{type_} needs <{name}>")


def _value(file: str, node: Node, kind: str) -> Iterator[Problem]:
    if kind == "boolean" and node.text not in ("true", "false"):
        yield Problem(file, node.line, f"<{node.tag}> must be true or false, not {node.text!r}")
    elif kind == "number" and not _NUMBER.fullmatch(node.text):
        yield Problem(file, node.line, f"<{node.tag}> must be a number, not {node.text!r}")
    elif kind in ("string", "boolean", "number") and node.children:
        yield Problem(file, node.line, f"<{node.tag}> holds a value, not elements")
