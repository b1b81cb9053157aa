"""What the mapped fields look like in an org, and what changed of them since another time. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mappings.check_pull import check_pull
from mappings.check_push import check_push
from mappings.describe import FieldDescribe
from mappings.fieldpaths import Describes, Found, follow
from mappings.model import Mapping as RebateMapping
from mappings.problems import Finder, Problem

Look = Mapping[str, object]  # JSON: type, length, precision, scale, unique, values
LOSSY = "M210"  # the field shows fewer decimals than the mapping writes


@dataclass(frozen=True)
class Changed:
    """One mapped field that is not what it was: `what` says both without a customer's value."""

    field: str  # Object.Field
    what: str
    loses: (
        bool  # it holds less than before: fewer decimals, digits or characters, another type, or it is gone
    )


def looks(mapping: RebateMapping, describes: Describes) -> dict[str, Look]:
    """Object.Field → how it is described, of every field that is read or written; of those that are there."""
    found: dict[str, Look] = {}
    for entity in mapping.pull.values():
        start = describes.get(entity.object)
        for path in entity.paths if start is not None else ():
            end = follow(describes, start, path) if start is not None else None
            if isinstance(end, Found):
                found[f"{end.object.name}.{end.field.name}"] = _look(end.field)
    for target in mapping.push.values():
        start = describes.get(target.object)
        for name in (*target.fields, *([target.match] if target.match else [])) if start is not None else ():
            field = start.field(name) if start is not None else None
            if field is not None:
                found[f"{target.object}.{field.name}"] = _look(field)
    return found


def changes(before: Mapping[str, Look], after: Mapping[str, Look]) -> list[Changed]:
    """What became of the fields that were known before, by name."""
    found = []
    for name in sorted(before):
        was, now = before[name], after.get(name)
        if now is None:
            found.append(Changed(name, "is gone, or may not be seen any more", True))
        elif dict(was) != dict(now):
            found.append(_changed(name, was, now))
    return found


def broken_parts(
    mapping: RebateMapping, describes: Describes, changed: Mapping[str, Changed]
) -> tuple[dict[str, Problem], dict[str, Problem]]:
    """(entities, push targets) that a change made impossible, or that would lose what is written, each with why."""
    pulls, pushes = dict[str, Problem](), dict[str, Problem]()
    for entity in mapping.pull.values():
        finder = Finder()
        check_pull(entity, mapping, describes, finder)
        for problem in finder.found:
            if problem.level == "error":
                pulls.setdefault(entity.entity, problem)
    lossy = {name for name, one in changed.items() if one.loses}
    for target in mapping.push.values():
        finder = Finder()
        check_push(target, mapping, describes, finder)
        for problem in finder.found:
            rounds = problem.code == LOSSY and any(problem.message.startswith(f"{name} ") for name in lossy)
            if problem.level == "error" or rounds:
                pushes.setdefault(target.name, problem)
    return pulls, pushes


def _look(field: FieldDescribe) -> Look:
    return {
        "type": field.type,
        "length": field.length,
        "precision": field.precision,
        "scale": field.scale,
        "unique": field.unique,
        "values": sorted(field.picklist_values),
    }


def _changed(name: str, was: Look, now: Look) -> Changed:
    told, loses = [], False
    for key in ("type", "length", "precision", "scale", "unique"):
        if was[key] == now[key]:
            continue
        told.append(f"{key} was {was[key]}, is {now[key]}")
        loses |= key == "type" or (key != "unique" and int(str(now[key])) < int(str(was[key])))
        loses |= key == "unique" and not now[key]
    had, has = (set(look["values"]) for look in (was, now))  # type: ignore[call-overload]
    if gone := had - has:
        told.append(f"without the value{'s' if len(gone) > 1 else ''} {', '.join(sorted(gone)[:5])}")
        loses = True
    if new := has - had:
        told.append(f"with the new value{'s' if len(new) > 1 else ''} {', '.join(sorted(new)[:5])}")
    return Changed(name, "; ".join(told), loses)
