"""The clauses that every kind of query has: FROM, WHERE with its semi-joins, ORDER BY, LIMIT and OFFSET."""

from __future__ import annotations

from collections.abc import Iterator

from emulator.errors import ApiError
from emulator.schema import SObject
from emulator.soql.columns import Column, Environment, Parameters, Tables
from emulator.soql.conditions import Conditions
from emulator.soql.functions import column_of
from emulator.soql.refusals import malformed, no_such_type, refusal
from emulator.soql.tree import Expression, InQuery, Item, Ordering, Path, Query

MAX_OFFSET = 2000
SCOPES = {"everything", "mine"}


class Clauses:
    """Compiles clauses of one statement into one list of parameters. `prefixes` keep table aliases apart."""

    def __init__(
        self, statement: str, environment: Environment, prefixes: Iterator[str] | None = None
    ) -> None:
        self.statement = statement
        self.environment = environment
        self.parameters = Parameters()
        self.prefixes = prefixes or _prefixes()

    def sobject(self, path: Path) -> SObject:
        found = self.environment.schema.sobject(path.text)
        if found is None or not self.environment.open(found):
            raise no_such_type(self.statement, path.at, path.text)
        if not found.flag("queryable"):
            raise ApiError(
                400, "INVALID_TYPE_FOR_OPERATION", f"entity type {found.name} does not support query"
            )
        return found

    def tables(self, tree: Query, sobject: SObject) -> Tables:
        names: dict[str, tuple[str, ...]] = {}
        if tree.sources[0].alias:
            names[tree.sources[0].alias.lower()] = ()
        tables = Tables(self.environment, self.statement, sobject, next(self.prefixes), names)
        for source in tree.sources[1:]:  # FROM Contact c, c.Account a
            steps, last = tables.resolve(source.path)
            tables.parent((*steps, last), source.path.at)
            names[(source.alias or last).lower()] = (*steps, last)
        return tables

    def check_tail(self, tree: Query) -> None:
        if tree.offset is not None and tree.offset.number > MAX_OFFSET:
            raise refusal(
                "NUMBER_OUTSIDE_VALID_RANGE",
                self.statement,
                tree.offset.at,
                f"Maximum SOQL offset allowed is {MAX_OFFSET}",
            )
        if tree.scope is not None and tree.scope.lower() not in SCOPES:
            raise malformed(self.statement, tree.at, f"Invalid scope: {tree.scope}")
        if tree.with_clause is not None and tree.with_clause.upper() not in (
            "SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE",
        ):  # fmt: skip
            raise malformed(self.statement, tree.at, f"unexpected token: '{tree.with_clause}'")

    def where(self, tree: Query, tables: Tables) -> str:
        parts: list[str] = []
        if not (self.environment.all_rows or tree.all_rows) and tables.sobject.field("IsDeleted"):
            parts.append(f'{tables.base}."IsDeleted" = 0')
        if tree.scope is not None and tree.scope.lower() == "mine" and tables.sobject.field("OwnerId"):
            parts.append(f'{tables.base}."OwnerId" = {self.parameters.bind(self.environment.user_id)}')
        if tree.where is not None:
            parts.append(Conditions(tables, self.parameters, self.semi_join).sql(tree.where))
        return f" WHERE {' AND '.join(parts)}" if parts else ""

    def semi_join(self, tree: Query) -> str:
        """The inner SELECT of `Id IN (SELECT AccountId FROM Order …)`."""
        item = tree.select[0]
        if len(tree.select) != 1 or not isinstance(item, Item) or not isinstance(item.expression, Path):
            raise malformed(self.statement, tree.at, "semi join sub-selects can only query one id field")
        if tree.order or tree.limit or tree.offset or tree.group:
            raise malformed(
                self.statement,
                tree.at,
                "semi join sub-selects cannot use ORDER BY, LIMIT, OFFSET or GROUP BY",
            )
        if isinstance(tree.where, InQuery):
            raise malformed(
                self.statement, tree.where.left.at, "Nesting of semi join sub-selects is not supported"
            )
        tables = self.tables(tree, self.sobject(tree.sources[0].path))
        column = column_of(tables, item.expression)
        if column.type not in ("id", "reference"):
            raise malformed(
                self.statement,
                item.at,
                f"semi join sub-selects can only query id fields, cannot use: '{column.name}'",
            )
        where = self.where(tree, tables)
        known = f"{column.sql} IS NOT NULL"
        return f"SELECT {column.sql} FROM {tables.sql()}{where + ' AND ' if where else ' WHERE '}{known}"

    def order(self, tree: Query, tables: Tables) -> str:
        if not tree.order:
            return ""
        parts = [f"{sql} {way}" for sql, way in (self.order_item(each, tables, None) for each in tree.order)]
        own = f'{tables.base}."Id"'
        if not any(part.startswith(own) for part in parts):
            parts.append(own)  # equal rows keep one order, so that pages do not overlap
        return f" ORDER BY {', '.join(parts)}"

    def order_item(
        self, ordering: Ordering, tables: Tables, keys: dict[str, Column] | None
    ) -> tuple[str, str]:
        """The SQL to order by, and the direction. Nulls come first unless the statement says otherwise."""
        column = column_of(tables, ordering.expression)
        tables.refuse_compound(column, ordering.expression.at, "sorted")
        if keys is not None:
            self.must_be_grouped(column, keys, ordering.expression)
        elif column.aggregate:
            raise malformed(
                self.statement,
                ordering.expression.at,
                f"Field must be grouped or aggregated: {text(ordering.expression)}",
            )
        if not column.field.sortable:
            raise tables.not_possible(column, ordering.expression.at, "sorted")
        sql = column.sql
        if column.average_of is not None:  # order only: the value itself is exact
            sql = f"CAST(SUM({column.average_of.sql}) AS REAL) / COUNT({column.average_of.sql})"
        way = "DESC" if ordering.descending else "ASC"
        if column.type not in ("id", "reference", "date", "datetime") and not column.field.case_sensitive:
            way = f"COLLATE NOCASE {way}"
        never_null = (
            not column.field.nillable
            and isinstance(ordering.expression, Path)
            and "." not in text(ordering.expression)
        )
        if ordering.nulls_last:
            way += " NULLS LAST"
        elif not never_null:
            way += " NULLS FIRST"
        return sql, way

    def must_be_grouped(self, column: Column, keys: dict[str, Column], expression: Expression) -> None:
        if not column.aggregate and column.sql not in keys:
            raise malformed(
                self.statement, expression.at, f"Field must be grouped or aggregated: {text(expression)}"
            )


def text(expression: Expression) -> str:
    if isinstance(expression, Path):
        return expression.text
    return f"{expression.name}({', '.join(text(each) for each in expression.args)})"


def limits(tree: Query) -> str:
    if tree.limit is None and tree.offset is None:
        return ""
    limit = tree.limit.number if tree.limit is not None else -1
    return f" LIMIT {limit} OFFSET {tree.offset.number if tree.offset else 0}"


def _prefixes() -> Iterator[str]:
    count = 0
    while True:
        yield f"t{count}_" if count else "t_"
        count += 1
