"""CSV as Bulk API 2.0 reads it: RFC 4180, strictly, with the delimiter and line ending the job declared.

Nothing is trimmed; a quote inside an unquoted value spoils its row; the other line ending spoils the file.
Source: Bulk API 2.0 and Bulk API Developer Guide, "Prepare CSV Files".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_FIELD = 131_072
MAX_RECORD = 400_000
MAX_FIELDS = 5_000


class BadFile(Exception):
    """The file as a whole cannot be read; the message becomes the job's error."""


@dataclass(frozen=True)
class Row:
    """One record: its values as uploaded, or why it cannot be read."""

    values: tuple[str, ...]
    problem: str | None = None


class Reader:
    """`header`, then the rows one by one. Raises BadFile for a file that is not UTF-8, or empty, or of the other
    line ending."""

    def __init__(self, data: bytes, delimiter: str, ending: str) -> None:
        try:
            self._text = data.decode("utf-8-sig")
        except UnicodeDecodeError as problem:
            raise BadFile(
                f"ClientInputError : Failed to parse CSV: not UTF-8 at byte {problem.start}"
            ) from None
        mark = re.escape(delimiter)
        value = rf'(?:"((?:[^"]|"")*)"|([^"{mark}\r\n]*))'
        self._field = re.compile(rf"{value}({mark}|{ending}|\Z)")
        self._any_ending = re.compile(rf"{value}[\r\n]")
        self._line = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|\Z)")
        self._ending = ending
        self._place = 0
        first = self._next()
        if first is None:
            raise BadFile("ClientInputError : No data was uploaded")
        if first.problem:
            raise BadFile(f"InvalidBatch : {first.problem}")
        self.header = first.values

    def __iter__(self) -> Iterator[Row]:
        while (row := self._next()) is not None:
            if row.problem is None and len(row.values) != len(self.header):
                row = Row(
                    self._fitted(row.values),
                    f"The number of values ({len(row.values)}) is not that of the header ({len(self.header)})",
                )
            elif row.problem is not None:
                row = Row(self._fitted(row.values), row.problem)
            yield row

    def _fitted(self, values: Sequence[str]) -> tuple[str, ...]:
        wanted = len(self.header)
        return (*values[:wanted], *[""] * (wanted - len(values)))

    def _next(self) -> Row | None:
        """The row at the current place; blank lines are passed over; None at the end."""
        while self._text.startswith(self._ending, self._place):
            self._place += len(self._ending)
        if self._place >= len(self._text):
            return None
        begin = self._place
        values: list[str] = []
        while True:
            found = self._field.match(self._text, self._place)
            if found is None:
                return self._spoiled(values)
            quoted, plain, mark = found.groups()
            values.append(plain if quoted is None else quoted.replace('""', '"'))
            self._place = found.end()
            if mark == "" or mark == self._ending:
                break
        if self._place - begin > MAX_RECORD or len(values) > MAX_FIELDS or max(map(len, values)) > MAX_FIELD:
            return Row(tuple(values), "The record is longer than the Bulk API takes")
        return Row(tuple(values))

    def _spoiled(self, values: list[str]) -> Row:
        """Skips to the next line, unless it is the line ending that is wrong."""
        line = self._line.match(self._text, self._place)
        assert line is not None
        rest = line[0]
        if self._any_ending.match(self._text, self._place):
            name = "LF" if self._ending == "\n" else "CRLF"
            raise BadFile(
                f"ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is {name}"
            )
        self._place = max(line.end(), self._place + 1)
        return Row((*values, rest.rstrip("\r\n")), "Invalid CSV: a quote stands where none may")


def written(values: Sequence[str], delimiter: str, ending: str) -> str:
    """One line of a result file: every value quoted."""
    cells = ('"' + value.replace('"', '""') + '"' for value in values)
    return delimiter.join(cells) + ending
