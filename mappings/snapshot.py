"""Describes kept in a folder, one JSON file an object, so that a mapping can be checked with no org (in CI, say).

Reads what Salesforce answers to a describe, bare or as `sf sobject describe --json` wraps it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mappings.describe import ObjectDescribe


class UnreadableSnapshot(ValueError):
    """A folder or file that holds no describes; the text says which and why."""


def read_snapshot(folder: Path) -> dict[str, ObjectDescribe]:
    """Every describe in a folder, by object name. Raises UnreadableSnapshot."""
    if not folder.is_dir():
        raise UnreadableSnapshot(f"{folder} is not a folder")
    found: dict[str, ObjectDescribe] = {}
    for path in sorted(folder.glob("*.json")):
        described = _read(path)
        if described is not None:
            found[described.name] = described
    if not found:
        raise UnreadableSnapshot(f"{folder} has no describe in it: one JSON file an object, as Account.json")
    return found


def write_snapshot(folder: Path, describes: dict[str, ObjectDescribe | None]) -> list[Path]:
    """One file an object; objects that the org does not have are left out. The same org gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, described in sorted(describes.items()):
        if described is not None:
            path = folder / f"{name}.json"
            path.write_text(json.dumps(described.as_json(), indent=1, ensure_ascii=False) + "\n", "utf-8")
            written.append(path)
    return written


def _read(path: Path) -> ObjectDescribe | None:
    """None for JSON that is something else than a describe."""
    try:
        data: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableSnapshot(f"{path} cannot be read: {error}") from error
    if isinstance(data, dict) and isinstance(data.get("result"), dict):
        data = data["result"]
    if not (
        isinstance(data, dict) and isinstance(data.get("name"), str) and isinstance(data.get("fields"), list)
    ):
        return None
    try:
        return ObjectDescribe.from_json(data)
    except (KeyError, TypeError) as error:
        raise UnreadableSnapshot(f"{path} is no describe: {error!r}") from error
