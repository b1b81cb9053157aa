"""What a compiled query is: one SQLite statement and the shape its rows take in a reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from emulator import wire
from emulator.jsontext import Number
from emulator.schema import COMPOUND_TYPES, NUMBER_TYPES, SObject
from emulator.soql.columns import Column

Row = Sequence[Any]
Json = dict[str, Any]


class Member(Protocol):
    """One key of a record. `replies` holds what child queries found, by the place of the child plan."""

    @property
    def name(self) -> str: ...

    def value(self, row: Row, replies: Sequence[dict[str, Any]], url: Callable[[str, str], str]) -> Any: ...


@dataclass(frozen=True)
class Leaf:
    name: str
    index: int
    column: Column

    def value(self, row: Row, replies: Sequence[dict[str, Any]], url: Callable[[str, str], str]) -> Any:
        raw = row[self.index]
        if raw is None:
            return None
        if self.column.average_of is not None:
            return Number(raw)
        return wire.rest_value(self.column.field, raw)


@dataclass(frozen=True)
class Compound:
    """An address: null when all its parts are, else an object of them."""

    name: str
    parts: tuple[Leaf, ...]

    def value(self, row: Row, replies: Sequence[dict[str, Any]], url: Callable[[str, str], str]) -> Any:
        found = {each.name: each.value(row, replies, url) for each in self.parts}
        return found if any(each is not None for each in found.values()) else None


@dataclass
class Shape:
    """A record: its type and id, and its members in the order they were selected."""

    name: str
    type_name: str
    id_index: int
    type_index: int | None = None
    """Where the row says which object this is, for parents that may be of several kinds."""
    polymorphic: bool = False
    members: list[Member] = field(default_factory=list)

    def value(self, row: Row, replies: Sequence[dict[str, Any]], url: Callable[[str, str], str]) -> Any:
        """The record as JSON; None for a parent that is not there."""
        key = row[self.id_index]
        if key is None:
            return None
        actual = self.type_name if self.type_index is None else row[self.type_index]
        if actual is None:
            return None
        shown = "Name" if self.polymorphic else actual
        record: Json = {"attributes": {"type": shown, "url": url(actual, key)}}
        for member in self.members:
            record[member.name] = member.value(row, replies, url)
        return record


@dataclass(frozen=True)
class ByType:
    """A polymorphic parent whose members depend on what it is (`TYPEOF … WHEN … THEN … ELSE … END`)."""

    name: str
    id_index: int
    type_index: int
    branches: tuple[tuple[str, tuple[Leaf, ...]], ...]
    otherwise: tuple[Leaf, ...]

    def value(self, row: Row, replies: Sequence[dict[str, Any]], url: Callable[[str, str], str]) -> Any:
        """Assumed: null when no branch fits and there is no ELSE."""
        key, actual = row[self.id_index], row[self.type_index]
        leaves = dict(self.branches).get(actual, self.otherwise)
        if key is None or actual is None or not leaves:
            return None
        record: Json = {"attributes": {"type": actual, "url": url(actual, key)}}
        return record | {each.name: each.value(row, replies, url) for each in leaves}


@dataclass(frozen=True)
class ChildSet:
    """The records of a child query, found by the parent's id; null when there are none."""

    name: str
    place: int
    id_index: int

    def value(self, row: Row, replies: Sequence[dict[str, Any]], url: Callable[[str, str], str]) -> Any:
        return replies[self.place].get(row[self.id_index])


@dataclass
class ChildPlan:
    """A child query: `sql` takes, as its last parameter, the JSON list of parent ids; it gives rows in order of
    parent, the parent's id in `parent_index`."""

    name: str
    sql: str
    values: list[Any]
    parent_index: int
    shape: Shape
    children: list[ChildPlan] = field(default_factory=list)


@dataclass
class Plan:
    """`columns` and `body` make the statement; `count` plans give one number, `aggregate` ones no record ids."""

    sobject: SObject
    columns: list[Column]
    body: str
    values: list[Any]
    shape: Shape | None
    """None: the rows are aggregate results, named by `names`."""
    names: tuple[str, ...] = ()
    children: list[ChildPlan] = field(default_factory=list)
    count_only: bool = False
    sql: str = ""
    headings: tuple[str, ...] = ()
    """Names of the selected columns as the Bulk API heads them (`Account.Name`)."""
    selected: tuple[int, ...] = ()
    """Places of the selected columns, in order; a hidden column carries the record's id."""
    features: frozenset[str] = frozenset()
    """What the statement uses that some callers refuse: aggregate, offset, child, typeof, compound, fields."""

    def aggregate_row(self, row: Row) -> Json:
        out: Json = {"attributes": {"type": "AggregateResult"}}
        for name, raw, column in zip(self.names, row, self.columns, strict=False):
            out[name] = Leaf(name, 0, column).value((raw,), (), _no_url)
        return out


def _no_url(kind: str, key: str) -> str:
    return ""


def describe_column(name: str, column: Column) -> Json:
    """One entry of the `columns=true` reply. Source: what Salesforce's own report pages ask for; assumed in detail."""
    numeric = column.type in NUMBER_TYPES
    return {
        "columnName": name,
        "displayName": column.name or name,
        "aggregate": column.aggregate,
        "apexType": "Decimal" if numeric and column.type != "int" else column.type.title(),
        "booleanType": column.type == "boolean",
        "custom": column.field.custom,
        "foreignKeyName": None,
        "insertable": column.field.createable,
        "joinColumns": [],
        "numberType": numeric,
        "textType": not numeric and column.type not in ("boolean", *COMPOUND_TYPES),
        "updatable": column.field.updateable,
    }
