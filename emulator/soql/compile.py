"""A syntax tree and a schema, to one SQLite statement and the shape of its reply.

Parents become LEFT JOINs, semi-joins become IN (SELECT …), child queries statements of their own that run for a page
of parents. Source: SOQL and SOSL Reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

from emulator.errors import ApiError
from emulator.schema import COMPOUND_TYPES, Child, SObject
from emulator.soql.columns import Column, Environment, Parameters, Tables, result_field
from emulator.soql.conditions import Conditions
from emulator.soql.functions import column_of, is_aggregate
from emulator.soql.parse import parse
from emulator.soql.plan import ChildPlan, ChildSet, Compound, Leaf, Member, Plan, Shape
from emulator.soql.refusals import malformed, no_such_child, no_such_type, refusal
from emulator.soql.tree import Call, ChildQuery, Expression, InQuery, Item, Ordering, Path, Query, TypeOf
from emulator.storage import quote

MAX_OFFSET = 2000
MAX_FIELDS_LIMIT = 200
SCOPES = {"everything", "mine"}


def compile_query(statement: str, environment: Environment) -> Plan:
    """The plan of a statement. Raises ApiError with Salesforce's codes."""
    tree = parse(statement)
    return _Compiler(statement, environment).query(tree)


@dataclass
class _Block:
    """One SELECT under way: its tables and the columns it needs so far."""

    tables: Tables
    columns: list[Column] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    selected: list[int] = field(default_factory=list)
    children: list[ChildPlan] = field(default_factory=list)
    features: set[str] = field(default_factory=set)

    def add(self, column: Column) -> int:
        for index, known in enumerate(self.columns):
            if known.sql == column.sql and known.field is column.field:
                return index
        self.columns.append(column)
        return len(self.columns) - 1


