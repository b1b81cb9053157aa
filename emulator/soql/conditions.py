"""WHERE and HAVING as SQL.

SOQL knows two truth values: a comparison with a null field is false, its NOT is true, and `!=` finds nulls. So every
comparison here is written to mean that, and NOT is `IS NOT TRUE`.
Source: SOQL and SOSL Reference, "WHERE", "Comparison Operators", "Using null"; error codes as commonly seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from emulator.errors import ApiError
from emulator.ids import to_18
from emulator.schema import NUMBER_TYPES
from emulator.soql.columns import Column, Parameters, Tables
from emulator.soql.functions import column_of, is_aggregate
from emulator.soql.periods import milliseconds
from emulator.soql.refusals import malformed, refusal
from emulator.soql.tree import (
    All,
    Any,
    Call,
    Compare,
    Condition,
    Expression,
    Includes,
    InList,
    InQuery,
    Literal,
    LiteralKind,
    Not,
    Period,
    Query,
)

WIDE = Context(prec=60)
FALSE, TRUE = "0", "1"
ORDER = {"<", "<=", ">", ">="}
MAX_TEXT = 4000  # Source: SOQL and SOSL limits, characters of one string in WHERE
BIGGEST = 2**63 - 1

TYPE_NAMES = {
    "currency": "double",
    "percent": "double",
    "datetime": "dateTime",
    "id": "ID",
    "reference": "reference",
    "picklist": "string",
    "textarea": "string",
    "phone": "string",
    "url": "string",
    "email": "string",
    "combobox": "string",
    "multipicklist": "string",
}
QUOTED = frozenset({"string", "ID", "reference"})


@dataclass(frozen=True)
class Conditions:
    """Compiles the conditions of one query block."""

    tables: Tables
    parameters: Parameters
    subquery: Callable[[Query], str]
    """Compiles the inner query of a semi-join into `SELECT … FROM …`."""
    having: bool = False

    def sql(self, condition: Condition, *, in_or: bool = False) -> str:
        match condition:
            case All(operands):
                return "(" + " AND ".join(self.sql(each, in_or=in_or) for each in operands) + ")"
            case Any(operands):
                return "(" + " OR ".join(self.sql(each, in_or=True) for each in operands) + ")"
            case Not(operand):
                return f"(({self.sql(operand, in_or=in_or)}) IS NOT TRUE)"
            case Compare():
                return self._compare(condition)
            case InList():
                return self._in_list(condition)
            case Includes():
                return self._includes(condition)
            case InQuery():
                if in_or:
                    raise malformed(
                        self.tables.statement,
                        condition.left.at,
                        "Semi join sub-selects are not allowed with the 'OR' operator",
                    )
                return self._in_query(condition)

    # -- the left side -----------------------------------------------------------------------------------

    def _left(self, expression: Expression) -> Column:
        if is_aggregate(expression) and not self.having:
            assert isinstance(expression, Call)
            raise malformed(
                self.tables.statement,
                expression.at,
                f"Aggregate functions are not allowed in WHERE: {expression.name}",
            )
        column = column_of(self.tables, expression)
        self.tables.refuse_compound(column, expression.at, "filtered")
        if not column.aggregate and not column.field.filterable:
            raise self.tables.not_possible(column, expression.at, "filtered")
        return column

    def _mismatch(self, column: Column, literal: Literal, at: int) -> ApiError:
        kind = TYPE_NAMES.get(column.type, column.type)
        quotes = "should be enclosed in quotes" if kind in QUOTED else "should not be enclosed in quotes"
        message = f"value of filter criterion for field '{column.name}' must be of type {kind} and {quotes}"
        return refusal("INVALID_FIELD", self.tables.statement, at, message)

    def _operator(self, at: int, message: str) -> ApiError:
        return refusal("INVALID_QUERY_FILTER_OPERATOR", self.tables.statement, at, message)

    # -- comparisons -------------------------------------------------------------------------------------

    def _compare(self, condition: Compare) -> str:
        left, operator, literal = condition.left, condition.operator, condition.right
        column = self._left(left)
        if literal.kind is LiteralKind.NULL or (literal.kind is LiteralKind.STRING and literal.value == ""):
            if operator == "=":
                return f"({column.sql} IS NULL)"
            if operator == "!=":
                return f"({column.sql} IS NOT NULL)"
            if literal.kind is LiteralKind.NULL:
                raise self._operator(
                    left.at, f"{operator} operator is not valid with null on field '{column.name}'"
                )
        if operator == "LIKE":
            return self._like(column, literal, left.at)
        if column.average_of is not None:
            return self._average(column, operator, literal, left.at)
        if literal.kind is LiteralKind.PERIOD and column.type in ("date", "datetime"):
            return self._period(column, operator, literal)
        if column.type in NUMBER_TYPES:
            return self._number(column, operator, self._decimal(column, literal, left.at))
        if operator in ORDER and column.type in ("boolean", "multipicklist"):
            raise self._operator(left.at, f"invalid operator on {column.type} field")
        return self._equal_or_order(column, operator, self._value(column, literal, left.at))

    def _equal_or_order(self, column: Column, operator: str, value: str | int) -> str:
        left, right = column.sql, self.parameters.bind(value)
        collation = ""
        if isinstance(value, str) and self._folds(column):
            collation = " COLLATE NOCASE"
            if not value.isascii():
                left, right = f"soql_fold({left})", self.parameters.bind(value.casefold())
        if operator == "=":
            return f"({left} = {right}{collation})"
        if operator == "!=":
            return f"({left} IS NOT {right}{collation})"
        return f"({left} {operator} {right}{collation})"

    @staticmethod
    def _folds(column: Column) -> bool:
        """Whether upper and lower case are the same in this column."""
        if column.type in ("id", "reference", "date", "time", "datetime"):
            return False
        return not column.field.case_sensitive

    def _value(self, column: Column, literal: Literal, at: int) -> str | int:
        """The literal in the encoding of the column, or the refusal of the wrong type."""
        kind, value = column.type, literal.value
        if kind == "boolean" and isinstance(value, bool):
            return int(value)
        if kind == "date" and literal.kind is LiteralKind.DATE and isinstance(value, date):
            return value.isoformat()
        if kind == "datetime" and literal.kind is LiteralKind.DATETIME and isinstance(value, datetime):
            return milliseconds(value)
        if kind == "time" and isinstance(value, time):
            return value.isoformat("milliseconds") + "Z"
        textual = kind not in ("boolean", "date", "datetime", "time")
        if not textual or literal.kind is not LiteralKind.STRING or not isinstance(value, str):
            raise self._mismatch(column, literal, at)
        if len(value) > MAX_TEXT:
            raise malformed(
                self.tables.statement, literal.at, f"String literal is longer than {MAX_TEXT} characters"
            )
        if kind in ("id", "reference"):
            known = to_18(value)
            if known is None:
                raise self._operator(at, f"invalid ID field: {value}")
            return known
        return value

    # -- numbers -----------------------------------------------------------------------------------------

    def _decimal(self, column: Column, literal: Literal, at: int) -> Decimal:
        """The literal as a number. A currency literal is taken as it is: the org has one currency."""
        if isinstance(literal.value, Decimal) and (literal.currency is None or column.type == "currency"):
            return literal.value
        raise self._mismatch(column, literal, at)

    def _number(self, column: Column, operator: str, number: Decimal) -> str:
        """A literal with more decimals than the column's field is compared as the double that would be stored; one that no
        double holds never equals, and orders by its neighbours."""
        exact = number.scaleb(column.field.scale, WIDE)
        whole = int(exact.to_integral_value(ROUND_FLOOR))
        if exact != whole and abs(whole) <= BIGGEST and not float(exact).is_integer():
            bound = self.parameters.bind(float(exact))
            return f"({column.sql} {'IS NOT' if operator == '!=' else operator} {bound})"
        if exact != whole:
            if operator == "=":
                return FALSE
            if operator == "!=":
                return TRUE
            if operator in (">", ">="):
                operator, whole = ">=", int(exact.to_integral_value(ROUND_CEILING))
            else:
                operator = "<="
        if abs(whole) > BIGGEST:  # beyond every number a column can hold
            below = whole > 0
            if operator == "=":
                return FALSE
            if operator == "!=":
                return TRUE
            return f"({column.sql} IS NOT NULL)" if (operator in ("<", "<=")) == below else FALSE
        bound = self.parameters.bind(whole)
        if operator == "!=":
            return f"({column.sql} IS NOT {bound})"
        return f"({column.sql} {operator} {bound})"

    def _average(self, column: Column, operator: str, literal: Literal, at: int) -> str:
        """AVG(x) > v, asked as SUM(x) > v * COUNT(x): no division, nothing rounded."""
        assert column.average_of is not None
        of = column.average_of
        number = self._decimal(column, literal, at)
        exponent = number.as_tuple().exponent
        assert isinstance(exponent, int)
        extra = max(0, -exponent - of.field.scale)
        whole = int(number.scaleb(of.field.scale + extra, WIDE))
        bound = self.parameters.bind(whole)
        sql = f"SUM({of.sql}) * {10**extra} {operator} {bound} * COUNT({of.sql})"
        return f"({sql})" if operator != "!=" else f"(({sql}) IS NOT FALSE)"

    # -- dates -------------------------------------------------------------------------------------------

    def _period(self, column: Column, operator: str, literal: Literal) -> str:
        calendar = self.tables.environment.calendar
        assert isinstance(literal.value, Period)
        try:
            first, after = calendar.range(literal.value)
        except (ValueError, OverflowError):
            raise malformed(self.tables.statement, literal.at, f"Invalid date: {literal.text}") from None
        if column.type == "datetime":
            bounds: tuple[int | str, int | str] = calendar.milliseconds(first), calendar.milliseconds(after)
        else:
            bounds = first.isoformat(), after.isoformat()
        sql = column.sql
        start = self.parameters.bind(bounds[0]) if operator in ("=", "!=", "<", ">=") else ""
        end = self.parameters.bind(bounds[1]) if operator in ("=", "!=", "<=", ">") else ""
        match operator:
            case "=":
                return f"({sql} >= {start} AND {sql} < {end})"
            case "!=":
                return f"({sql} IS NULL OR {sql} < {start} OR {sql} >= {end})"
            case "<" | ">=":
                return f"({sql} {operator} {start})"
            case "<=":
                return f"({sql} < {end})"
            case _:
                return f"({sql} >= {end})"

    # -- text --------------------------------------------------------------------------------------------

    def _like(self, column: Column, literal: Literal, at: int) -> str:
        if column.type in ("id", "reference"):
            raise self._operator(at, "invalid operator on id field")
        if column.type in NUMBER_TYPES or column.type in (
            "boolean",
            "date",
            "datetime",
            "time",
            "multipicklist",
        ):
            raise self._operator(at, f"invalid operator on {column.type} field")
        if literal.kind is not LiteralKind.STRING or literal.pattern is None:
            raise self._mismatch(column, literal, at)
        bound = self.parameters.bind(literal.pattern)
        if literal.pattern.isascii():
            return f"({column.sql} LIKE {bound} ESCAPE '\\')"
        return f"(soql_like({bound}, {column.sql}))"

    def _includes(self, condition: Includes) -> str:
        """`INCLUDES ('A;B', 'C')`: has both A and B, or has C. EXCLUDES is its opposite, nulls included."""
        column = self._left(condition.left)
        word = "excludes" if condition.negated else "includes"
        if column.type != "multipicklist":
            raise self._operator(condition.left.at, f"{word} operator is only valid on multipicklist fields")
        ways: list[str] = []
        for literal in condition.values:
            if literal.kind is not LiteralKind.STRING or not isinstance(literal.value, str):
                raise self._mismatch(column, literal, condition.left.at)
            every = [
                f"instr(soql_fold(';' || {column.sql} || ';'), "
                f"{self.parameters.bind(f';{part.strip().casefold()};')}) > 0"
                for part in literal.value.split(";")
            ]
            ways.append("(" + " AND ".join(every) + ")")
        sql = "(" + " OR ".join(ways) + ")"
        return f"({sql} IS NOT TRUE)" if condition.negated else sql

    # -- lists and semi-joins ----------------------------------------------------------------------------

    def _in_list(self, condition: InList) -> str:
        column = self._left(condition.left)
        plain = [each for each in condition.values if each.kind is not LiteralKind.NULL and each.value != ""]
        blank = len(plain) < len(condition.values)
        simple = (
            column.type not in NUMBER_TYPES
            and column.average_of is None
            and not any(each.kind is LiteralKind.PERIOD for each in plain)
        )
        ways: list[str] = ["(" + column.sql + " IS NULL)"] if blank else []
        if simple and plain:
            ways.append(
                self._in_values(column, [self._value(column, each, condition.left.at) for each in plain])
            )
        else:
            ways += [self._compare(Compare(condition.left, "=", each)) for each in plain]
        sql = "(" + " OR ".join(ways) + ")"
        return f"({sql} IS NOT TRUE)" if condition.negated else sql

    def _in_values(self, column: Column, values: list[str | int]) -> str:
        left = column.sql
        if self._folds(column) and column.type != "boolean":
            texts = [str(each) for each in values]
            if all(each.isascii() for each in texts):
                left += " COLLATE NOCASE"
            else:
                left, values = f"soql_fold({left})", [each.casefold() for each in texts]
        return f"({left} IN (SELECT value FROM json_each({self.parameters.bind(json.dumps(values))})))"

    def _in_query(self, condition: InQuery) -> str:
        column = self._left(condition.left)
        if column.type not in ("id", "reference"):
            raise refusal(
                "INVALID_QUERY_FILTER_OPERATOR",
                self.tables.statement,
                condition.left.at,
                f"Semi join can only be applied to ID or reference fields, not to '{column.name}'",
            )
        inner = self.subquery(condition.query)
        if condition.negated:
            return f"({column.sql} IS NULL OR {column.sql} NOT IN ({inner}))"
        return f"({column.sql} IN ({inner}))"
