"""Builds the syntax tree bottom-up while Lark parses: one method for each rule of the grammar."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Any as Anything

from lark import Token, Transformer

from emulator.soql import literals
from emulator.soql.tree import (
    All,
    Any,
    Call,
    ChildQuery,
    Compare,
    Condition,
    Count,
    Expression,
    Includes,
    InList,
    InQuery,
    Item,
    Literal,
    LiteralKind,
    Not,
    Ordering,
    Path,
    Period,
    Query,
    Source,
    TypeOf,
)

# Words that can be no name even where the grammar expects one: `SELECT FROM Account`.
RESERVED = {"SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "LIKE", "IN", "HAVING", "NULL"}


class BadLiteral(Exception):
    """A value that reads as a literal but is none; becomes MALFORMED_QUERY at its place."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message


def _at(token: Token) -> int:
    return token.start_pos or 0


if TYPE_CHECKING:
    _Base = Transformer[Token, Query]
else:
    _Base = Transformer


class Builder(_Base):
    """Builds the tree bottom-up while Lark parses. A clause is handed up as a (name, value) pair."""

    def start(self, parts: list[Query]) -> Query:
        return parts[0]

    def query(self, parts: list[Anything]) -> Query:
        select, sources, *clauses = parts
        return Query(select, sources, sources[0].path.at, **dict(clauses))

    # SELECT
    def select_list(self, parts: list[Anything]) -> tuple[Anything, ...]:
        return tuple(parts)

    def item(self, parts: list[Anything]) -> Item:
        expression: Expression = parts[0]
        return Item(expression, parts[1] if len(parts) > 1 else None, expression.at)

    def child_query(self, parts: list[Query]) -> ChildQuery:
        return ChildQuery(parts[0], parts[0].at)

    def alias(self, parts: list[Token]) -> str:
        return str(parts[0])

    def path(self, parts: list[Token]) -> Path:
        if parts[0].upper() in RESERVED:
            raise BadLiteral(_at(parts[0]), f"unexpected token: '{parts[0]}'")
        return Path(tuple(parts[0].split(".")), _at(parts[0]))

    def call(self, parts: list[Anything]) -> Call:
        name, *args = parts
        return Call(str(name), tuple(arg for arg in args if arg is not None), _at(name))

    def typeof(self, parts: list[Anything]) -> TypeOf:
        path, *rest = parts
        branches = tuple(part for kind, part in rest if kind == "when")
        otherwise = next((part for kind, part in rest if kind == "else"), ())
        return TypeOf(path, branches, otherwise, path.at)

    def typeof_when(self, parts: list[Anything]) -> tuple[str, tuple[str, tuple[Path, ...]]]:
        return "when", (str(parts[0]), tuple(parts[1:]))

    def typeof_else(self, parts: list[Path]) -> tuple[str, tuple[Path, ...]]:
        return "else", tuple(parts)

    # FROM
    def sources(self, parts: list[Source]) -> tuple[Source, ...]:
        return tuple(parts)

    def source(self, parts: list[Token]) -> Source:
        return Source(self.path(parts[:1]), str(parts[1]) if len(parts) > 1 else None)

    def scope(self, parts: list[Token]) -> tuple[str, str]:
        return "scope", str(parts[0])

    def with_clause(self, parts: list[Token]) -> tuple[str, str]:
        return "with_clause", str(parts[0])

    # conditions
    def where(self, parts: list[Condition]) -> tuple[str, Condition]:
        return "where", parts[0]

    def having(self, parts: list[Condition]) -> tuple[str, Condition]:
        return "having", parts[0]

    def all_of(self, parts: list[Condition]) -> All:
        return All(tuple(parts))

    def any_of(self, parts: list[Condition]) -> Any:
        return Any(tuple(parts))

    def negation(self, parts: list[Condition]) -> Not:
        return Not(parts[0])

    def compare(self, parts: list[Anything]) -> Compare:
        left, operator, right = parts
        return Compare(left, "!=" if operator == "<>" else str(operator), right)

    def like(self, parts: list[Anything]) -> Compare:
        return Compare(parts[0], "LIKE", parts[1])

    def in_list(self, parts: list[Anything]) -> InList:
        return InList(parts[0], False, parts[1])

    def not_in_list(self, parts: list[Anything]) -> InList:
        return InList(parts[0], True, parts[1])

    def semi_join(self, parts: list[Anything]) -> InQuery:
        return InQuery(parts[0], False, parts[1])

    def anti_join(self, parts: list[Anything]) -> InQuery:
        return InQuery(parts[0], True, parts[1])

    def includes(self, parts: list[Anything]) -> Includes:
        return Includes(parts[0], False, parts[1])

    def excludes(self, parts: list[Anything]) -> Includes:
        return Includes(parts[0], True, parts[1])

    def value_list(self, parts: list[Literal]) -> tuple[Literal, ...]:
        return tuple(parts)

    # values
    def string(self, parts: list[Token]) -> Literal:
        token = parts[0]
        try:
            text, pattern = literals.string(token)
        except literals.IllegalEscape as illegal:
            raise BadLiteral(
                _at(token),
                f"Invalid string literal {token}. Illegal character sequence '{illegal.sequence}' in string literal.",
            ) from None
        return Literal(LiteralKind.STRING, text, _at(token), str(token), pattern=pattern)

    def number(self, parts: list[Token]) -> Literal:
        return Literal(LiteralKind.NUMBER, literals.number(parts[0]), _at(parts[0]), str(parts[0]))

    def currency(self, parts: list[Token]) -> Literal:
        token = parts[0]
        value = literals.number(token[3:])
        return Literal(LiteralKind.CURRENCY, value, _at(token), str(token), currency=token[:3].upper())

    def _moment(self, token: Token, kind: LiteralKind, read: Callable[[str], Anything]) -> Literal:
        try:
            return Literal(kind, read(str(token)), _at(token), str(token))
        except (ValueError, OverflowError):
            raise BadLiteral(_at(token), f"Invalid {kind}: {token}") from None

    def datetime(self, parts: list[Token]) -> Literal:
        return self._moment(parts[0], LiteralKind.DATETIME, literals.instant)

    def date(self, parts: list[Token]) -> Literal:
        return self._moment(parts[0], LiteralKind.DATE, literals.day)

    def time(self, parts: list[Token]) -> Literal:
        return self._moment(parts[0], LiteralKind.TIME, literals.clock_time)

    def period(self, parts: list[Token]) -> Literal:
        return Literal(LiteralKind.PERIOD, Period(parts[0].upper()), _at(parts[0]), str(parts[0]))

    def n_periods(self, parts: list[Token]) -> Literal:
        name, count = parts[0].upper().split(":")
        return Literal(LiteralKind.PERIOD, Period(name.strip(), int(count)), _at(parts[0]), str(parts[0]))

    def null(self, parts: list[Token]) -> Literal:
        return Literal(LiteralKind.NULL, None, _at(parts[0]), "null")

    def true(self, parts: list[Token]) -> Literal:
        return Literal(LiteralKind.BOOLEAN, True, _at(parts[0]), "true")

    def false(self, parts: list[Token]) -> Literal:
        return Literal(LiteralKind.BOOLEAN, False, _at(parts[0]), "false")

    # the tail
    def group(self, parts: list[Expression]) -> tuple[str, tuple[Expression, ...]]:
        return "group", tuple(parts)

    def order(self, parts: list[Ordering]) -> tuple[str, tuple[Ordering, ...]]:
        return "order", tuple(parts)

    def ordering(self, parts: list[Anything]) -> Ordering:
        expression, *rest = parts
        descending = any(str(part).lower() == "desc" for part in rest)
        nulls = next((part for part in rest if isinstance(part, bool)), None)
        return Ordering(expression, descending, nulls)

    def nulls(self, parts: list[Token]) -> bool:
        return parts[0].type == "NULLS_LAST"

    def _count(self, token: Token) -> Count:
        if not token.isdigit():
            raise BadLiteral(_at(token), f"unexpected token: '{token}'")
        return Count(int(token), _at(token))

    def limit(self, parts: list[Token]) -> tuple[str, Count]:
        return "limit", self._count(parts[0])

    def offset(self, parts: list[Token]) -> tuple[str, Count]:
        return "offset", self._count(parts[0])

    def for_clause(self, parts: list[Token]) -> tuple[str, tuple[str, ...]]:
        return "for_what", tuple(part.upper() for part in parts)

    def all_rows(self, parts: list[Token]) -> tuple[str, bool]:
        return "all_rows", True
