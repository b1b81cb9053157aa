"""Formulas: parentheses, functions with the right number of arguments, fields and picklist values that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .model import Package
from .nodes import suggestion

# function → fewest and most arguments (Salesforce help, "Formula Operators and Functions")
_FUNCTIONS = {
    "AND": (1, 99),
    "BLANKVALUE": (2, 2),
    "IF": (3, 3),
    "ISBLANK": (1, 1),
    "ISNEW": (0, 0),
    "ISPICKVAL": (2, 2),
    "MAX": (1, 99),
    "MIN": (1, 99),
    "NOT": (1, 1),
    "OR": (1, 99),
    "PRIORVALUE": (1, 1),
    "ISCHANGED": (1, 1),
    "TODAY": (0, 0),
}
_CONSTANTS = {"NULL", "TRUE", "FALSE"}
_RULES_ONLY = {"ISCHANGED", "ISNEW", "PRIORVALUE"}
_TOKEN = re.compile(
    r'\s*(?:("(?:[^"\\]|\\.)*")|([A-Za-z]\w*(?:\.\w+)*)|(\d+(?:\.\d+)?)|(<>|<=|>=|&&|\|\||[-+*/^=<>(),&]))'
)


def problems(package: Package, object_: str, formula: str, *, rule: bool = False) -> Iterator[str]:
    """What is wrong, in words. `rule`: a validation rule, which may ask for the prior value."""
    tokens, position = [], 0
    while position < len(formula.rstrip()):
        match = _TOKEN.match(formula, position)
        if not match:
            yield f"formula cannot be read at {formula[position : position + 12].strip()!r}"
            return
        tokens.append(match.group().strip())
        position = match.end()
    yield from _Reader(package, object_, tokens, rule).problems()


class _Reader:
    """Walks the tokens once; keeps for each open parenthesis its function and what stood in it."""

    def __init__(self, package: Package, object_: str, tokens: list[str], rule: bool) -> None:
        self.package, self.object, self.tokens, self.rule = package, object_, tokens, rule

    def problems(self) -> Iterator[str]:
        calls: list[tuple[str, list[list[str]]]] = []
        for index, token in enumerate(self.tokens):
            following = self.tokens[index + 1] if index + 1 < len(self.tokens) else ""
            if token == "(":
                name = self.tokens[index - 1] if index else ""
                calls.append((name if name.upper() in _FUNCTIONS else "", [[]]))
            elif token == ")":
                if not calls:
                    yield "formula closes a parenthesis that was not opened"
                    return
                name, arguments = calls.pop()
                yield from self._call(name, arguments)
                if calls:
                    calls[-1][1][-1].append("()")
            elif token == ",":
                if not calls or not calls[-1][0]:
                    yield "formula has a comma outside a function"
                    return
                calls[-1][1].append([])
            else:
                if calls:
                    calls[-1][1][-1].append(token)
                if token[0].isalpha():
                    yield from self._name(token, following == "(")
        if calls:
            yield f"formula does not close {calls[-1][0]}("

    def _name(self, name: str, is_call: bool) -> Iterator[str]:
        if is_call:
            if name not in _FUNCTIONS:
                yield f"formula calls {name}, which is no function known here{suggestion(name, _FUNCTIONS)}"
            elif name in _RULES_ONLY and not self.rule:
                yield f"formula calls {name}, which only a validation rule may"
        elif name not in _CONSTANTS:
            object_, rest = self.object, name
            while "." in rest:
                relation, _, rest = rest.partition(".")
                parent = self.package.field(object_, relation.removesuffix("__r") + "__c")
                if parent is None:
                    yield f"formula follows {relation}, which is no relationship of {object_}"
                    return
                object_ = parent.node.one("referenceTo") or ""
            if not self.package.has_field(object_, rest):
                close = suggestion(rest, self.package.field_names(object_))
                yield f"formula uses {object_}.{rest}, which does not exist{close}"

    def _call(self, name: str, arguments: list[list[str]]) -> Iterator[str]:
        if not name:
            return
        given = 0 if arguments == [[]] else len(arguments)
        fewest, most = _FUNCTIONS[name]
        if not fewest <= given <= most:
            yield f"formula gives {name} {given} arguments"
        elif any(not argument for argument in arguments) and given:
            yield f"formula gives {name} an empty argument"
        elif name == "ISPICKVAL":
            field = self.package.field(self.object, arguments[0][0])
            value = arguments[1][0].strip('"')
            if field is not None and value not in field.values:
                yield f"{field.name} has no value {value!r}{suggestion(value, field.values)}"
