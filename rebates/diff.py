"""What differs between two versions of a program's terms, key by key."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from rebates.money import text
from rebates.program import Program


class Change(NamedTuple):
    """One term that is not the same; None where it is absent."""

    key: str
    old: str | None
    new: str | None


def terms_diff(old: Program, new: Program) -> list[Change]:
    """Changed terms in the order of the program's fields; tiers by name."""
    before, after = dict(_flat(old, "")), dict(_flat(new, ""))
    keys = [*before, *(key for key in after if key not in before)]
    return [Change(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]


def _flat(value: object, key: str) -> Iterator[tuple[str, str]]:
    if value is None or value == () or value == {}:
        return
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            if field.name == "name" and key:
                continue
            yield from _flat(getattr(value, field.name), f"{key}.{field.name}" if key else field.name)
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _flat(one, f"{key}.{name}")
    elif isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
        for number, one in enumerate(value, start=1):
            yield from _flat(one, f"{key}[{getattr(one, 'name', '') or number}]")
    elif isinstance(value, Decimal):
        yield key, text(value)
    elif isinstance(value, bool):
        yield key, str(value).lower()
    elif isinstance(value, tuple):
        yield key, ", ".join(str(one) for one in value)
    else:
        yield key, value.isoformat() if isinstance(value, date) else str(value)
