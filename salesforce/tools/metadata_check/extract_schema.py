"""Writes schema.json from the types in npm `@salesforce/types` (lib/metadata.d.ts, BSD-3-Clause, Salesforce).

    python -m salesforce.tools.metadata_check.extract_schema node_modules/@salesforce/types/lib/metadata.d.ts

Only the metadata types that the package uses, and what they are made of. Kept in the repository so that the check
needs no Node.js; `salesforce/check.sh` says when it is no longer what the published types say.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

SCHEMA = Path(__file__).with_name("schema.json")
ROOTS = (
    "CompactLayout",
    "CustomApplication",
    "CustomFieldTranslation",
    "CustomField",
    "CustomLabels",
    "CustomNotificationType",
    "CustomObject",
    "CustomObjectTranslation",
    "CustomTab",
    "Dashboard",
    "DashboardFolder",
    "FlexiPage",
    "Layout",
    "LightningComponentBundle",
    "ListView",
    "PermissionSet",
    "Report",
    "ReportFolder",
    "ReportType",
    "Translations",
    "ValidationRule",
)
# Parts of an object that have files of their own in source format: nothing below them belongs to CustomObject here.
_SKIPPED = {
    "CustomObject": {"fields", "listViews", "compactLayouts", "validationRules", "recordTypes", "webLinks"}
}
# The published types call these a string; they are elements, which `components` checks.
_ELEMENTS = {("LightningComponentBundle", "targetConfigs")}


def extract(source: str) -> dict[str, dict[str, object]]:
    """{"types": {name: {element: [type, optional, many]}}, "enums": {name: [values]}}"""
    enums = {
        name: re.findall(r"'([^']*)'", values)
        for name, values in re.findall(r"^export type (\w+) = ('[^;]*');$", source, re.M)
    }
    own: dict[str, tuple[list[str], dict[str, list[object]]]] = {}
    for name, bases, body in re.findall(
        r"^export type (\w+) = ((?:\w+ & )*)\{\n(.*?)^\};$", source, re.M | re.S
    ):
        elements: dict[str, list[object]] = {}
        for element, optional, kind in re.findall(r"^    (\w+)(\??): ([^;]+);$", body, re.M):
            kind = "elements" if (name, element) in _ELEMENTS else kind
            elements[element] = [kind.removesuffix("[]"), optional == "?", kind.endswith("[]")]
        own[name] = (re.findall(r"\w+", bases), elements)
    for name, other in re.findall(r"^export type (\w+) = (\w+);$", source, re.M):
        if other in own:
            own[name] = ([other], {})

    def flat(name: str) -> dict[str, list[object]]:
        bases, elements = own[name]
        merged: dict[str, list[object]] = {}
        for base in bases:
            if base in own:
                merged |= flat(base)
        return merged | elements

    types: dict[str, object] = {}
    used: dict[str, object] = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name in types or name in used:
            continue
        if name in enums:
            used[name] = enums[name]
        elif name in own:
            elements = {k: v for k, v in flat(name).items() if k not in _SKIPPED.get(name, ())}
            types[name] = elements
            waiting += [str(kind) for kind, _, _ in elements.values()]
    return {"types": dict(sorted(types.items())), "enums": dict(sorted(used.items()))}


def main(arguments: list[str]) -> int:
    """With `--check` only compares; exit 1 when schema.json differs."""
    paths = [argument for argument in arguments if argument != "--check"]
    text = json.dumps(
        {
            "source": "@salesforce/types 1.9.0, lib/metadata.d.ts, (c) Salesforce, BSD-3-Clause",
            **extract(Path(paths[0]).read_text(encoding="utf-8")),
        },
        indent=0,
        separators=(",", ":"),
    )
    if "--check" in arguments:
        same = SCHEMA.read_text(encoding="utf-8") == text + "\n"
        print(
            "schema.json is what the types say"
            if same
            else "schema.json is not what the types say: write it anew"
        )
        return 0 if same else 1
    SCHEMA.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
