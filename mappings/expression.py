"""The small language of `expr`: exact decimal arithmetic on the fields of one record.

    Quantity * UnitPrice * (1 - coalesce(Discount, 0) / 100)
    if(Type__c == "Return", 0 - Quantity, Quantity)

Numbers are Decimal. Names are field paths of the org. Functions are a closed list. Nothing is looked up on
objects and nothing is evaluated by Python. An empty field is null: arithmetic on null is null, `coalesce` takes
the first that is not, a comparison with null is false unless both sides are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import (
    ROUND_HALF_UP,
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)

from mappings import scalars
from mappings.problems import did_you_mean

FUNCTIONS: dict[str, tuple[int, int | None]] = {  # name -> fewest and most arguments
    "coalesce": (1, None),
    "min": (1, None),
    "max": (1, None),
    "abs": (1, 1),
    "round": (1, 2),
    "if": (3, 3),
}

_TRAPS = [InvalidOperation, DivisionByZero, Overflow]
# Sums and products are exact or refused; only a quotient and `round` may drop digits.
_EXACT = Context(prec=400, traps=[*_TRAPS, Inexact])
_CONTEXT = Context(prec=40, rounding=ROUND_HALF_UP, traps=_TRAPS)
_WIDE = Context(prec=400, traps=_TRAPS)
_MOST_PLACES = 20
_MAX_DEPTH = 50

Result = Decimal | str | bool | None


class ExpressionError(ValueError):
    """The text is not an expression. `offset` and `length` say where in it."""

    def __init__(self, message: str, offset: int, length: int = 1, help: str | None = None) -> None:
        super().__init__(message)
        self.message, self.offset, self.length, self.help = message, offset, max(1, length), help


class CannotCompute(ArithmeticError):
    """A record for which the expression has no value: text where a number is needed, division by zero."""


@dataclass(frozen=True)
class Number:
    value: Decimal


@dataclass(frozen=True)
class Text:
    value: str


@dataclass(frozen=True)
class FieldRef:
    path: str
    offset: int = 0


@dataclass(frozen=True)
class Operation:
    operator: str
    left: Term
    right: Term


@dataclass(frozen=True)
class Negation:
    term: Term


@dataclass(frozen=True)
class Call:
    function: str
    arguments: tuple[Term, ...]


Term = Number | Text | FieldRef | Operation | Negation | Call


@dataclass(frozen=True)
class Expression:
    """A parsed expression: `paths` are the fields it needs, in the order of their first use."""

    text: str
    term: Term
    paths: tuple[str, ...]

    def value(self, record: Mapping[str, str | None]) -> Result:
        """For one record of field texts. Raises CannotCompute."""
        try:
            return _evaluate(self.term, record)
        except DecimalException as error:
            raise CannotCompute("division by zero or a number too large") from error


def parse(text: str) -> Expression:
    """Raises ExpressionError."""
    parser = _Parser(text)
    term = parser.whole()
    return Expression(text, term, tuple(dict.fromkeys(parser.paths)))


_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)(?![\w.])|(?P<name>[A-Za-z]\w*(?:\.[A-Za-z]\w*)*)"
    r"|(?P<text>\"[^\"]*\"|'[^']*')|(?P<op>==|!=|<=|>=|[-+*/(),<>]))"
)


class _Parser:
    """Recursive descent: comparison < sum < product < sign < atom."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.paths: list[str] = []
        self.tokens: list[tuple[str, str, int]] = []
        self.at = 0
        self.depth = 0
        offset = 0
        while text[offset:].strip():
            match = _TOKEN.match(text, offset)
            if match is None:
                start = len(text) - len(text[offset:].lstrip())
                raise ExpressionError(f"`{text[start]}` has no meaning here", start)
            kind = match.lastgroup or ""
            self.tokens.append((kind, match[kind], match.start(kind)))
            offset = match.end()
        self.tokens.append(("end", "", len(text)))

    def whole(self) -> Term:
        if len(self.tokens) == 1:
            raise ExpressionError("the expression is empty", 0)
        term = self._comparison()
        kind, word, offset = self.tokens[self.at]
        if kind != "end":
            raise ExpressionError(f"`{word}` is not expected here", offset, len(word))
        return term

    def _take(self, *operators: str) -> str | None:
        kind, word, _ = self.tokens[self.at]
        if kind == "op" and word in operators:
            self.at += 1
            return word
        return None

    def _expect(self, operator: str) -> None:
        if self._take(operator) is None:
            _, word, offset = self.tokens[self.at]
            raise ExpressionError(
                f"`{operator}` is missing" + (f" before `{word}`" if word else ""), offset, len(word)
            )

    def _comparison(self) -> Term:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise ExpressionError("the expression is nested too deeply", self.tokens[self.at][2])
        left = self._sum()
        operator = self._take("==", "!=", "<", "<=", ">", ">=")
        if operator is not None:
            left = Operation(operator, left, self._sum())
        self.depth -= 1
        return left

    def _sum(self) -> Term:
        left = self._product()
        while (operator := self._take("+", "-")) is not None:
            left = Operation(operator, left, self._product())
        return left

    def _product(self) -> Term:
        left = self._sign()
        while (operator := self._take("*", "/")) is not None:
            left = Operation(operator, left, self._sign())
        return left

    def _sign(self) -> Term:
        negative = False
        while (sign := self._take("-", "+")) is not None:
            negative ^= sign == "-"
        atom = self._atom()
        return Negation(atom) if negative else atom

    def _atom(self) -> Term:
        kind, word, offset = self.tokens[self.at]
        if kind == "number":
            self.at += 1
            return Number(Decimal(word))
        if kind == "text":
            self.at += 1
            return Text(word[1:-1])
        if kind == "name":
            self.at += 1
            if self.tokens[self.at][1] == "(" and self.tokens[self.at][0] == "op":
                return self._call(word, offset)
            self.paths.append(word)
            return FieldRef(word, offset)
        if self._take("(") is not None:
            term = self._comparison()
            self._expect(")")
            return term
        what = f"`{word}` is not a value" if word else "a value is missing at the end"
        raise ExpressionError(what, offset, len(word))

    def _call(self, name: str, offset: int) -> Term:
        if name not in FUNCTIONS:
            raise ExpressionError(
                f'there is no function "{name}"', offset, len(name), did_you_mean(name, FUNCTIONS)
            )
        self._expect("(")
        arguments = [self._comparison()]
        while self._take(",") is not None:
            arguments.append(self._comparison())
        self._expect(")")
        fewest, most = FUNCTIONS[name]
        if len(arguments) < fewest or (most is not None and len(arguments) > most):
            wanted = str(fewest) if most == fewest else f"{fewest} to {most}"
            raise ExpressionError(f"{name} takes {wanted} values, not {len(arguments)}", offset, len(name))
        return Call(name, tuple(arguments))


