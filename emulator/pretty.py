"""`X-PrettyPrint: 1`: the same JSON, laid out for people; every number keeps its text.

Source: REST API Developer Guide, "Headers"; the layout (`"key" : value`, lists in one line) is the recorded one.
"""

from __future__ import annotations

import re

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
STEP = "  "


def pretty(text: str) -> str:
    """Valid JSON text, indented. Objects open lines, lists do not."""
    out: list[str] = []
    open_: list[str] = []
    before = ""

    def line() -> str:
        return "\n" + STEP * open_.count("{")

    for found in TOKEN.finditer(text):
        token = found[0]
        if token in "}]":
            opener = open_.pop()
            closes_empty = before == opener
            out.append((" " if closes_empty or token == "]" else line()) + token)
        else:
            if before == "{":
                out.append(line())
            elif before == "[":
                out.append(" ")
            if token in "{[":
                open_.append(token)
            out.append(
                {":": " : ", ",": "," + (line() if open_ and open_[-1] == "{" else " ")}.get(token, token)
            )
        before = token
    return "".join(out)
