"""One record through a mapping, step by step: what the org says, what each setting makes of it, what we read."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import pyarrow as pa

from mappings import columns, scalars
from mappings.canonical import ENTITIES, Kind
from mappings.expression import CannotCompute
from mappings.model import SYSTEM_FIELDS, Mapping, PullEntity, Source


@dataclass(frozen=True)
class Step:
    """What one setting did; `value` None is empty."""

    what: str
    value: str | None


def walk(entity: PullEntity, name: str, mapping: Mapping, row: MappingOf[str, str | None]) -> list[Step]:
    """The steps of one left-hand name for one record; `row` has the texts of the entity's SOQL paths.

    Raises KeyError when the entity has no such name. The values are the record's own: for a screen, never for a log.
    """
    source = entity.fields.get(name)
    if source is None:
        source = Source(paths=(SYSTEM_FIELDS[name],))
    by_path = {path.lower(): value for path, value in row.items()}
    steps = [Step(path, by_path[path.lower()]) for path in source.needs]
    text, failure = _taken(source, by_path)
    if source.const is not None:
        steps.append(Step("const", text))
    elif source.expr is not None:
        steps.append(Step(f"expr {source.expr.text}", failure or text))
    elif len(source.paths) > 1:
        steps.append(Step("first that is not empty", text))
    if failure is not None:
        return [*steps, Step("set aside", failure)]
    return [*steps, *_settings(entity, name, source, text, ZoneInfo(mapping.time_zone))]


def _taken(source: Source, by_path: MappingOf[str, str | None]) -> tuple[str | None, str | None]:
    """The text that the settings start from, or why there is none."""
    if source.const is not None:
        return columns.scalar_text(source.const), None
    if source.expr is None:
        return next((value for path in source.paths if (value := by_path[path.lower()])), None), None
    try:
        result = source.expr.value({path: by_path[path.lower()] for path in source.expr.paths})
        return (None if result is None else columns.scalar_text(result)), None
    except CannotCompute as error:
        return None, str(error)


def _settings(entity: PullEntity, name: str, source: Source, text: str | None, zone: ZoneInfo) -> list[Step]:
    """The settings one after the other, each shown when it is there; the last step is what is kept."""
    steps = []
    value = text
    if source.trim:
        value = (value or "").strip() or None
        steps.append(Step("trim", value))
    if source.case is not None and value is not None:
        value = value.lower() if source.case == "lower" else value.upper()
        steps.append(Step(f"case {source.case}", value))
    if source.values is not None and value is not None:
        found = source.values.get(value, source.other)
        steps.append(
            Step("values" if value in source.values else "values, other", columns.scalar_text(found))
        )
    if source.default is not None and value is None:
        steps.append(Step("default", columns.scalar_text(source.default)))
    field = ENTITIES[entity.entity].field(name)
    kind: Kind = field.kind if field is not None else "text"
    converted = columns.convert(kind, replace(source, paths=("x",)), pa.array([text], pa.string()), zone)
    if converted.bad:
        return [*steps, Step("set aside", f"{name} {scalars.REASONS[converted.bad[0]]}")]
    if converted.skip:
        return [*steps, Step("skipped", "the record counts as deleted")]
    kept = converted.array[0].as_py()
    if kept is None and field is not None and field.required:
        return [*steps, Step("set aside", f"{name} {scalars.REASONS['missing']}")]
    return [*steps, Step(f"kept as {kind}", None if kept is None else scalars.shown(kind, kept))]
