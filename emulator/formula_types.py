"""What type a formula has, and whether Salesforce would save it.

Types are letters: n number, t text, p picklist, b boolean, d date, m date and time, x blank (NULL).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from emulator.formula_functions import FUNCTIONS
from emulator.formula_syntax import Binary, Call, FieldRef, FormulaError, Literal, Node, Unary

NAMES = {
    "n": "Number",
    "t": "Text",
    "p": "Picklist",
    "b": "Boolean",
    "d": "Date",
    "m": "DateTime",
    "x": "Null",
}
LETTERS = {
    "currency": "n", "double": "n", "percent": "n", "int": "n", "boolean": "b", "date": "d", "datetime": "m",
    "picklist": "p", "multipicklist": "p",
}  # fmt: skip
OPEN_ENDED = {"AND": 1, "OR": 1, "MAX": 1, "MIN": 1}
FIXED = {
    "NOT": 1, "IF": 3, "ISBLANK": 1, "ISNULL": 1, "BLANKVALUE": 2, "NULLVALUE": 2, "TODAY": 0, "NOW": 0,
    "ISPICKVAL": 2, "PRIORVALUE": 1, "ISCHANGED": 1, "ISNEW": 0,
}  # fmt: skip
RULES_ONLY = {"PRIORVALUE", "ISCHANGED", "ISNEW", "REGEX"}


@dataclass(frozen=True)
class Shape:
    """A field as a formula sees it: its name, describe type, scale, and formula where it has one."""

    name: str
    type: str
    scale: int = 0
    formula: str | None = None
    blank_as_zero: bool = True

    @property
    def letter(self) -> str:
        return LETTERS.get(self.type, "t")


class Fields(Protocol):
    """What a formula may ask of the schema; names in any case."""

    def field(self, sobject: str, name: str) -> Shape | None: ...
    def parent(self, sobject: str, relationship: str) -> tuple[str, str] | None:
        """The reference field and the parent object behind a relationship name."""


def resolve(fields: Fields, sobject: str, ref: FieldRef) -> tuple[str, Shape]:
    """The object and field that a reference ends at. Raises FormulaError `Field X does not exist. Check spelling.`"""
    at = sobject
    for step in ref.path[:-1]:
        found = fields.parent(at, step)
        if found is None:
            raise FormulaError(f"Field {ref.text} does not exist. Check spelling.")
        at = found[1]
    shape = fields.field(at, ref.path[-1])
    if shape is None:
        raise FormulaError(f"Field {ref.text} does not exist. Check spelling.")
    return at, shape


class Checker:
    """Types one formula of an object; `rule`: the functions of validation rules are allowed."""

    def __init__(self, fields: Fields, sobject: str, *, rule: bool = False) -> None:
        self._fields, self._sobject, self._rule = fields, sobject, rule

    def type_of(self, node: Node) -> str:
        """The letter of a formula's type. Raises FormulaError with Salesforce's words."""
        match node:
            case Literal(value=value):
                if isinstance(value, bool):
                    return "b"
                return "x" if value is None else "n" if isinstance(value, Decimal) else "t"
            case FieldRef(path=path):
                return self._field(path)
            case Unary(op=op, operand=operand):
                self._expect(operand, "b" if op == "!" else "n", f"operator '{op}'")
                return "b" if op == "!" else "n"
            case Binary():
                return self._binary(node)
            case Call():
                return self._call(node)

    def _field(self, path: tuple[str, ...]) -> str:
        if path[0].startswith("$"):
            if path[0].lower() not in ("$user", "$profile", "$permission", "$organization") or len(path) != 2:
                raise FormulaError(f"Field {'.'.join(path)} does not exist. Check spelling.")
            return "b" if path[0].lower() == "$permission" else "t"
        return resolve(self._fields, self._sobject, FieldRef(path))[1].letter

    def _expect(self, node: Node, kinds: str, where: str) -> str:
        got = self.type_of(node)
        if got == "p" and "p" not in kinds:
            name = node.text if isinstance(node, FieldRef) else "value"
            raise FormulaError(
                f"Field {name} is a picklist field. Picklist fields are only supported in certain functions."
            )
        if got != "x" and got not in kinds:
            expected = ", ".join(NAMES[kind] for kind in kinds)
            raise FormulaError(
                f"Incorrect parameter type for {where}. Expected {expected}, received {NAMES[got]}"
            )
        return got

    def _alike(self, nodes: Sequence[Node], where: str) -> str:
        known = [got for got in (self._expect(node, "ntbdm", where) for node in nodes) if got != "x"]
        for got in known[1:]:
            if got != known[0]:
                raise FormulaError(
                    f"Incorrect parameter type for {where}. Expected {NAMES[known[0]]}, received {NAMES[got]}"
                )
        return known[0] if known else "x"

    def _binary(self, node: Binary) -> str:
        where = f"operator '{node.op}'"
        if node.op in ("&&", "||"):
            self._expect(node.left, "b", where)
            self._expect(node.right, "b", where)
            return "b"
        if node.op in ("=", "<>", "<", ">", "<=", ">="):
            self._alike((node.left, node.right), where)
            return "b"
        if node.op == "&":
            self._expect(node.left, "t", where)
            self._expect(node.right, "t", where)
            return "t"
        if node.op not in "+-":
            self._expect(node.left, "n", where)
            self._expect(node.right, "n", where)
            return "n"
        return self._sum(node, where)

    def _sum(self, node: Binary, where: str) -> str:
        left = self._expect(node.left, "ntdm", where)
        right = self._expect(node.right, "ntdm", where)
        pair = left + right
        if node.op == "+" and pair in ("tt", "tx", "xt"):
            return "t"
        if node.op == "-" and pair in ("dd", "mm"):
            return "n"
        if pair in ("dn", "mn") or (node.op == "+" and pair in ("nd", "nm")):
            return "d" if "d" in pair else "m"
        if set(pair) <= {"n", "x"}:
            return "n"
        raise FormulaError(f"Incorrect parameter type for {where}. Expected Number, received {NAMES[right]}")

    def _call(self, node: Call) -> str:
        name, args, where = node.name, node.args, f"function '{node.name}()'"
        if name in RULES_ONLY and not self._rule:
            raise FormulaError(f"Function {name} may not be used in this type of formula")
        self._count(node)
        if name in FUNCTIONS:
            for arg, kind in zip(args, FUNCTIONS[name].kinds, strict=False):
                self._expect(arg, "ntpbdm" if kind == "x" else kind, where)
            return FUNCTIONS[name].result
        special: dict[str, Callable[[], str]] = {
            "IF": lambda: self._expect(args[0], "b", where) and self._alike(args[1:], where),
            "CASE": lambda: self._case(args, where),
            "MAX": lambda: self._all(args, "n", where),
            "MIN": lambda: self._all(args, "n", where),
            "TODAY": lambda: "d",
            "NOW": lambda: "m",
            "ISNEW": lambda: "b",
            "ISBLANK": lambda: self._expect(args[0], "ntpbdm", where) and "b",
            "ISNULL": lambda: self._expect(args[0], "ntpbdm", where) and "b",
            "BLANKVALUE": lambda: self._alike(args, where),
            "NULLVALUE": lambda: self._alike(args, where),
            "ISPICKVAL": lambda: (
                self._expect(args[0], "p", where) and self._expect(args[1], "t", where) and "b"
            ),
            "ISCHANGED": lambda: self._own_field(args[0], where) and "b",
            "PRIORVALUE": lambda: self._own_field(args[0], where),
        }
        return special[name]() if name in special else self._all(args, "b", where)

    def _count(self, node: Call) -> None:
        name, got = node.name, len(node.args)
        if name in FUNCTIONS:
            least, most = FUNCTIONS[name].least, len(FUNCTIONS[name].kinds)
        elif name in FIXED:
            least = most = FIXED[name]
        elif name in OPEN_ENDED:
            least, most = OPEN_ENDED[name], 1000
        elif name == "CASE":
            least, most = 4, 1000
        else:
            raise FormulaError(f"Unknown function {name}. Check spelling.")
        if not least <= got <= most or (name == "CASE" and got % 2):
            expected = least if got < least else most
            raise FormulaError(
                f"Incorrect number of parameters for function '{name}()'. Expected {expected}, received {got}"
            )

    def _all(self, args: Sequence[Node], kind: str, where: str) -> str:
        for arg in args:
            self._expect(arg, kind, where)
        return kind

    def _case(self, args: Sequence[Node], where: str) -> str:
        subject = self.type_of(args[0])
        for match in args[1:-1:2]:
            self._expect(match, "t" if subject == "p" else subject, where)
        return self._alike([*args[2:-1:2], args[-1]], where)

    def _own_field(self, node: Node, where: str) -> str:
        if not isinstance(node, FieldRef) or len(node.path) != 1:
            raise FormulaError(f"Incorrect parameter for {where}: a field of the record is expected")
        return self.type_of(node)