class _Compiler:
    def __init__(self, statement: str, environment: Environment) -> None:
        self.statement = statement
        self.environment = environment
        self.parameters = Parameters()
        self._prefixes: Iterator[str] = (f"{letter}_" for letter in _letters())

    # -- the whole ---------------------------------------------------------------------------------------

    def query(self, tree: Query) -> Plan:
        source = tree.sources[0]
        if len(source.path.parts) > 1:
            raise no_such_type(self.statement, source.path.at, source.path.text)
        sobject = self._sobject(source.path)
        tables = self._tables(tree, sobject)
        self._check_tail(tree)
        plan = self._grouped(tree, tables) if self._is_grouped(tree) else self._records(tree, tables)
        plan.values = self.parameters.values
        return plan

    def _sobject(self, path: Path) -> SObject:
        found = self.environment.schema.sobject(path.text)
        if found is None or not self.environment.open(found):
            raise no_such_type(self.statement, path.at, path.text)
        if not found.flag("queryable"):
            raise ApiError(
                400, "INVALID_TYPE_FOR_OPERATION", f"entity type {found.name} does not support query"
            )
        return found

    def _tables(self, tree: Query, sobject: SObject) -> Tables:
        names: dict[str, tuple[str, ...]] = {}
        if tree.sources[0].alias:
            names[tree.sources[0].alias.lower()] = ()
        tables = Tables(self.environment, self.statement, sobject, next(self._prefixes), names)
        for source in tree.sources[1:]:  # FROM Contact c, c.Account a
            steps, last = tables.resolve(source.path)
            tables.parent((*steps, last), source.path.at)
            names[(source.alias or last).lower()] = (*steps, last)
        return tables

    def _check_tail(self, tree: Query) -> None:
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

    @staticmethod
    def _is_grouped(tree: Query) -> bool:
        return bool(tree.group) or any(
            isinstance(each, Item) and _aggregates(each.expression) for each in tree.select
        )

    # -- records -----------------------------------------------------------------------------------------

    def _records(self, tree: Query, tables: Tables) -> Plan:
        if tree.having is not None:
            raise malformed(self.statement, tree.at, "HAVING needs GROUP BY")
        block = _Block(tables)
        shape = self._shape(tree, block)
        where = self._where(tree, tables)
        order = self._order(tree, tables)
        body = f"FROM {tables.sql()}{where}{order}{_limits(tree)}"
        sql = f"SELECT {', '.join(each.sql for each in block.columns)} {body}"
        if tree.offset is not None:
            block.features.add("offset")
        if tree.order or tree.limit is not None:
            block.features.add("ordered")
        return Plan(
            tables.sobject, block.columns, body, [], shape,
            children=block.children, sql=sql, headings=tuple(block.headings), selected=tuple(block.selected),
            features=frozenset(block.features),
        )  # fmt: skip

    def _shape(self, tree: Query, block: _Block) -> Shape:
        tables = block.tables
        id_index = block.add(tables.column(Path(("Id",), tree.at)))
        shape = Shape("", tables.sobject.name, id_index)
        parents: dict[tuple[str, ...], Shape] = {}
        seen: set[str] = set()
        for item in tree.select:
            match item:
                case ChildQuery(query, at):
                    block.features.add("child")
                    shape.members.append(self._child(query, block, id_index, at))
                case TypeOf(path):
                    raise malformed(
                        self.statement,
                        path.at,
                        "TYPEOF is not supported by this org: select the fields by relationship",
                    )
                case Item(Call(name) as call) if name.upper() == "FIELDS":
                    block.features.add(f"fields({self._fields_kind(call)})")
                    before = set(block.features)
                    for name in self._fields(call, tree, tables):
                        if name.lower() not in seen:
                            seen.add(name.lower())
                            self._leaf(Path((name,), call.at), None, block, shape, parents)
                    block.features.intersection_update(before)  # a compound nobody asked for by name
                case Item(expression, alias):
                    if isinstance(expression, Path) and alias is not None:
                        raise malformed(
                            self.statement, item.at, "only aggregate expressions use field aliasing"
                        )
                    text = _text(expression).lower()
                    if text in seen and alias is None:
                        raise refusal(
                            "INVALID_FIELD",
                            self.statement,
                            item.at,
                            f"duplicate field selected: {_text(expression)}",
                        )
                    seen.add(text)
                    if isinstance(expression, Call) and expression.name.upper() not in (
                        "TOLABEL",
                        "CONVERTCURRENCY",
                    ):
                        column_of(tables, expression)  # an unknown function is refused as that
                        raise malformed(
                            self.statement, item.at, f"Field must be grouped or aggregated: {expression.name}"
                        )
                    self._leaf(expression, alias, block, shape, parents)
        return shape

    def _leaf(
        self,
        expression: Expression,
        alias: str | None,
        block: _Block,
        root: Shape,
        parents: dict[tuple[str, ...], Shape],
    ) -> None:
        column = column_of(block.tables, expression)
        path = expression if isinstance(expression, Path) else expression.args[0]
        assert isinstance(path, Path)
        steps, _ = block.tables.resolve(path)
        shape, walked = root, ""
        if alias is None:
            for end in range(1, len(steps) + 1):
                shape = self._parent_shape(steps[:end], path.at, block, shape, parents)
                walked += shape.name + "."
        name = alias or column.name
        block.headings.append(walked + name)
        if column.type in COMPOUND_TYPES:
            block.features.add("compound")
            leaves = tuple(Leaf(key, block.add(part), part) for key, part in column.parts)
            shape.members.append(Compound(name, leaves))
            block.selected.append(-1)
            return
        index = block.add(column)
        block.selected.append(index)
        member: Member = Leaf(name, index, column)
        shape.members.append(member)

    def _parent_shape(
        self,
        steps: tuple[str, ...],
        at: int,
        block: _Block,
        child: Shape,
        parents: dict[tuple[str, ...], Shape],
    ) -> Shape:
        key = tuple(each.lower() for each in steps)
        if key in parents:
            return parents[key]
        parent = block.tables.parent(steps, at)
        assert parent is not None
        id_index = block.add(Column(parent.key, result_field("id"), "Id"))
        type_index = None
        if len(parent.candidates) > 1:
            kind = block.tables.column(Path((*steps, "Type"), at))
            type_index = block.add(kind)
        shape = Shape(
            parent.relationship, parent.candidates[0][0].name, id_index, type_index, parent.polymorphic
        )
        parents[key] = shape
        child.members.append(shape)
        return shape

    def _fields_kind(self, call: Call) -> str:
        kind = call.args[0].text.upper() if len(call.args) == 1 and isinstance(call.args[0], Path) else ""
        if kind not in ("ALL", "STANDARD", "CUSTOM"):
            raise malformed(self.statement, call.at, "FIELDS takes ALL, STANDARD or CUSTOM")
        return kind

    def _fields(self, call: Call, tree: Query, tables: Tables) -> list[str]:
        """Source: SOQL and SOSL Reference, FIELDS(): ALL and CUSTOM are bounded by LIMIT 200."""
        kind = self._fields_kind(call)
        if kind != "STANDARD" and (tree.limit is None or tree.limit.number > MAX_FIELDS_LIMIT):
            raise malformed(
                self.statement,
                call.at,
                f"The SOQL FIELDS function must have a LIMIT of at most {MAX_FIELDS_LIMIT}",
            )
        return [
            each.name
            for each in tables.sobject.fields.values()
            if self.environment.readable(tables.sobject, each)
            and (kind == "ALL" or each.custom == (kind == "CUSTOM"))
        ]

    # -- children ----------------------------------------------------------------------------------------

    def _child(self, tree: Query, parent: _Block, id_index: int, at: int) -> ChildSet:
        source = tree.sources[0].path
        steps, name = parent.tables.resolve(source)
        relation = self._relation(parent.tables.sobject, name) if not steps else None
        sobject = self.environment.schema.sobject(relation.sobject) if relation else None
        if relation is None or sobject is None or not self.environment.open(sobject):
            raise no_such_child(self.statement, source.at, source.text)
        if self._is_grouped(tree):
            raise malformed(
                self.statement, source.at, "Child queries cannot use aggregate functions or GROUP BY"
            )
        compiler = _Compiler(self.statement, self.environment)
        compiler._prefixes = self._prefixes
        plan = compiler._child_plan(tree, sobject, relation)
        parent.children.append(plan)
        return ChildSet(plan.name, len(parent.children) - 1, id_index)

    def _relation(self, sobject: SObject, name: str) -> Child | None:
        return next(
            (
                each
                for each in self.environment.schema.children(sobject.name)
                if (each.relationship_name or "").lower() == name.lower()
            ),
            None,
        )

    def _child_plan(self, tree: Query, sobject: SObject, relation: Child) -> ChildPlan:
        self._check_tail(tree)
        tables = self._tables(tree, sobject)
        block = _Block(tables)
        shape = self._shape(tree, block)
        key = f"{tables.base}.{quote(relation.field)}"
        parent_index = block.add(Column(key, result_field("reference"), relation.field))
        order = self._order(tree, tables) or f' ORDER BY {tables.base}."Id"'
        where = self._where(tree, tables)
        chosen = f"{key} IN (SELECT value FROM json_each(?{len(self.parameters.values) + 1}))"
        where = f"{where} AND {chosen}" if where else f" WHERE {chosen}"
        names = [f"c{index}" for index in range(len(block.columns))]
        columns = ", ".join(f"{each.sql} AS {name}" for each, name in zip(block.columns, names, strict=True))
        first = tree.offset.number if tree.offset else 0
        upto = f" AND n <= {first + tree.limit.number}" if tree.limit else ""
        sql = (
            f"SELECT {', '.join(names)} FROM (SELECT {columns}, ROW_NUMBER() OVER (PARTITION BY {key}{order}) AS n"
            f" FROM {tables.sql()}{where}) WHERE n > {first}{upto} ORDER BY c{parent_index}, n"
        )
        name = relation.relationship_name or ""
        return ChildPlan(name, sql, self.parameters.values, parent_index, shape, block.children)

    # -- groups ------------------------------------------------------------------------------------------

    def _grouped(self, tree: Query, tables: Tables) -> Plan:
        if self._is_count(tree):
            return self._count(tree, tables)
        sets, keys = self._grouping(tree, tables)
        columns: list[Column] = []
        names: list[str] = []
        expr = 0
        for item in tree.select:
            if not isinstance(item, Item):
                raise malformed(
                    self.statement, item.at, "Grouped query cannot use child relationships in the SELECT list"
                )
            if isinstance(item.expression, Call) and item.expression.name.upper() == "GROUPING":
                column = self._grouping_flag(item.expression, tables, keys)
            else:
                column = column_of(tables, item.expression)
            self._must_be_grouped(column, keys, item.expression)
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
            raise malformed(self.statement, tree.at, f"duplicate alias: {twice}")
        where = self._where(tree, tables)
        having = ""
        if tree.having is not None:
            conditions = Conditions(tables, self.parameters, self._semi_join, having=True)
            having = f" HAVING {conditions.sql(tree.having)}"
        order = [self._order_item(each, tables, keys) for each in tree.order]
        body = ""
        selects = []
        for group in sets:
            chosen = [self._in_group(each, group, keys) for each in columns]
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
        sql += _limits(tree)
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
            raise malformed(self.statement, tree.at, "COUNT() cannot be used with GROUP BY: use COUNT(Id)")
        if tree.order:
            raise malformed(
                self.statement, tree.order[0].expression.at, "COUNT() cannot be used with ORDER BY"
            )
        where = self._where(tree, tables)
        if tree.limit is None and tree.offset is None:
            sql = f"SELECT COUNT(*) FROM {tables.sql()}{where}"
        else:
            sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM {tables.sql()}{where}{_limits(tree)})"
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
            raise malformed(self.statement, call.at, "GROUPING takes one field")
        inner = column_of(tables, call.args[0])
        self._must_be_grouped(inner, keys, call.args[0])
        return Column(f"grouping:{inner.sql}", result_field("int"), "", aggregate=True)

    def _must_be_grouped(self, column: Column, keys: dict[str, Column], expression: Expression) -> None:
        if not column.aggregate and column.sql not in keys:
            raise malformed(
                self.statement, expression.at, f"Field must be grouped or aggregated: {_text(expression)}"
            )

    def _in_group(self, column: Column, group: tuple[str, ...], keys: dict[str, Column]) -> str:
        return self._in_set(column.sql, group, keys)

    @staticmethod
    def _in_set(sql: str, group: tuple[str, ...], keys: dict[str, Column]) -> str:
        if sql.startswith("grouping:"):
            return "0" if sql.removeprefix("grouping:") in group else "1"
        return "NULL" if sql in keys and sql not in group else sql

    # -- clauses -----------------------------------------------------------------------------------------

    def _where(self, tree: Query, tables: Tables) -> str:
        parts: list[str] = []
        if not (self.environment.all_rows or tree.all_rows) and tables.sobject.field("IsDeleted"):
            parts.append(f'{tables.base}."IsDeleted" = 0')
        if tree.scope is not None and tree.scope.lower() == "mine" and tables.sobject.field("OwnerId"):
            parts.append(f'{tables.base}."OwnerId" = {self.parameters.bind(self.environment.user_id)}')
        if tree.where is not None:
            parts.append(Conditions(tables, self.parameters, self._semi_join).sql(tree.where))
        return f" WHERE {' AND '.join(parts)}" if parts else ""

    def _semi_join(self, tree: Query) -> str:
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
        tables = self._tables(tree, self._sobject(tree.sources[0].path))
        column = column_of(tables, item.expression)
        if column.type not in ("id", "reference"):
            raise malformed(
                self.statement,
                item.at,
                f"semi join sub-selects can only query id fields, cannot use: '{column.name}'",
            )
        where = self._where(tree, tables)
        known = f"{column.sql} IS NOT NULL"
        return f"SELECT {column.sql} FROM {tables.sql()}{where + ' AND ' if where else ' WHERE '}{known}"

    def _order(self, tree: Query, tables: Tables) -> str:
        if not tree.order:
            return ""
        parts = [f"{sql} {way}" for sql, way in (self._order_item(each, tables, None) for each in tree.order)]
        own = f'{tables.base}."Id"'
        if not any(part.startswith(own) for part in parts):
            parts.append(own)  # equal rows keep one order, so that pages do not overlap
        return f" ORDER BY {', '.join(parts)}"

    def _order_item(
        self, ordering: Ordering, tables: Tables, keys: dict[str, Column] | None
    ) -> tuple[str, str]:
        """The SQL to order by, and the direction. Nulls come first unless the statement says otherwise."""
        column = column_of(tables, ordering.expression)
        tables.refuse_compound(column, ordering.expression.at, "sorted")
        if keys is not None:
            self._must_be_grouped(column, keys, ordering.expression)
        elif column.aggregate:
            raise malformed(
                self.statement,
                ordering.expression.at,
                f"Field must be grouped or aggregated: {_text(ordering.expression)}",
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
            and "." not in _text(ordering.expression)
        )
        if ordering.nulls_last:
            way += " NULLS LAST"
        elif not never_null:
            way += " NULLS FIRST"
        return sql, way


def _aggregates(expression: Expression) -> bool:
    return is_aggregate(expression) or (
        isinstance(expression, Call) and expression.name.upper() == "GROUPING"
    )


def _text(expression: Expression) -> str:
    if isinstance(expression, Path):
        return expression.text
    return f"{expression.name}({', '.join(_text(each) for each in expression.args)})"


def _limits(tree: Query) -> str:
    if tree.limit is None and tree.offset is None:
        return ""
    limit = tree.limit.number if tree.limit is not None else -1
    return f" LIMIT {limit} OFFSET {tree.offset.number if tree.offset else 0}"


def _letters() -> Iterator[str]:
    count = 0
    while True:
        yield f"t{count}" if count else "t"
        count += 1
