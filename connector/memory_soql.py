"""The SOQL that `MemoryOrg` answers: one object, parents' fields, WHERE, ORDER BY, LIMIT and COUNT().

A small part of the language, written for tests of what uses an org. Whatever is outside it is refused as a
malformed query, so that a test cannot pass on a query that was misread. The emulator knows the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from connector.errors import Misconfigured
from connector.port import JsonValue
from connector.select_list import columns_of

Row = Mapping[str, JsonValue]
Read = Callable[[Row, str], JsonValue]
Test = Callable[[Row, Read], bool]
Literal = str | Decimal | bool | datetime | None

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:\\.|[^'\\])*')|(?P<moment>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:?\d\d))?)"
    r"|(?P<number>[+-]?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w.]*)|(?P<sign><=|>=|!=|<>|[=<>(),]))"
)


@dataclass(frozen=True)
class Query:
    """A query that was understood."""

    sobject: str
    columns: tuple[str, ...]
    is_count: bool
    test: Test
    order: tuple[tuple[str, bool], ...]  # path, descending
    limit: int | None


def parse(soql: str) -> Query:
    """Raises Misconfigured (`MALFORMED_QUERY`) for anything beyond this small part of SOQL."""
    columns = columns_of(soql)
    if any("(" in word for word in re.findall(r"\w+\s*\(", soql.split(" FROM ")[0])) and columns:
        raise _refusal("functions")
    words = _Words(soql)
    while words.take().upper() != "FROM":
        pass
    sobject = words.take()
    test: Test = lambda row, read: True  # noqa: E731
    order: list[tuple[str, bool]] = []
    limit = None
    if words.have("WHERE"):
        test = _any_of(words)
    if words.have("ORDER"):
        words.must("BY")
        order.append(_order(words))
        while words.have(","):
            order.append(_order(words))
    if words.have("LIMIT"):
        limit = int(words.take())
    if words.kind is not None:
        raise _refusal(words.word)
    return Query(sobject, columns, not columns, test, tuple(order), limit)


def _refusal(what: str) -> Misconfigured:
    return Misconfigured("MALFORMED_QUERY", detail=f"the in-memory org does not know: {what[:20]}")


class _Words:
    """The words of a query, one looked at ahead."""

    def __init__(self, soql: str) -> None:
        self._soql, self._at = soql, 0
        self.kind: str | None = None
        self.word = ""
        self._next()

    def _next(self) -> None:
        if not self._soql[self._at :].strip():
            self.kind, self.word = None, ""
            return
        found = _TOKEN.match(self._soql, self._at)
        if found is None:
            raise _refusal(self._soql[self._at :])
        self._at = found.end()
        self.kind = found.lastgroup
        self.word = found[found.lastgroup or 0]

    def take(self) -> str:
        if self.kind is None:
            raise _refusal("the end came too soon")
        word = self.word
        self._next()
        return word

    def have(self, word: str) -> bool:
        if self.kind in {"name", "sign"} and self.word.upper() == word:
            self._next()
            return True
        return False

    def must(self, word: str) -> None:
        if not self.have(word):
            raise _refusal(self.word)


def _any_of(words: _Words) -> Test:
    tests = [_all_of(words)]
    while words.have("OR"):
        tests.append(_all_of(words))
    return tests[0] if len(tests) == 1 else lambda row, read: any(test(row, read) for test in tests)


def _all_of(words: _Words) -> Test:
    tests = [_not(words)]
    while words.have("AND"):
        tests.append(_not(words))
    return tests[0] if len(tests) == 1 else lambda row, read: all(test(row, read) for test in tests)


def _not(words: _Words) -> Test:
    if words.have("NOT"):
        inner = _not(words)
        return lambda row, read: not inner(row, read)
    if words.have("("):
        inner = _any_of(words)
        words.must(")")
        return inner
    return _comparison(words)


def _comparison(words: _Words) -> Test:
    if words.kind != "name":
        raise _refusal(words.word)
    path = words.take()
    negated = words.have("NOT")
    if words.have("IN"):
        words.must("(")
        values = [_literal(words)]
        while words.have(","):
            values.append(_literal(words))
        words.must(")")
        return lambda row, read: any(_equal(read(row, path), value) for value in values) is not negated
    if negated:
        raise _refusal("NOT")
    if words.have("LIKE"):
        pattern = re.escape(str(_literal(words))).replace("%", ".*").replace("_", ".")
        return lambda row, read: bool(
            re.fullmatch(pattern, str(read(row, path) or ""), re.IGNORECASE | re.DOTALL)
        )
    sign = words.take()
    value = _literal(words)
    match sign:
        case "=":
            return lambda row, read: _equal(read(row, path), value)
        case "!=" | "<>":
            return lambda row, read: not _equal(read(row, path), value)
        case "<" | "<=" | ">" | ">=":
            return lambda row, read: _ranked(read(row, path), value, sign)
        case _:
            raise _refusal(sign)


def _literal(words: _Words) -> Literal:
    kind, word = words.kind, words.take()
    match kind:
        case "text":
            return re.sub(r"\\(.)", lambda m: {"n": "\n", "r": "\r", "t": "\t"}.get(m[1], m[1]), word[1:-1])
        case "number":
            return Decimal(word)
        case "moment":
            return datetime.fromisoformat(word)
        case _ if word.lower() in {"true", "false", "null"}:
            return {"true": True, "false": False, "null": None}[word.lower()]
        case _:
            raise _refusal(word)


def _order(words: _Words) -> tuple[str, bool]:
    path = words.take()
    if words.have("DESC"):
        return path, True
    words.have("ASC")
    return path, False


def _equal(value: JsonValue, literal: Literal) -> bool:
    if value is None or literal is None:
        return value is literal
    if isinstance(literal, datetime):
        return _moment(value) == _aware(literal)
    if isinstance(literal, str):
        return str(value).lower() == literal.lower()
    return value == literal


def _ranked(value: JsonValue, literal: Literal, sign: str) -> bool:
    if value is None or literal is None:
        return False
    if isinstance(literal, datetime):
        left, right = _moment(value), _aware(literal)
        return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[sign]
    if isinstance(literal, str):
        return {
            "<": str(value) < literal,
            "<=": str(value) <= literal,
            ">": str(value) > literal,
            ">=": str(value) >= literal,
        }[sign]
    number = Decimal(str(value))
    return {"<": number < literal, "<=": number <= literal, ">": number > literal, ">=": number >= literal}[
        sign
    ]


def _moment(value: JsonValue) -> datetime:
    return _aware(datetime.fromisoformat(str(value)))


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def sort_key(values: Sequence[JsonValue]) -> tuple[tuple[int, JsonValue], ...]:
    """Nulls first, as SOQL sorts by default."""
    return tuple((0, "") if value is None else (1, value) for value in values)
