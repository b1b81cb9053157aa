"""Which accounts, products, orders and lines a rule speaks of.

A condition tests one canonical field: equals, in, not in, prefix, range, or under a node of a category
tree. A filter is a set of conditions that must all hold; each side (account, product, order, line) can be
asked on its own, so that a store can note the answers once per record instead of once per line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from rebates.money import parse_number, plain

Side = Literal["account", "product", "order", "line"]
SIDES: tuple[Side, ...] = ("account", "product", "order", "line")
Fields = Mapping[str, object]
TREE_SEPARATOR = "/"

# Fields that are numbers of their own: `"12.50"` asks for the amount 12.5, however it is written.
NUMBERS = {("line", "amount"), ("line", "quantity")}

# Forms of a condition's table in the program file.
FORMS = ("in", "not_in", "prefix", "at_least", "at_most", "above", "below", "under", "present")


@dataclass(frozen=True)
class Condition:
    """One test of one field. Text is compared as written; numbers and ISO dates by value in ranges."""

    side: Side
    field: str
    one_of: tuple[str, ...] | None = None
    not_in: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    under: tuple[str, ...] = ()
    at_least: str | None = None
    at_most: str | None = None
    above: str | None = None
    below: str | None = None
    present: bool | None = None

    def __post_init__(self) -> None:
        if (self.side, self.field) in NUMBERS:
            for name in ("one_of", "not_in"):
                values = getattr(self, name)
                if values:
                    object.__setattr__(self, name, tuple(_as_number(value) for value in values))

    def holds(self, fields: Fields) -> bool:
        return self.why_not(fields) is None

    def why_not(self, fields: Fields) -> str | None:
        """A sentence why the field fails the test, or None when it passes."""
        value = as_text(fields.get(self.field))
        name = f"{self.side}.{self.field}"
        if self.present is not None and (value is not None) != self.present:
            return f"{name} is {'missing' if self.present else 'set'}"
        if self.one_of is not None and value not in self.one_of:
            return f"{name} is {_quoted(value)}, not {_list(self.one_of)}"
        if self.not_in and value in self.not_in:
            return f"{name} is {_quoted(value)}, which is left out"
        if self.prefix and not (value or "").startswith(self.prefix):
            return f"{name} is {_quoted(value)}, which does not begin with {_list(self.prefix)}"
        if self.under and not any(_is_under(value, node) for node in self.under):
            return f"{name} is {_quoted(value)}, which is not under {_list(self.under)}"
        return self._out_of_range(name, value)

    def _out_of_range(self, name: str, value: str | None) -> str | None:
        bounds = (
            (self.at_least, "below"),
            (self.at_most, "above"),
            (self.above, "not above"),
            (self.below, "not below"),
        )
        for position, (bound, word) in enumerate(bounds):
            if bound is None:
                continue
            if value is None:
                return f"{name} is missing"
            order = _compare(value, bound)
            if order is None:
                return f"{name} is {_quoted(value)}, which cannot be compared with {bound}"
            if (order < 0, order > 0, order <= 0, order >= 0)[position]:
                return f"{name} is {value}, {word} {bound}"
        return None


@dataclass(frozen=True)
class Filter:
    """Conditions that must all hold; the empty filter lets everything through."""

    conditions: tuple[Condition, ...] = ()

    def side(self, side: Side) -> tuple[Condition, ...]:
        return tuple(condition for condition in self.conditions if condition.side == side)

    def passes(self, side: Side, fields: Fields) -> bool:
        return all(condition.holds(fields) for condition in self.conditions if condition.side == side)

    def why_not(self, side: Side, fields: Fields) -> str | None:
        for condition in self.conditions:
            if condition.side == side:
                reason = condition.why_not(fields)
                if reason is not None:
                    return reason
        return None

    def __add__(self, other: Filter) -> Filter:
        return Filter(self.conditions + other.conditions)


def as_text(value: object) -> str | None:
    """A field's value as conditions compare it; an empty text is a missing one."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(plain(value), "f") if value else "0"
    return str(value)


def _as_number(value: str) -> str:
    try:
        return as_text(parse_number(value)) or value
    except ValueError:
        return value  # no amount is written like that: it fits none


def _compare(value: str, bound: str) -> int | None:
    """-1, 0, 1: as numbers where both are numbers, as text where both are ISO dates; None: not comparable."""
    try:
        left: Decimal | str = parse_number(value)
        right: Decimal | str = parse_number(bound)
    except ValueError:
        if not (_looks_like_a_day(value) and _looks_like_a_day(bound)):
            return None
        left, right = value[: len(bound)], bound
    return (left > right) - (left < right)  # type: ignore[operator]


def _looks_like_a_day(text: str) -> bool:
    return len(text) >= 10 and text[4] == "-" and text[7] == "-" and text[:4].isdigit()


def _is_under(value: str | None, node: str) -> bool:
    """A category path is under itself and under each of its parents: `Care/Skin/Face` under `Care/Skin`."""
    return value is not None and (value == node or value.startswith(node + TREE_SEPARATOR))


def _quoted(value: str | None) -> str:
    return "missing" if value is None else f'"{value}"'


def _list(values: tuple[str, ...]) -> str:
    head = " or ".join(f'"{value}"' for value in values[:4])
    return f"{head} or {len(values) - 4} others" if len(values) > 4 else head
