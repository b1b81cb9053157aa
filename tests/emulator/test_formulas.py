"""Formulas: read, refused, and worked out alike by SQL and on a record's values."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.formula_connection import register
from emulator.formula_functions import Value
from emulator.formula_sql import SqlCompiler, rescaled
from emulator.formula_syntax import FormulaError, parse, references
from emulator.formula_types import Checker, Shape
from emulator.formula_values import Moment, evaluate
from emulator.wire import double_text

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
TODAY = date(2026, 11, 23)


class Table:
    """Two objects: T with a field of each type, and its parent P."""

    shapes: ClassVar[dict[str, Shape]] = {
        "a": Shape("A", "currency", 2), "b": Shape("B", "double", 3), "p": Shape("P", "percent", 1),
        "t": Shape("T", "string"), "u": Shape("U", "string"), "pick": Shape("Pick", "picklist"),
        "d": Shape("D", "date"), "m": Shape("M", "datetime"), "f": Shape("F", "boolean"),
        "twice": Shape("Twice", "double", 0, "A * 2"), "loop": Shape("Loop", "double", 0, "Loop + 1"),
        "kept": Shape("Kept", "double", 1, "B", blank_as_zero=False),
    }  # fmt: skip

    def field(self, sobject: str, name: str) -> Shape | None:
        if sobject == "P":
            return {"name": Shape("Name", "string"), "rate": Shape("Rate", "double", 2)}.get(name.lower())
        return self.shapes.get(name.lower())

    def parent(self, sobject: str, relationship: str) -> tuple[str, str] | None:
        return ("ParentId", "P") if (sobject, relationship.lower()) == ("T", "parent__r") else None


ROW: dict[str, Any] = {
    "A": 4518800, "B": 1500, "P": 150, "T": "Gold", "U": None, "Pick": "Near", "D": "2026-11-30",
    "M": 1795446000000, "F": 1, "ParentId": "P1",
}  # fmt: skip
VALUES: dict[str, Value] = {
    "A": Decimal("45188"), "B": Decimal("1.5"), "P": Decimal("0.15"), "T": "Gold", "U": None, "Pick": "Near",
    "D": date(2026, 11, 30), "M": NOW, "F": True,
}  # fmt: skip


def by_sql(formula: str, row: dict[str, Any] = ROW, scale: int = 6) -> Any:
    connection = sqlite3.connect(":memory:")
    register(connection)
    connection.execute('CREATE TABLE P ("Id", "Name", "Rate")')
    connection.execute("INSERT INTO P VALUES ('P1', 'Lumière', 250)")
    columns = ", ".join(f'"{name}"' for name in row)
    connection.execute(f"CREATE TABLE T ({columns})")
    connection.execute(f"INSERT INTO T VALUES ({', '.join('?' * len(row))})", list(row.values()))
    compiled = SqlCompiler(Table(), NOW, TODAY, "005U").compile(parse(formula), "T", "t", zeros=False)
    text = rescaled(compiled, scale) if compiled.letter == "n" else compiled.text
    (value,) = connection.execute(f"SELECT {text} FROM T t").fetchone()
    connection.close()
    if compiled.letter == "n" and value is not None:
        assert isinstance(value, int), "a number never becomes a float"
        return Decimal(value).scaleb(-scale)
    if compiled.letter == "b":
        return bool(value)
    return value


def field_value(formula: str, kind: str = "currency", scale: int = 2) -> str:
    """A formula field as the API gives it."""

    class Own(Table):
        shapes: ClassVar[dict[str, Shape]] = {**Table.shapes, "own": Shape("Own", kind, scale, formula)}

    connection = sqlite3.connect(":memory:")
    register(connection)
    connection.execute("CREATE TABLE T (A, B)")
    connection.execute("INSERT INTO T VALUES (1000, 1500)")
    text = SqlCompiler(Own(), NOW, TODAY, "005U").field_sql("T", "Own", "t")
    (value,) = connection.execute(f"SELECT {text} FROM T t").fetchone()
    connection.close()
    return double_text(value, scale)


@pytest.mark.parametrize(
    ("formula", "told"),
    [
        ("A / 3", "3.3333333333333335"),
        ("A * 1.5", "15.0"),
        ("B / 1000", "0.0015"),
        ("ROUND(A / 3, 2)", "3.33"),
    ],
)
def test_the_decimals_of_a_formula_field_are_how_it_is_shown_and_not_what_it_is(formula, told):
    assert abs(Decimal(field_value(formula)) - Decimal(told)) < Decimal("1e-14")


def by_value(formula: str, prior: dict[str, Value] | None = None) -> Value:
    def look(values: dict[str, Value]) -> Any:
        return lambda path: values[path[-1]]

    try:
        return evaluate(parse(formula), Moment(look(VALUES), look(prior) if prior else None, NOW, TODAY))
    except ArithmeticError:
        return None


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("A + B", Decimal("45189.5")),
        ("A - 50000", Decimal(-4812)),
        ("A * P", Decimal("6778.2")),
        ("ROUND(A / 3, 2)", Decimal("15062.67")),
        ("A / 0", None),
        ("2 ^ 10 - -1", Decimal(1025)),
        ("1 + 2 * 3", Decimal(7)),
        ("(1 + 2) * 3", Decimal(9)),
        ("10 - 3 - 2", Decimal(5)),
        ("MAX(0, 50000 - A)", Decimal(4812)),
        ("MIN(1, MAX(0, A / 50000))", Decimal("0.90376")),
        ("D - TODAY() + 1", Decimal(8)),
        ("TODAY() + 7", "2026-11-30"),
        ("DATE(2026, 2, 28) + 1", "2026-03-01"),
        ("DATE(2026, 2, 30)", None),
        ("ADDMONTHS(DATE(2024, 1, 31), 1)", "2024-02-29"),
        ("YEAR(D) * 100 + MONTH(D)", Decimal(202611)),
        ("DAY(DATEVALUE(M))", Decimal(23)),
        ('T & " tier"', "Gold tier"),
        ('U & ""', None),
        ('"It''s " & T', None),
        ('LEFT(T, 2) & RIGHT(T, 1) & UPPER(MID(T, 2, 2))', "GodOL"),
        ('SUBSTITUTE(T, "o", "0")', "G0ld"),
        ("LEN(U)", Decimal(0)),
        ("TEXT(B)", "1.5"),
        ("TEXT(Pick)", "Near"),
        ('VALUE("12.50") * 2', Decimal(25)),
        ('VALUE("x")', None),
        ('IF(ISPICKVAL(Pick, "Near"), 1, 2)', Decimal(1)),
        ('CASE(Pick, "Far", 1, "Near", 2.25, 3)', Decimal("2.25")),
        ('CASE(MONTH(D), 11, "Nov", "other")', "Nov"),
        ("BLANKVALUE(U, T)", "Gold"),
        ("ISBLANK(U) && NOT(ISBLANK(T))", True),
        ("OR(A > 50000, F)", True),
        ("AND(A >= 45188, A <= 45188.00, A <> 45188.01)", True),
        ('T = "gold"', False),
        ("D > TODAY()", True),
        ("ABS(-B) + FLOOR(1.9) + CEILING(1.1)", Decimal("4.5")),
        ("FLOOR(-1.5) + CEILING(-1.5)", Decimal(-3)),
        ("MOD(-7, 3)", Decimal(2)),
        ('HYPERLINK("/001?a=1&b=2", "see")', '<a href="/001?a=1&amp;b=2" target="_blank">see</a>'),
        ('CONTAINS(T, "ol") || BEGINS(T, "x")', True),
        ("/* why */ 1 /* not */ + 1", Decimal(2)),
    ],
)  # fmt: skip
def test_both_ways_of_working_out_a_formula_agree(formula: str, expected: Any) -> None:
    if "It" in formula:
        formula, expected = "'It\\'s ' & T", "It's Gold"
    value = by_value(formula)
    shown = value.isoformat() if isinstance(value, date) else value
    assert shown == expected
    assert by_sql(formula) == expected


def test_a_parents_field_is_read_through_the_relationship() -> None:
    assert by_sql("parent__r.Name & '!'") == "Lumière!"
    assert by_sql("Parent__r.Rate * 2") == 5
    assert by_sql("Parent__r.Rate", {**ROW, "ParentId": None}) is None


def test_a_formula_may_read_a_formula_but_not_itself() -> None:
    compiler = SqlCompiler(Table(), NOW, TODAY)
    assert by_sql("Twice + 1") == 90377
    with pytest.raises(FormulaError, match="refers to itself"):
        compiler.field_sql("T", "Loop", "t")


def test_blank_numbers_count_as_zero_only_where_the_field_says_so() -> None:
    row = {**ROW, "A": None, "B": None}
    compiler = SqlCompiler(Table(), NOW, TODAY)
    connection = sqlite3.connect(":memory:")
    register(connection)
    connection.execute("CREATE TABLE T AS SELECT ? AS A, ? AS B", (row["A"], row["B"]))
    sql = f"SELECT {compiler.field_sql('T', 'Twice', 't')}, {compiler.field_sql('T', 'Kept', 't')} FROM T t"
    assert connection.execute(sql).fetchone() == (0, None)
    connection.close()


@pytest.mark.parametrize(
    ("formula", "problem"),
    [
        ("", "Formula is blank."),
        ("1 +", "Syntax error. Missing an operand"),
        ("(1 + 2", "Syntax error. Missing ')'"),
        ("1 ~ 2", "Syntax error. Found '~'"),
        ("Nope + 1", "Field Nope does not exist. Check spelling."),
        ("Other__r.Name", "Field Other__r.Name does not exist. Check spelling."),
        ("FOO(1)", "Unknown function FOO. Check spelling."),
        ("ROUND(A)", "Incorrect number of parameters for function 'ROUND()'. Expected 2, received 1"),
        ("ROUND(T, 2)", "Incorrect parameter type for function 'ROUND()'. Expected Number, received Text"),
        ("Pick = 'x'", "Field Pick is a picklist field."),
        ("IF(F, 1, 'x')", "Expected Number, received Text"),
        ("T + 1", "Incorrect parameter type for operator '+'."),
        ("PRIORVALUE(A)", "Function PRIORVALUE may not be used in this type of formula"),
    ],
)
def test_a_formula_that_cannot_be_saved_says_why(formula: str, problem: str) -> None:
    with pytest.raises(FormulaError) as caught:
        Checker(Table(), "T").type_of(parse(formula))
    assert problem in str(caught.value)


def test_rules_compare_with_the_value_before() -> None:
    before = {**VALUES, "A": Decimal(50000)}
    assert by_value("AND(NOT(ISNEW()), PRIORVALUE(A) > A)", before) is True
    assert by_value("ISCHANGED(A) && !ISCHANGED(B)", before) is True
    assert by_value("PRIORVALUE(A) > A") is False, "a new record has no other value before"
    assert by_value("ISCHANGED(A)") is False


def test_the_fields_a_formula_reads_are_known() -> None:
    assert [ref.text for ref in references(parse("IF(A > 1, Parent__r.Rate, -B)"))] == [
        "A",
        "Parent__r.Rate",
        "B",
    ]


amounts = st.integers(-(10**15), 10**15)


@settings(max_examples=150, deadline=None)
@given(
    amounts,
    amounts,
    st.sampled_from(["A + B", "A - B", "A * B", "A / B", "MAX(A, B) - MIN(A, B)", "ROUND(A / B, 1)"]),
)
def test_arithmetic_agrees_to_the_last_digit(left: int, right: int, formula: str) -> None:
    row = {**ROW, "A": left, "B": right}
    saved = dict(VALUES)
    try:
        VALUES.update(A=Decimal(left).scaleb(-2), B=Decimal(right).scaleb(-3))
        exact = by_value(formula)
    finally:
        VALUES.update(saved)
    found = by_sql(formula, row, scale=2)
    if isinstance(exact, Decimal) and abs(exact) < Decimal(10) ** 16:
        assert found is not None
        assert abs(found - exact) <= Decimal("0.005")
    else:
        assert exact is None or found is None or abs(exact) >= Decimal(10) ** 16
