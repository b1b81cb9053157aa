"""`@{refA.id}`: values of earlier replies inside later requests of one composite call.

Source: REST API Developer Guide, "Composite": reference ids, `@{referenceId.FieldName}`, list elements by [n].
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote

from emulator.errors import ApiError
from emulator.jsontext import Number

REFERENCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*\Z")
_WHOLE = re.compile(r"@\{([^{}]+)\}\Z")
_PART = re.compile(r"@\{([^{}]+)\}")
_STEP = re.compile(r"\.?([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]|\.(\d+)")


class Reply(Protocol):
    """What a part answered."""

    @property
    def body(self) -> Any: ...


class Unresolved(Exception):
    """A reference leads nowhere; the message is what the part's error says."""


def used_in(*values: Any) -> set[str]:
    """The reference ids that occur anywhere in some values."""
    found: set[str] = set()
    for value in values:
        if isinstance(value, str):
            found.update(re.split(r"[.\[]", each, maxsplit=1)[0] for each in _PART.findall(value))
        elif isinstance(value, Mapping):
            found |= used_in(*value.values())
        elif isinstance(value, list):
            found |= used_in(*value)
    return found


def resolve(expression: str, replies: Mapping[str, Reply]) -> Any:
    """The value an expression such as `refA.records[0].Id` stands for."""
    name = re.split(r"[.\[]", expression, maxsplit=1)[0]
    if name not in replies:
        raise Unresolved(f"Invalid reference specified. No reference with id {name} found in the request.")
    value, rest = replies[name].body, expression[len(name) :]
    position = 0
    while position < len(rest):
        step = _STEP.match(rest, position)
        if step is None:
            raise Unresolved(f"Invalid reference specified. Invalid syntax: {expression}")
        key, index = step[1], step[2] or step[3]
        if key is not None and isinstance(value, Mapping):
            value = next((each for own, each in value.items() if own.lower() == key.lower()), None)
        elif index is not None and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        else:
            value = None
        if value is None:
            raise Unresolved(f"Invalid reference specified. No value for {expression} found in {name}")
        position = step.end()
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list):
        raise Unresolved("Invalid reference specified. The reference leads to an object, not to a value")
    return str(value)


def fill(value: Any, replies: Mapping[str, Reply]) -> Any:
    """A body with its references replaced; a value that is nothing but a reference keeps its type."""
    if isinstance(value, str):
        whole = _WHOLE.match(value)
        if whole:
            found = resolve(whole[1], replies)
            _text(found)
            return str(found) if isinstance(found, Number) else found
        return _PART.sub(lambda part: _text(resolve(part[1], replies)), value)
    if isinstance(value, Mapping):
        return {key: fill(each, replies) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, replies) for each in value]
    return value


def fill_url(url: str, replies: Mapping[str, Reply]) -> str:
    return _PART.sub(lambda part: quote(_text(resolve(part[1], replies)), safe=""), url)


def check_ids(parts: list[dict[str, Any]]) -> None:
    """Every part has a reference id, well formed and its own."""
    seen: set[str] = set()
    for part in parts:
        name = part.get("referenceId")
        if not isinstance(name, str) or not REFERENCE_ID.match(name):
            raise ApiError(
                400,
                "INVALID_FIELD",
                f"The referenceId '{name}' is missing or invalid: use letters, numbers and _",
            )
        if name in seen:
            raise ApiError(400, "INVALID_FIELD", f"Duplicate referenceId provided: {name}")
        seen.add(name)


def fill_url_with(url: str, filler: str) -> str:
    """The address with every reference replaced by the same text, to look at its form."""
    return _PART.sub(filler, url)
