"""Where in a TOML text each key stands: `tomllib` reads values but keeps no places."""

from __future__ import annotations

import re

from rebates.problems import Path

_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*""")
Place = tuple[int, int]  # line and column, from one


def key_places(text: str) -> dict[Path, Place]:
    """Place of every table header and key. Multi-line strings are stepped over; inline tables count as one key."""
    places: dict[Path, Place] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    closing = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if closing:
            closing = "" if closing in line else closing
            continue
        stripped = line.strip()
        column = len(line) - len(line.lstrip()) + 1
        if stripped.startswith("[[") and "]]" in stripped:
            parts = _parts(stripped[2 : stripped.index("]]")])
            path = _resolved(tuple(parts), counts)
            counts[path] = counts.get(path, -1) + 1
            table = (*path, counts[path])
            places[table] = (number, column)
            places.setdefault(path, (number, column))
        elif stripped.startswith("[") and "]" in stripped and "=" not in stripped.split("]")[0]:
            table = _resolved(tuple(_parts(stripped[1 : stripped.index("]")])), counts)
            places[table] = (number, column)
        elif "=" in stripped and not stripped.startswith("#"):
            parts = _parts(stripped.split("=", 1)[0])
            for depth in range(1, len(parts) + 1):
                places.setdefault((*table, *parts[:depth]), (number, column))
            value = stripped.split("=", 1)[1]
            for quotes in ('"""', "'''"):
                if value.count(quotes) == 1:
                    closing = quotes
    return places


def place_of(path: Path, places: dict[Path, Place]) -> Place | None:
    """The place of a key, or of the nearest table around it."""
    while path:
        if path in places:
            return places[path]
        path = path[:-1]
    return None


def _parts(dotted: str) -> list[str]:
    parts, at = [], 0
    while at < len(dotted):
        match = _PART.match(dotted, at)
        if match is None:
            break
        parts.append(next(group for group in match.groups() if group is not None))
        at = match.end() + 1  # the dot
    return parts


def _resolved(parts: Path, counts: dict[Path, int]) -> Path:
    """A header's path with the index of each array of tables that it goes through (not the last part's own)."""
    out: Path = ()
    for n, part in enumerate(parts):
        out = (*out, part)
        if n < len(parts) - 1 and out in counts:
            out = (*out, counts[out])
    return out
