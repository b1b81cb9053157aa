"""Formulas as text → a tree. The language of formula fields and validation rules.

Source: Salesforce help, "Formula Operators and Functions by Context". Names are case-insensitive, text is
quoted by either quote, `/* */` is a comment, a dotted name walks to a parent record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken


class FormulaError(ValueError):
    """A formula that Salesforce would refuse to save; the text is what the admin reads."""


@dataclass(frozen=True)
class Literal:
    """A number, a text, TRUE, FALSE or NULL."""

    value: Decimal | str | bool | None


@dataclass(frozen=True)
class FieldRef:
    """A field, `("Account__r", "Name")` where it belongs to a parent; `("$User", "Id")` for a global."""

    path: tuple[str, ...]

    @property
    def text(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True)
class Call:
    """A function; the name in capitals."""

    name: str
    args: tuple[Node, ...]


@dataclass(frozen=True)
class Unary:
    """`-x` or `!x`."""

    op: str
    operand: Node


@dataclass(frozen=True)
class Binary:
    """Two operands; `op` is one of + - * / ^ & = <> < <= > >= && ||."""

    op: str
    left: Node
    right: Node


Node = Literal | FieldRef | Call | Unary | Binary

GRAMMAR = r"""
?start: disjunction
?disjunction: conjunction | disjunction "||" conjunction -> either
?conjunction: equality | conjunction "&&" equality -> both
?equality: comparison | equality EQUALS comparison -> binary
?comparison: sum | comparison COMPARES sum -> binary
?sum: product | sum ADDS product -> binary
?product: power | product MULTIPLIES power -> binary
?power: prefixed | prefixed POWER power -> binary
?prefixed: atom | PREFIX prefixed -> unary | ADDS prefixed -> unary
?atom: NUMBER -> number
     | TEXT -> text
     | NAME -> name
     | NAME "(" [disjunction ("," disjunction)*] ")" -> call
     | "(" disjunction ")"
EQUALS: "==" | "=" | "<>" | "!="
COMPARES: "<=" | ">=" | "<" | ">"
ADDS: "+" | "-" | "&"
MULTIPLIES: "*" | "/"
POWER: "^"
PREFIX: "!"
NUMBER: /\d+(\.\d+)?|\.\d+/
TEXT: /"(\\.|[^"\\])*"|'(\\.|[^'\\])*'/s
NAME: /[$A-Za-z_][$\w:]*(\.[$A-Za-z_][\w:]*)*/
COMMENT: /\/\*.*?\*\//s
%ignore COMMENT
%ignore /\s+/
"""

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_CONSTANTS: dict[str, bool | None] = {"TRUE": True, "FALSE": False, "NULL": None}


def _unquoted(quoted: str) -> str:
    """The characters between the quotes, escapes resolved."""
    out: list[str] = []
    characters = iter(quoted[1:-1])
    for character in characters:
        if character == "\\":
            character = next(characters)
            character = _ESCAPES.get(character, character)
        out.append(character)
    return "".join(out)


@v_args(inline=True)
class _Build(Transformer[Token, Node]):
    def number(self, token: Token) -> Node:
        return Literal(Decimal(str(token)))

    def text(self, token: Token) -> Node:
        return Literal(_unquoted(str(token)))

    def name(self, token: Token) -> Node:
        if str(token).upper() in _CONSTANTS:
            return Literal(_CONSTANTS[str(token).upper()])
        return FieldRef(tuple(str(token).split(".")))

    def call(self, name: Token, *args: Node | None) -> Node:
        return Call(str(name).upper(), tuple(arg for arg in args if arg is not None))

    def unary(self, op: Token, operand: Node) -> Node:
        if str(op) == "&":
            raise FormulaError("Syntax error. Found '&'")
        return operand if str(op) == "+" else Unary(str(op), operand)

    def binary(self, left: Node, op: Token, right: Node) -> Node:
        plain = {"==": "=", "!=": "<>"}.get(str(op), str(op))
        return Binary(plain, left, right)

    def either(self, left: Node, right: Node) -> Node:
        return Binary("||", left, right)

    def both(self, left: Node, right: Node) -> Node:
        return Binary("&&", left, right)


_PARSER = Lark(GRAMMAR, parser="lalr", maybe_placeholders=False)


@lru_cache(maxsize=1024)
def parse(text: str) -> Node:
    """The tree of one formula.

    Raises FormulaError in Salesforce's words: `Syntax error. Missing ')'`, `Syntax error. Found 'x'`.
    """
    if not text.strip():
        raise FormulaError("Formula is blank.")
    try:
        tree = _PARSER.parse(text)
    except UnexpectedCharacters as error:
        raise FormulaError(f"Syntax error. Found '{text[error.pos_in_stream or 0]}'") from error
    except UnexpectedToken as error:
        if error.token.type == "$END":
            missing = "')'" if "RPAR" in error.expected else "an operand"
            raise FormulaError(f"Syntax error. Missing {missing}") from error
        if text.count("(") > text.count(")") and "RPAR" in error.expected:
            raise FormulaError("Syntax error. Missing ')'") from error
        raise FormulaError(f"Syntax error. Extra '{error.token}'") from error
    except (UnexpectedEOF, UnexpectedInput) as error:
        raise FormulaError("Syntax error.") from error
    node: Node = _Build().transform(tree)
    return node


def references(node: Node) -> Iterator[FieldRef]:
    """Every field the formula reads, in the order written."""
    match node:
        case FieldRef():
            yield node
        case Call(args=args):
            for arg in args:
                yield from references(arg)
        case Unary(operand=operand):
            yield from references(operand)
        case Binary(left=left, right=right):
            yield from references(left)
            yield from references(right)
