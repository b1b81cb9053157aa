"""The second back end: a formula as one SQL expression over the columns of an object's table.

Numbers are scaled integers (`scale` says by which power of ten) as long as that is exact; a product, quotient
or function result is decimal text (`scale` None), worked out by the same Python functions that validation
rules use. Sums, comparisons, IF, MAX … stay plain SQL.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from emulator.formula_connection import EPOCH, LIMIT
from emulator.formula_functions import FUNCTIONS, plain_text
from emulator.formula_syntax import Binary, Call, FieldRef, FormulaError, Literal, Node, Unary, parse
from emulator.formula_types import Checker, Fields, resolve


@dataclass(frozen=True)
class Sql:
    """An expression, its type letter, and the scale of a number (None: decimal text)."""

    text: str
    letter: str
    scale: int | None = None


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def stored(sql: Sql, scale: int) -> str:
    """The number as a column of that scale keeps it, with all its digits: a formula's decimals are only how it is shown."""
    if sql.letter == "x" or (sql.scale is not None and sql.scale <= scale):
        return rescaled(sql, scale)
    return f"fx_stored({as_decimal(sql)}, {scale})"


def rescaled(sql: Sql, scale: int) -> str:
    """The number as an integer of another scale; half away from zero where digits are lost."""
    if sql.letter == "x":
        return "NULL"
    if sql.scale is None:
        return f"fx_scaled({sql.text}, {scale})"
    if sql.scale == scale:
        return sql.text
    if sql.scale < scale:
        return f"({sql.text} * {10 ** (scale - sql.scale)})"
    return f"fx_scaled(fx_text({sql.text}, {sql.scale}), {scale})"


def as_decimal(sql: Sql) -> str:
    if sql.letter != "n" or sql.scale is None:
        return sql.text
    return f"fx_text({sql.text}, {sql.scale})"


@dataclass
class SqlCompiler:
    """Compiles the formulas of one query; `now` and `today` are fixed for all its rows."""

    fields: Fields
    now: datetime
    today: date
    user_id: str = ""
    _open: list[tuple[str, str]] = field(default_factory=list)
    _depth: int = 0

    def field_sql(self, sobject: str, name: str, alias: str) -> str:
        """The value of a formula field in the encoding of its own column type.

        Raises FormulaError for a formula that cannot be, or that refers to itself.
        """
        shape = self.fields.field(sobject, name)
        if shape is None or shape.formula is None:
            raise FormulaError(f"{sobject}.{name} is no formula field")
        value = self._field(sobject, alias, (name,), zeros=False)
        if value.letter == "n":
            return stored(value, shape.scale + (2 if shape.type == "percent" else 0))
        return value.text

    def _field(self, sobject: str, alias: str, path: tuple[str, ...], *, zeros: bool) -> Sql:
        if len(path) > 1:
            return self._through_parent(sobject, alias, path, zeros=zeros)
        _, shape = resolve(self.fields, sobject, FieldRef(path))
        if shape.formula is None:
            scale = shape.scale + (2 if shape.type == "percent" else 0)
            text = f'{alias}."{shape.name}"'
            if shape.letter == "n" and zeros:
                text = f"COALESCE({text}, 0)"
            return Sql(
                text, "t" if shape.letter == "p" else shape.letter, scale if shape.letter == "n" else None
            )
        key = (sobject.lower(), shape.name.lower())
        if key in self._open:
            raise FormulaError(f"Field {shape.name} cannot be used: it refers to itself")
        self._open.append(key)
        value = self.compile(parse(shape.formula), sobject, alias, zeros=shape.blank_as_zero)
        self._open.pop()
        if value.letter == "x":
            return Sql(
                "NULL", shape.letter if shape.letter != "p" else "t", 0 if shape.letter == "n" else None
            )
        return value

    def _through_parent(self, sobject: str, alias: str, path: tuple[str, ...], *, zeros: bool) -> Sql:
        found = self.fields.parent(sobject, path[0])
        if found is None:
            raise FormulaError(f"Field {'.'.join(path)} does not exist. Check spelling.")
        reference, parent = found
        self._depth += 1
        inner = f"fx{self._depth}"
        value = self._field(parent, inner, path[1:], zeros=zeros)
        own = f'{alias}."{reference}"'
        select = f'(SELECT {value.text} FROM "{parent}" {inner} WHERE {inner}."Id" = {own})'
        if value.letter == "n" and zeros:
            zero = "'0'" if value.scale is None else "0"
            select = f"COALESCE({select}, {zero})"
        return Sql(select, value.letter, value.scale)

    def compile(self, node: Node, sobject: str, alias: str, *, zeros: bool) -> Sql:
        """A tree as SQL; `zeros`: blank numbers count as zero."""
        return _Expression(self, sobject, alias, zeros).sql(node)


