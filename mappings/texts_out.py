"""Texts as Salesforce takes them: cut to what a field holds, JSON with exact numbers that still fits.

Salesforce counts UTF-16 units: an emoji is two. A pair is never cut in two, and JSON is never cut at all: it loses what is
least important, and stays JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

import orjson

_ELLIPSIS = "…"
_NESTED = frozenset({dict, list, tuple})


def units(text: str) -> int:
    """The length of a text as Salesforce counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def fits(text: str, length: int | None) -> bool:
    return (
        length is None or 2 * len(text) <= length or units(text) <= length
    )  # no character is more than two units


def cut(text: str, length: int | None) -> str:
    """The text, or as much of it as the field holds with an ellipsis after it."""
    if length is None or fits(text, length):
        return text
    kept = ""
    room = length - 1
    for char in text:
        room -= 2 if ord(char) > 0xFFFF else 1
        if room < 0:
            break
        kept += char
    return kept.rstrip() + _ELLIPSIS


def json_within(raw: Any, length: int | None) -> str | None:
    """JSON with exact numbers. A list that does not fit loses its last items (the oldest), a ladder the tiers that are
    farthest from where the member stands; None where nothing of it fits, which leaves the field empty.
    """
    if raw is None:
        return None
    text = json_text(raw)
    if fits(text, length):
        return text
    return next((text for less in _less(raw) if fits(text := json_text(less), length)), None)


def _less(raw: Any) -> Iterator[Any]:
    """The same with less and less in it."""
    if isinstance(raw, (list, tuple)):
        yield from (raw[:count] for count in range(len(raw) - 1, -1, -1))
    elif isinstance(raw, Mapping) and isinstance(raw.get("tiers"), (list, tuple)):
        yield from ({**raw, "tiers": tiers} for tiers in _fewer_tiers(raw["tiers"]))


def _fewer_tiers(tiers: Any) -> Iterator[list[Any]]:
    """Kept longest: the tier that was reached last and the next one, by which the card says what there is to win."""
    left = list(tiers)
    while left:
        reached = sum(bool(tier.get("reached")) for tier in left)
        below, above = reached - 1, len(left) - reached - 1  # tiers beyond those two, on each side
        left.pop(-1 if (above > 0 and above >= below) or below <= 0 else 0)
        yield list(left)


def iso_instant(moment: datetime) -> str:
    """As Salesforce takes it, to the millisecond."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03}Z"


def json_text(value: Any) -> str:
    """Compact JSON, keys in the order given; a Decimal is written as the number it is."""
    _refuse_floats(value)
    return orjson.dumps(value, default=_json_rest, option=_OWN_WAY).decode()


class Told(list[Any]):
    """A list that many records hold, whose JSON is written once. Nobody changes it."""

    @cached_property
    def text(self) -> str:
        return json_text(list(self))


_OWN_WAY = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


def _refuse_floats(value: Any) -> None:
    """The library would write them."""
    inner = value.values() if type(value) is dict else value if type(value) in (list, tuple) else (value,)
    kinds = set(map(type, inner))
    if float in kinds:
        raise TypeError("money is never a float")
    if not _NESTED.isdisjoint(kinds):
        for one in inner:
            if type(one) in _NESTED:
                _refuse_floats(one)


def _json_rest(value: Any) -> Any:
    """What the library does not know, or would write its own way."""
    if isinstance(value, Decimal):
        return orjson.Fragment(plain(value))
    if isinstance(value, Told):
        return orjson.Fragment(value.text)
    if isinstance(value, str):  # a word of a list of words
        return str.__str__(value)
    if isinstance(value, datetime):
        return iso_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (Mapping, list, tuple)):
        plainly = dict(value) if isinstance(value, Mapping) else list(value)
        _refuse_floats(plainly)
        return plainly
    raise TypeError(f"{type(value).__name__} does not belong into JSON")


def plain(value: Decimal) -> str:
    """Exact text without exponent and trailing zeros: equal amounts read the same."""
    if value.is_zero():
        return "0"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
