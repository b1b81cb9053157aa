"""The columns of a SOQL query, read from its SELECT list: `"Id"`, `"Order.AccountId"`, an alias, `expr0`."""

from __future__ import annotations

import re

from connector.errors import Misconfigured

_TOKEN = re.compile(r"'(?:\\.|[^'\\])*'|[A-Za-z_][\w.]*|[(),]|\S")
_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


def columns_of(soql: str) -> tuple[str, ...]:
    """The columns in the order in which they are selected, spelled as selected.

    A call (`COUNT(Id) n`) is named by its alias or `expr0`, `expr1` … as Salesforce names it. Plain `COUNT()` has
    no column. Child subqueries and TYPEOF are refused: their inner pages would be lost.
    """
    tokens = _TOKEN.findall(soql)
    if not tokens or tokens[0].upper() != "SELECT":
        raise Misconfigured("MALFORMED_QUERY", detail="a query starts with SELECT")
    items, end = _items(tokens)
    if end == len(tokens):
        raise Misconfigured("MALFORMED_QUERY", detail="a query needs FROM")
    columns: list[str] = []
    unnamed = 0
    for item in items:
        if not item or item[0].upper() in {"(", "TYPEOF"}:
            raise Misconfigured(
                "MALFORMED_QUERY", detail="only fields and function calls can be selected here"
            )
        if "(" not in item:
            if len(item) > 2 or not all(_PATH.fullmatch(part) for part in item):
                raise Misconfigured("MALFORMED_QUERY", detail="the SELECT list cannot be read")
            columns.append(item[-1])  # `Name` or, in a grouped query, `Name n`
        elif item[-1] == ")":
            if [t.upper() for t in item] == ["COUNT", "(", ")"] and len(items) == 1:
                return ()
            columns.append(f"expr{unnamed}")
            unnamed += 1
        else:
            columns.append(item[-1])
    doubles = {c for c in columns if [x.lower() for x in columns].count(c.lower()) > 1}
    if doubles:
        raise Misconfigured("MALFORMED_QUERY", detail=f"selected twice: {', '.join(sorted(doubles))}")
    return tuple(columns)


def object_of(soql: str) -> str | None:
    """The object behind FROM, for messages and the log."""
    tokens = _TOKEN.findall(soql)
    _, end = _items(tokens)
    return tokens[end + 1] if end + 1 < len(tokens) else None


def _items(tokens: list[str]) -> tuple[list[list[str]], int]:
    """The comma-separated items of the SELECT list, and where its FROM stands."""
    items: list[list[str]] = [[]]
    depth = 0
    for index, word in enumerate(tokens[1:], start=1):
        if word == "(":
            depth += 1
        elif word == ")":
            depth -= 1
        if depth == 0 and word.upper() == "FROM":
            return items, index
        if depth == 0 and word == ",":
            items.append([])
        else:
            items[-1].append(word)
    return items, len(tokens)