@dataclass(frozen=True)
class _Expression:
    compiler: SqlCompiler
    sobject: str
    alias: str
    zeros: bool

    def sql(self, node: Node) -> Sql:
        match node:
            case Literal(value=value):
                return _literal(value)
            case FieldRef(path=path):
                return self._reference(path)
            case Unary(op="!", operand=operand):
                return Sql(f"(NOT {self._true(operand)})", "b")
            case Unary(operand=operand):
                number = self.sql(operand)
                if number.scale is None:
                    return self._sum("-", Sql("0", "n", 0), number)
                return Sql(f"(-{number.text})", "n", number.scale)
            case Binary():
                return self._binary(node)
            case Call():
                return self._call(node)
        raise AssertionError(node)

    def _reference(self, path: tuple[str, ...]) -> Sql:
        if path[0].lower() == "$user" and path[1].lower() == "id":
            return Sql(quoted(self.compiler.user_id), "t")
        if path[0].startswith("$"):
            raise FormulaError(f"Field {'.'.join(path)} may not be used in this type of formula")
        return self.compiler._field(self.sobject, self.alias, path, zeros=self.zeros)

    def _true(self, node: Node) -> str:
        return f"COALESCE({self.sql(node).text}, 0)"

    def _text(self, node: Node) -> str:
        value = self.sql(node)
        return "''" if value.letter == "x" else f"COALESCE({value.text}, '')"

    def _binary(self, node: Binary) -> Sql:
        if node.op in ("&&", "||"):
            word = "AND" if node.op == "&&" else "OR"
            return Sql(f"({self._true(node.left)} {word} {self._true(node.right)})", "b")
        left, right = self.sql(node.left), self.sql(node.right)
        if node.op == "&" or (node.op == "+" and "t" in (left.letter, right.letter)):
            return Sql(f"NULLIF({self._text(node.left)} || {self._text(node.right)}, '')", "t")
        if node.op in ("=", "<>", "<", ">", "<=", ">="):
            return self._compare(node.op, left, right)
        return self._sum(node.op, left, right)

    def _sum(self, op: str, left: Sql, right: Sql) -> Sql:
        if op in "+-" and left.letter == right.letter == "n" and None not in (left.scale, right.scale):
            scale = max(left.scale or 0, right.scale or 0)
            return Sql(f"({rescaled(left, scale)} {op} {rescaled(right, scale)})", "n", scale)
        letters = left.letter + right.letter
        text = f"fx_sum('{op}', '{letters}', {as_decimal(left)}, {as_decimal(right)})"
        letter = "m" if letters in ("mn", "nm") else "d" if letters in ("dn", "nd") else "n"
        return Sql(text, letter)

    def _compare(self, op: str, left: Sql, right: Sql) -> Sql:
        one, two = left.text, right.text
        if left.letter == right.letter == "n":
            if left.scale is None or right.scale is None:
                order = f"fx_compare({as_decimal(left)}, {as_decimal(right)})"
                if op in ("=", "<>"):
                    return self._alike(op, as_decimal(left), as_decimal(right))
                return Sql(f"COALESCE({order} {op} 0, 0)", "b")
            scale = max(left.scale, right.scale)
            one, two = rescaled(left, scale), rescaled(right, scale)
        if "t" in (left.letter, right.letter):
            one, two = f"NULLIF({one}, '')", f"NULLIF({two}, '')"
            one, two = f"{one} COLLATE BINARY", f"{two} COLLATE BINARY"
        if op in ("=", "<>"):
            return self._alike(op, one, two)
        return Sql(f"COALESCE({one} {op} {two}, 0)", "b")

    def _alike(self, op: str, one: str, two: str) -> Sql:
        return Sql(f"({one} IS {'' if op == '=' else 'NOT '}{two})", "b")

    def _choice(self, tests: list[tuple[str, Sql]], otherwise: Sql) -> Sql:
        results = [result for _, result in tests] + [otherwise]
        letter = next((result.letter for result in results if result.letter != "x"), "x")
        scale: int | None = None
        numbers = [result for result in results if result.letter == "n"]
        if letter == "n" and all(number.scale is not None for number in numbers):
            scale = max(number.scale or 0 for number in numbers)
        texts = [self._aligned(result, letter, scale) for result in results]
        cases = "".join(f" WHEN {test} THEN {text}" for (test, _), text in zip(tests, texts, strict=False))
        return Sql(f"(CASE{cases} ELSE {texts[-1]} END)", letter, scale)

    @staticmethod
    def _aligned(value: Sql, letter: str, scale: int | None) -> str:
        if value.letter == "x":
            return "NULL"
        if letter != "n":
            return value.text
        return as_decimal(value) if scale is None else rescaled(value, scale)

    def _extreme(self, name: str, args: tuple[Node, ...]) -> Sql:
        values = [self.sql(arg) for arg in args]
        if len(values) == 1:
            return values[0]
        if any(value.scale is None for value in values):
            best = values[0]
            for value in values[1:]:
                order = ">=" if name == "MAX" else "<="
                blank = f"{as_decimal(best)} IS NULL OR {as_decimal(value)} IS NULL"
                test = f"fx_compare({as_decimal(best)}, {as_decimal(value)}) {order} 0"
                best = self._choice([(blank, Sql("NULL", "x")), (test, best)], value)
            return best
        scale = max(value.scale or 0 for value in values)
        return Sql(f"{name}({', '.join(rescaled(value, scale) for value in values)})", "n", scale)

    def _call(self, node: Call) -> Sql:
        name, args = node.name, node.args
        if name in FUNCTIONS:
            return self._function(name, args)
        if name in ("AND", "OR"):
            return Sql("(" + f" {name} ".join(self._true(arg) for arg in args) + ")", "b")
        if name == "NOT":
            return Sql(f"(NOT {self._true(args[0])})", "b")
        if name == "IF":
            return self._choice([(self._true(args[0]), self.sql(args[1]))], self.sql(args[2]))
        if name == "CASE":
            tests = []
            for at in range(1, len(args) - 1, 2):
                test = self._compare("=", self.sql(args[0]), self.sql(args[at]))
                tests.append((test.text, self.sql(args[at + 1])))
            return self._choice(tests, self.sql(args[-1]))
        if name in ("MAX", "MIN"):
            return self._extreme(name, args)
        if name == "ISPICKVAL":
            return self._compare("=", self.sql(args[0]), self.sql(args[1]))
        if name in ("ISBLANK", "ISNULL"):
            return self._blank(args[0])
        if name in ("BLANKVALUE", "NULLVALUE"):
            return self._choice([(self._blank(args[0]).text, self.sql(args[1]))], self.sql(args[0]))
        if name == "TODAY":
            return Sql(quoted(self.compiler.today.isoformat()), "d")
        if name == "NOW":
            return Sql(str((self.compiler.now - EPOCH) // timedelta(milliseconds=1)), "m")
        raise FormulaError(f"Function {name} may not be used in this type of formula")

    def _blank(self, node: Node) -> Sql:
        value = self.sql(node)
        text = f"NULLIF({value.text}, '')" if value.letter == "t" else value.text
        return Sql(f"({text} IS NULL)", "b")

    def _function(self, name: str, args: tuple[Node, ...]) -> Sql:
        values = [self.sql(arg) for arg in args]
        letters = "".join(value.letter for value in values)
        given = "".join(f", {as_decimal(value)}" for value in values)
        return Sql(f"fx_call('{name}', '{letters}'{given})", FUNCTIONS[name].result)


def _literal(value: Decimal | str | bool | None) -> Sql:
    if value is None:
        return Sql("NULL", "x")
    if isinstance(value, bool):
        return Sql(str(int(value)), "b")
    if isinstance(value, str):
        return Sql(quoted(value), "t") if value else Sql("NULL", "t")
    scale = max(-int(value.as_tuple().exponent), 0)
    digits = int(value.scaleb(scale))
    return Sql(str(digits), "n", scale) if digits < LIMIT else Sql(quoted(plain_text(value)), "n")


def check_formula_field(fields: Fields, sobject: str, text: str) -> str:
    """The type letter of a formula field's formula. Raises FormulaError in Salesforce's words."""
    return Checker(fields, sobject).type_of(parse(text))
