"""Queries that answer in groups: aggregates, GROUP BY with ROLLUP and CUBE, HAVING, COUNT().

ROLLUP and CUBE are one SELECT for each set of groups, put together by UNION ALL.
Source: SOQL and SOSL Reference, "GROUP BY", "GROUP BY ROLLUP", "GROUP BY CUBE", "GROUPING(fieldName)".
"""

from __future__ import annotations

from itertools import combinations

from emulator.soql.clauses import Clauses, limits
from emulator.soql.columns import Column, Tables, result_field
from emulator.soql.conditions import Conditions
from emulator.soql.functions import column_of, is_aggregate
from emulator.soql.plan import Plan
from emulator.soql.refusals import malformed
from emulator.soql.tree import Call, Expression, Item, Path, Query


def is_grouped(tree: Query) -> bool:
    return bool(tree.group) or any(
        isinstance(each, Item) and _aggregates(each.expression) for each in tree.select
    )


def _aggregates(expression: Expression) -> bool:
    return is_aggregate(expression) or (
        isinstance(expression, Call) and expression.name.upper() == "GROUPING"
    )


class Grouping:
    """Compiles one grouped query."""

    def __init__(self, clauses: Clauses) -> None:
        self._clauses = clauses

    def plan(self, tree: Query, tables: Tables) -> Plan:
        if self._is_count(tree):
            return self._count(tree, tables)
        sets, keys = self._grouping(tree, tables)
        columns: list[Column] = []
        names: list[str] = []
        expr = 0
        for item in tree.select:
            if not isinstance(item, Item):
                raise malformed(
                    self._clauses.statement,
                    item.at,
                    "Grouped query cannot use child relationships in the SELECT list",
                )
            if isinstance(item.expression, Call) and item.expression.name.upper() == "GROUPING":
                column = self._grouping_flag(item.expression, tables, keys)
            else:
                column = column_of(tables, item.expression)
            self._clauses.must_be_grouped(column, keys, item.expression)
            columns.append(column)
            if item.alias:
                names.append(item.alias)
            elif isinstance(item.expression, Path):
                names.append(column.name)
            else:
                names.append(f"expr{expr}")
                expr += 1
        twice = next(
            (name for name in names if [each.lower() for each in names].count(name.lower()) > 1), None
        )
        if twice is not None:
            raise malformed(self._clauses.statement, tree.at, f"duplicate alias: {twice}")
        where = self._clauses.where(tree, tables)
        having = ""
        if tree.having is not None:
            conditions = Conditions(tables, self._clauses.parameters, self._clauses.semi_join, having=True)
            having = f" HAVING {conditions.sql(tree.having)}"
        order = [self._clauses.order_item(each, tables, keys) for each in tree.order]
        body = ""
        selects = []
        for group in sets:
            chosen = [self._in_set(each.sql, group, keys) for each in columns]
            ordering = [
                f"{self._in_set(sql, group, keys)} AS o{index}" for index, (sql, _) in enumerate(order)
            ]
            grouped = f" GROUP BY {', '.join(sorted(group, key=list(keys).index))}" if group else ""
            listed = ", ".join([*(f"{sql} AS c{index}" for index, sql in enumerate(chosen)), *ordering])
            selects.append(f"SELECT {listed} FROM {tables.sql()}{where}{grouped}{having}")
        tail = ", ".join(f"o{index} {way}" for index, (_, way) in enumerate(order))
        outer = ", ".join(f"c{index}" for index in range(len(columns)))
        sql = f"SELECT {outer} FROM ({' UNION ALL '.join(selects)})"
        if tail:
            sql += f" ORDER BY {tail}"
        sql += limits(tree)
        return Plan(
            tables.sobject, columns, body, [], None, names=tuple(names), sql=sql, headings=tuple(names),
            features=frozenset({"aggregate"}),
        )  # fmt: skip

    @staticmethod
    def _is_count(tree: Query) -> bool:
        if len(tree.select) != 1 or not isinstance(tree.select[0], Item):
            return False
        call = tree.select[0].expression
        return isinstance(call, Call) and call.name.upper() == "COUNT" and not call.args

    def _count(self, tree: Query, tables: Tables) -> Plan:
        if tree.group:
            raise malformed(
                self._clauses.statement, tree.at, "COUNT() cannot be used with GROUP BY: use COUNT(Id)"
            )
        if tree.order:
            raise malformed(
                self._clauses.statement, tree.order[0].expression.at, "COUNT() cannot be used with ORDER BY"
            )
        where = self._clauses.where(tree, tables)
        if tree.limit is None and tree.offset is None:
            sql = f"SELECT COUNT(*) FROM {tables.sql()}{where}"
        else:
            sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM {tables.sql()}{where}{limits(tree)})"
        column = Column("COUNT(*)", result_field("int"), "", aggregate=True)
        return Plan(
            tables.sobject,
            [column],
            "",
            [],
            None,
            sql=sql,
            count_only=True,
            features=frozenset({"aggregate"}),
        )

    def _grouping(self, tree: Query, tables: Tables) -> tuple[list[tuple[str, ...]], dict[str, Column]]:
        """The sets to group by (one; several for ROLLUP and CUBE) and the grouped columns by their SQL."""
        keys: dict[str, Column] = {}
        expressions: tuple[Expression, ...] = tree.group
        kind = ""
        if len(expressions) == 1 and isinstance(expressions[0], Call):
            call = expressions[0]
            if call.name.upper() in ("ROLLUP", "CUBE"):
                kind, expressions = call.name.upper(), call.args
        for each in expressions:
            column = column_of(tables, each)
            tables.refuse_compound(column, each.at, "grouped")
            if not column.field.groupable or column.aggregate:
                raise tables.not_possible(column, each.at, "grouped")
            keys[column.sql] = column
        all_keys = tuple(keys)
        if kind == "ROLLUP":
            return [all_keys[:end] for end in range(len(all_keys), -1, -1)], keys
        if kind == "CUBE":
            return [
                chosen for size in range(len(all_keys), -1, -1) for chosen in combinations(all_keys, size)
            ], keys
        return [all_keys], keys

    def _grouping_flag(self, call: Call, tables: Tables, keys: dict[str, Column]) -> Column:
        """GROUPING(field): 1 in the rows that a ROLLUP or CUBE adds without the field."""
        if len(call.args) != 1:
            raise malformed(self._clauses.statement, call.at, "GROUPING takes one field")
        inner = column_of(tables, call.args[0])
        self._clauses.must_be_grouped(inner, keys, call.args[0])
        return Column(f"grouping:{inner.sql}", result_field("int"), "", aggregate=True)

    @staticmethod
    def _in_set(sql: str, group: tuple[str, ...], keys: dict[str, Column]) -> str:
        if sql.startswith("grouping:"):
            return "0" if sql.removeprefix("grouping:") in group else "1"
        return "NULL" if sql in keys and sql not in group else sql
