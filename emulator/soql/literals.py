"""The values of a SOQL statement: text with escapes, numbers, dates and times with offsets."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal

ESCAPES = {
    "n": "\n",
    "N": "\n",
    "r": "\r",
    "R": "\r",
    "t": "\t",
    "T": "\t",
    "b": "\b",
    "B": "\b",
    "f": "\f",
    "F": "\f",
}
SAME = {'"', "'", "\\", "%", "_"}
DATETIME = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d+))?(?:z|([+-])(\d\d):?(\d\d))$", re.IGNORECASE
)


class IllegalEscape(ValueError):
    """`sequence` is what was written, e.g. `\\q`."""

    def __init__(self, sequence: str) -> None:
        super().__init__(sequence)
        self.sequence = sequence


def string(quoted: str) -> tuple[str, str]:
    """The text between the quotes, and the same text as a LIKE pattern for SQL with ESCAPE '\\'.

    In the pattern `%` and `_` are wildcards unless they were escaped in the statement.
    Source: SOQL and SOSL Reference, quoted string escape sequences.
    """
    body = quoted[1:-1]
    if "\\" not in body:
        return body, body
    text: list[str] = []
    pattern: list[str] = []
    i = 0
    while i < len(body):
        char = body[i]
        if char != "\\":
            text.append(char)
            pattern.append(char)
            i += 1
            continue
        follow = body[i + 1]
        if follow in SAME:
            text.append(follow)
            pattern.append("\\" + follow if follow in "%_\\" else follow)
            i += 2
        elif follow in ESCAPES:
            text.append(ESCAPES[follow])
            pattern.append(ESCAPES[follow])
            i += 2
        elif follow in "uU" and re.fullmatch("[0-9a-fA-F]{4}", body[i + 2 : i + 6]):
            char = chr(int(body[i + 2 : i + 6], 16))
            text.append(char)
            pattern.append(char)
            i += 6
        else:
            raise IllegalEscape("\\" + follow)
    return "".join(text), "".join(pattern)


def number(text: str) -> Decimal:
    return Decimal(text)


def day(text: str) -> date:
    """Raises ValueError for a day that does not exist (2026-02-30)."""
    return date.fromisoformat(text)


def instant(text: str) -> datetime:
    """A date and time with any offset, as UTC; digits beyond milliseconds are cut.

    Raises ValueError when it is no point in time.
    """
    found = DATETIME.match(text)
    if found is None:
        raise ValueError(text)
    on, at, fraction, sign, hours, minutes = found.groups()
    millis = ((fraction or "") + "000")[:3]
    offset = "+00:00" if sign is None else f"{sign}{hours}:{minutes}"
    return datetime.fromisoformat(f"{on}T{at}.{millis}{offset}").astimezone(UTC)


def clock_time(text: str) -> time:
    return time.fromisoformat(text[:8] + "." + (text[9:-1] + "000000")[:6])