def _evaluate(term: Term, record: Mapping[str, str | None]) -> Result:
    match term:
        case Number(value):
            return value
        case Text(text):
            return text
        case FieldRef(path):
            return record[path]
        case Negation(inner):
            number = _number(_evaluate(inner, record))
            return None if number is None else number.copy_negate()
        case Operation(operator, left, right):
            return _operate(operator, _evaluate(left, record), _evaluate(right, record))
        case Call("if", (condition, yes, no)):
            return _evaluate(yes if _truth(_evaluate(condition, record)) else no, record)
        case Call("coalesce", arguments):
            values = (_evaluate(argument, record) for argument in arguments)
            return next((value for value in values if value is not None), None)
        case Call(function, arguments):
            return _call(function, [_number(_evaluate(argument, record)) for argument in arguments])


def _call(function: str, numbers: list[Decimal | None]) -> Decimal | None:
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        return None
    if function == "abs":
        return known[0].copy_abs()
    if function == "round":
        places = int(known[1]) if len(known) == 2 else 0
        if not 0 <= places <= _MOST_PLACES:
            raise CannotCompute("round takes 0 to 20 decimals")
        return known[0].quantize(Decimal((0, (1,), -places)), rounding=ROUND_HALF_UP, context=_WIDE)
    return min(known) if function == "min" else max(known)


_ARITHMETIC: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": _EXACT.add,
    "-": _EXACT.subtract,
    "*": _EXACT.multiply,
    "/": _CONTEXT.divide,
}


def _operate(operator: str, left: Result, right: Result) -> Result:
    if operator in _ARITHMETIC:
        a, b = _number(left), _number(right)
        return None if a is None or b is None else _ARITHMETIC[operator](a, b)
    if operator in ("==", "!="):
        return _same(left, right) == (operator == "==")
    a, b = _number(left), _number(right)
    if a is None or b is None:
        return False
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]


def _same(left: Result, right: Result) -> bool:
    """Fields arrive as text: compared as numbers when the other side is one, else as text."""
    if left is None or right is None:
        return left is right
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        return _number(left) == _number(right)
    return str(left) == str(right)


def _truth(value: Result) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise CannotCompute("the condition is neither true nor false")


def _number(value: Result) -> Decimal | None:
    if value is None or isinstance(value, Decimal):
        return value
    if isinstance(value, str):
        try:
            return scalars.decimal(value)  # Decimal() itself also takes 1_000 and the digits of every script
        except scalars.BadValue as error:
            raise CannotCompute("a text stands where a number is needed") from error
    raise CannotCompute("a value stands where a number is needed")
