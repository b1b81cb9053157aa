"""Whether a SOQL condition is whole: every field compared with something, every AND and OR between two conditions.

Only the shape. Which fields there are, and what they may be compared with, the org says.
"""

from __future__ import annotations

from collections.abc import Sequence

Token = tuple[str, str, int]  # kind, text, where it begins

_COMPARES = frozenset({"=", "!=", "<>", "<", ">", "<=", ">="})
_LISTS = frozenset({"in", "includes", "excludes"})
_JOINS = frozenset({"and", "or"})
_NO_OPERAND = _LISTS | _JOINS | {"like", "not"}
_EXAMPLE = "as in Status = 'Activated'"


class _Incomplete(Exception):
    """Message, the part that shows it, what to write."""

    def __init__(self, message: str, text: str, help: str | None = None) -> None:
        super().__init__(message)
        self.told = (message, text, help)


def incomplete(tokens: Sequence[Token]) -> tuple[str, str, str | None] | None:
    """(message, the part that shows it, help) of what is missing first; None when nothing is, as in an empty text."""
    if not tokens:
        return None
    reader = _Reader(tokens)
    try:
        reader.condition()
        reader.end()
    except _Incomplete as found:
        return found.told
    return None


class _Reader:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens, self._at = tokens, 0

    @property
    def _next(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    @property
    def _word(self) -> str:
        return self._next.lower()

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1][1]

    def end(self) -> None:
        if self._next:
            raise _Incomplete(
                f"`{self._next}` comes where AND or OR should", self._next, "join two conditions by AND or OR"
            )

    def condition(self) -> None:
        self._term("")
        while self._word in _JOINS:
            self._term(self._take())

    def _term(self, before: str) -> None:
        if self._word == "not":
            return self._term(self._take())
        if self._next == "(":
            opening = self._take()
            if self._next == ")":
                raise _Incomplete("there is nothing between ( and )", opening, _EXAMPLE)
            self.condition()
            if self._next != ")":
                return self.end()
            self._take()
            return None
        kind = self._tokens[self._at][0] if self._next else ""
        if kind != "name" or self._word in _NO_OPERAND:
            after = f"after {before.upper()}" if before else "before it"
            raise _Incomplete(f"a condition is missing {after}", before or self._next, _EXAMPLE)
        self._comparison(self._take())
        return None

    def _comparison(self, field: str) -> None:
        if self._next == "(":
            self._parenthesis()
        operator = self._take() if self._next else ""
        word = operator.lower()
        if word == "not" and self._word == "in":
            word = self._take().lower()
        if word in _LISTS:
            empty = [text for _, text, _ in self._tokens[self._at : self._at + 2]] == ["(", ")"]
            if self._next != "(" or empty:
                raise _Incomplete(f"{word.upper()} has no values", operator, f"as in {field} IN ('A', 'B')")
            self._parenthesis()
        elif word in _COMPARES or word == "like":
            kind = self._tokens[self._at][0] if self._next else ""
            if kind not in ("text", "number", "name") or self._word in _NO_OPERAND:
                raise _Incomplete(f"`{operator}` has no value behind it", operator, _EXAMPLE)
            self._take()
            if self._next == "(":
                self._parenthesis()
        else:
            raise _Incomplete(f"{field} is not compared with anything", field, _EXAMPLE)

    def _parenthesis(self) -> None:
        """Over ( and what belongs to it: a list, a nested query, what a function is given."""
        depth = 0
        while self._next:
            word = self._take()
            depth += (word == "(") - (word == ")")
            if depth == 0:
                return
