"""The syntax tree of a SOQL statement: what was written, not yet what it means.

Names keep the spelling of the statement. Every node that can be refused knows where it stands
(`at`, an offset into the statement), so that the refusal can point at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Path:
    """`Name`, `Account.Owner.Name`."""

    parts: tuple[str, ...]
    at: int

    @property
    def text(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Call:
    """`SUM(TotalAmount)`, `COUNT()`, `CALENDAR_YEAR(convertTimezone(CreatedDate))`."""

    name: str
    args: tuple[Expression, ...]
    at: int


Expression = Path | Call


class LiteralKind(StrEnum):
    STRING = "string"
    NUMBER = "number"
    CURRENCY = "currency"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    PERIOD = "period"
    BOOLEAN = "boolean"
    NULL = "null"


@dataclass(frozen=True, slots=True)
class Period:
    """A relative date literal: `LAST_N_DAYS:30` is Period("LAST_N_DAYS", 30); `TODAY` has no count."""

    name: str
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Literal:
    """One value. `pattern` is set for strings: the same text with LIKE wildcards kept apart from escapes."""

    kind: LiteralKind
    value: str | Decimal | date | datetime | time | Period | bool | None
    at: int
    text: str
    currency: str | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Compare:
    left: Expression
    operator: str  # "=", "!=", "<", "<=", ">", ">=", "LIKE"
    right: Literal


@dataclass(frozen=True, slots=True)
class InList:
    left: Expression
    negated: bool
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class InQuery:
    """Semi-join, or anti-join when negated."""

    left: Expression
    negated: bool
    query: Query


@dataclass(frozen=True, slots=True)
class Includes:
    """INCLUDES or, negated, EXCLUDES: for multi-select picklists."""

    left: Expression
    negated: bool
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Not:
    operand: Condition


@dataclass(frozen=True, slots=True)
class All:
    operands: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any:
    operands: tuple[Condition, ...]


Condition = Compare | InList | InQuery | Includes | Not | All | Any


@dataclass(frozen=True, slots=True)
class Item:
    """One selected field or function."""

    expression: Expression
    alias: str | None
    at: int


@dataclass(frozen=True, slots=True)
class ChildQuery:
    query: Query
    at: int


@dataclass(frozen=True, slots=True)
class TypeOf:
    """`TYPEOF What WHEN Account THEN Phone ELSE Name END`."""

    path: Path
    branches: tuple[tuple[str, tuple[Path, ...]], ...]
    otherwise: tuple[Path, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Source:
    path: Path
    alias: str | None


@dataclass(frozen=True, slots=True)
class Ordering:
    expression: Expression
    descending: bool
    nulls_last: bool | None  # None: the default, nulls first


@dataclass(frozen=True, slots=True)
class Count:
    """The number after LIMIT or OFFSET."""

    number: int
    at: int


@dataclass(frozen=True, slots=True)
class Query:
    select: tuple[Item | ChildQuery | TypeOf, ...]
    sources: tuple[Source, ...]
    at: int
    scope: str | None = None
    where: Condition | None = None
    with_clause: str | None = None
    group: tuple[Expression, ...] = ()
    having: Condition | None = None
    order: tuple[Ordering, ...] = ()
    limit: Count | None = None
    offset: Count | None = None
    for_what: tuple[str, ...] = ()
    all_rows: bool = False
