"""TOML with places: the values as `tomllib` reads them, each with the line and column of its key and value.

`tomllib` decides what is valid and what the values are; the scanner here only walks text that is already known
to be valid, and notes where things stand.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass
from typing import Any

from mappings.problems import MappingProblems, Place, Problem
from rebates import toml_text

Path = tuple[str | int, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\", "e": "\x1b"}


@dataclass
class Node:
    """A value of the file: a scalar, a table (dict of nodes) or an array (list of nodes), and where it stands."""

    value: Any
    key_place: Place
    place: Place

    @property
    def is_table(self) -> bool:
        return isinstance(self.value, dict)

    @property
    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain for node in self.value]
        return self.value


def read_toml(text: str, file: str) -> Node:
    """The file as a tree of nodes. Raises MappingProblems (M000) when it is not TOML."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        data = toml_text.read(text)
    except toml_text.NotToml as error:
        raise MappingProblems([_not_toml(str(error), text, file)]) from error
    scanner = _Scanner(text, file)
    scanner.run()
    top = Place(file=file, excerpt="")
    return _tree(data, (), scanner, top, top)


def _tree(value: Any, path: Path, scanner: _Scanner, key_place: Place, place: Place) -> Node:
    if isinstance(value, dict):
        children: dict[str, Node] = {}
        for key, item in value.items():
            here = (*path, key)
            at_key = scanner.keys.get(here, key_place)
            children[key] = _tree(item, here, scanner, at_key, scanner.values.get(here, at_key))
        return Node(children, key_place, place)
    if isinstance(value, list):
        items = []
        for index, item in enumerate(value):
            at = scanner.values.get((*path, index), place)
            items.append(_tree(item, (*path, index), scanner, at, at))
        return Node(items, key_place, place)
    return Node(value, key_place, place)


def _not_toml(message: str, text: str, file: str) -> Problem:
    at = re.search(r"\(at line (\d+), column (\d+)\)", message)
    lines = text.split("\n")
    line, column = (int(at[1]), int(at[2])) if at else (len(lines), 1)
    excerpt = lines[min(line, len(lines)) - 1]
    why = re.sub(r" \(at .*\)$", "", message)
    return Problem(
        "error",
        "M000",
        f"this is not TOML: {why[:1].lower()}{why[1:]}",
        Place(file, "", line, column, 1, excerpt),
        help="text values stand in double quotes, and a table starts with [name]",
    )


class _Scanner:
    """Walks valid TOML and notes the place of every key and value under its path."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.at = 0
        self.keys: dict[Path, Place] = {}
        self.values: dict[Path, Place] = {}
        self._lines = text.split("\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)
        self._arrays: dict[Path, int] = {}

    def run(self) -> None:
        table: Path = ()
        while self._skip(newlines=True):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        double = self.text.startswith("[[", self.at)
        self.at += 2 if double else 1
        path: Path = ()
        for name, start, length in self._dotted_key():
            path = (*path, name)
            self.keys.setdefault(path, self._place(path, start, length))
            if path in self._arrays:
                path = (*path, self._arrays[path])
        if double:
            base = path[:-1] if path and isinstance(path[-1], int) else path
            index = self._arrays.get(base, -1) + 1
            self._arrays[base] = index
            path = (*base, index)
            self.values[path] = self.keys[base]
        self.at += 2 if double else 1
        return path

    def _pair(self, table: Path) -> None:
        path = table
        for name, start, length in self._dotted_key():
            path = (*path, name)
            self.keys.setdefault(path, self._place(path, start, length))
        self._skip()
        self.at += 1  # the equals sign
        self._skip()
        self._value(path)

    def _dotted_key(self) -> list[tuple[str, int, int]]:
        parts = []
        while True:
            self._skip()
            start = self.at
            if self.text[self.at] in "\"'":
                name, inner_start, inner_length = self._string()
                parts.append((name, inner_start, inner_length))
            else:
                match = _BARE_KEY.match(self.text, self.at)
                assert match is not None, "tomllib accepted this text"
                self.at = match.end()
                parts.append((match[0], start, len(match[0])))
            self._skip()
            if self.at < len(self.text) and self.text[self.at] == ".":
                self.at += 1
                continue
            return parts

    def _value(self, path: Path) -> None:
        start = self.at
        first = self.text[self.at]
        if first in "\"'":
            _, inner_start, inner_length = self._string()
            self.values[path] = self._place(path, inner_start, inner_length)
            return
        if first == "[":
            self.at += 1
            index = 0
            while self._skip(newlines=True) and self.text[self.at] != "]":
                self._value((*path, index))
                index += 1
                self._skip(newlines=True)
                if self.text[self.at] == ",":
                    self.at += 1
            self.at += 1
        elif first == "{":
            self.at += 1
            while self._skip(newlines=True) and self.text[self.at] != "}":
                self._pair(path)
                self._skip(newlines=True)
                if self.text[self.at] == ",":
                    self.at += 1
            self.at += 1
        else:
            match = re.compile(r"[^,\]}#\n]+").match(self.text, self.at)
            assert match is not None, "tomllib accepted this text"
            self.at = match.start() + len(match[0].rstrip())
        self.values[path] = self._place(path, start, self.at - start)

    def _string(self) -> tuple[str, int, int]:
        """Steps over a string; gives what it says and where its inside starts and how long it is."""
        quote = self.text[self.at]
        mark = quote * 3 if self.text.startswith(quote * 3, self.at) else quote
        start = self.at + len(mark)
        end = start
        while not self.text.startswith(mark, end):
            end += 2 if quote == '"' and self.text[end] == "\\" else 1
        if len(mark) == 3:
            while self.text.startswith(quote, end + 3):  # """" closes with its last three
                end += 1
        self.at = end + len(mark)
        inside = self.text[start:end]
        if quote == '"' and "\\" in inside:
            inside = re.sub(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", _unescape, inside)
        return inside, start, end - start

    def _skip(self, newlines: bool = False) -> bool:
        """Over blanks and comments; False at the end of the text."""
        blanks = " \t\n" if newlines else " \t"
        while self.at < len(self.text):
            if self.text[self.at] in blanks:
                self.at += 1
            elif self.text[self.at] == "#" and newlines:
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return True
        return False

    def _place(self, path: Path, start: int, length: int) -> Place:
        line = bisect.bisect_right(self._starts, start)
        column = start - self._starts[line - 1] + 1
        excerpt = self._lines[line - 1]
        on_line = max(1, min(length, len(excerpt) - column + 1))
        return Place(self.file, ".".join(str(part) for part in path), line, column, on_line, excerpt)


def _unescape(match: re.Match[str]) -> str:
    what = match[1]
    if what[0] in "uU" and len(what) > 1:
        return chr(int(what[1:], 16))
    return _ESCAPES.get(what, what)
