"""The SOQL condition of `where`: enough of its grammar to keep it a condition, and to see which fields it names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mappings.where_shape import incomplete

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<name>[A-Za-z_][\w.]*(?::\d+)?)|(?P<number>[-+]?\d[\w:.+-]*)"
    r"|(?P<op><=|>=|!=|<>|[=<>(),]))"
)
_COMPARES = frozenset({"=", "!=", "<>", "<", ">", "<=", ">="})
# What would turn the condition into something else than one.
_NOT_A_CONDITION = frozenset(
    {"order", "limit", "group", "having", "offset", "for", "all", "with", "using", "where"}
)
_WORDS = (
    frozenset(
        [
            "and",
            "or",
            "not",
            "in",
            "like",
            "includes",
            "excludes",
            "null",
            "true",
            "false",
            "select",
            "from",
            "today",
            "yesterday",
            "tomorrow",
        ]
    )
    | _NOT_A_CONDITION
)

# Dates that are others tomorrow.
_RELATIVE = re.compile(
    r"(?:yesterday|today|tomorrow|(?:last|this|next)_(?:fiscal_)?(?:week|month|quarter|year)|(?:last|next)_90_days"
    r"|(?:last|next)_n_(?:fiscal_)?(?:days|weeks|months|quarters|years)"
    r"|n_(?:fiscal_)?(?:days|weeks|months|quarters|years)_ago)(?::\d+)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class WhereProblem:
    """Why a text is not a SOQL condition, and the part of it that shows it."""

    message: str
    text: str
    help: str | None = None


def where_problem(where: str) -> WhereProblem | None:
    """None when the text can stand in parentheses after WHERE."""
    depth = 0
    for kind, word, at in _tokens(where):
        if kind == "bad":
            if word == "'":
                return WhereProblem("a text in the condition is not closed", where[at:], "close it with '")
            if word == '"':
                return WhereProblem("SOQL texts stand in single quotes", where[at : at + 1])
            return WhereProblem(f"`{word}` has no meaning in a SOQL condition", word)
        if word == "(":
            depth += 1
        elif word == ")":
            depth -= 1
            if depth < 0:
                return WhereProblem("a ) has no ( before it", ")")
        elif kind == "name" and depth == 0 and word.lower() in _NOT_A_CONDITION:
            return WhereProblem(
                f"{word.upper()} is no part of a condition",
                word,
                "order, limits and paging are added for you",
            )
    if depth:
        return WhereProblem("a ( is not closed", "(")
    missing = incomplete(_tokens(where))
    return None if missing is None else WhereProblem(*missing)


def relative_date(where: str) -> WhereProblem | None:
    """A date that moves on by itself: what it left behind would be taken back, a few records a night, settled or not."""
    before = ["", ""]
    for kind, word, _ in _tokens(where):
        if kind == "name" and _RELATIVE.fullmatch(word):
            field = before[0] if before[1] in _COMPARES else "CreatedDate"
            return WhereProblem(
                f"{word} is another day tomorrow: records that it no longer shows would be taken back from what was settled",
                word,
                f"write the first day that counts, as in {field} >= 2026-01-01 (a date-time: 2026-01-01T00:00:00Z)",
            )
        before = [before[1], word]
    return None


def where_paths(where: str) -> tuple[str, ...]:
    """The field paths a valid condition names (those of nested selects left out), each once."""
    paths: dict[str, None] = {}
    nested: list[bool] = []
    tokens = list(_tokens(where))
    for index, (kind, word, _) in enumerate(tokens):
        following = tokens[index + 1][1].lower() if index + 1 < len(tokens) else ""
        if word == "(":
            nested.append(following == "select")
        elif word == ")" and nested:
            nested.pop()
        elif kind == "name" and not any(nested) and word.lower() not in _WORDS:
            previous = tokens[index - 1][1] if index else ""
            is_function = following == "("
            is_literal = previous in _COMPARES
            if not is_function and not is_literal and ":" not in word:
                paths.setdefault(word)
    return tuple(paths)


def _tokens(where: str) -> list[tuple[str, str, int]]:
    found = []
    at = 0
    while where[at:].strip():
        match = _TOKEN.match(where, at)
        if match is None:
            start = len(where) - len(where[at:].lstrip())
            found.append(("bad", where[start], start))
            return found
        kind = match.lastgroup or ""
        found.append((kind, match[kind], match.start(kind)))
        at = match.end()
    return found
