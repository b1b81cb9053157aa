"""XML with line numbers, and what a finding is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from xml.parsers import expat


@dataclass(frozen=True, order=True)
class Problem:
    """One finding: the file as in the package, the line (0: the file as a whole), and what is wrong."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


@dataclass
class Node:
    """An element: `text` is stripped; namespaces are left out (the package knows only one)."""

    tag: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Node] = field(default_factory=list)
    _found: dict[str, list[Node]] = field(default_factory=dict, repr=False, compare=False)  # by path

    def all(self, path: str) -> list[Node]:
        """Descendants by path, such as "valueSet/valueSetDefinition/value"; the tree must be whole, for what was found is kept."""
        known = self._found.get(path)
        if known is not None:
            return known
        found = [self]
        for step in path.split("/"):
            found = [child for node in found for child in node.children if child.tag == step]
        self._found[path] = found
        return found

    def one(self, path: str) -> str | None:
        found = self.all(path)
        return found[0].text if found else None

    def line_of(self, path: str) -> int:
        found = self.all(path)
        return found[0].line if found else self.line

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.walk()


class NotWellFormed(ValueError):
    """`line` is where the parser stopped."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@lru_cache(maxsize=2048)
def parse(text: str) -> Node:
    """The root element; raises NotWellFormed. The same text gives the same tree, which nobody changes."""
    top = Node("", 0)
    stack = [top]
    parser = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        node = Node(name, parser.CurrentLineNumber, attributes)
        stack[-1].children.append(node)
        stack.append(node)

    def end(_: str) -> None:
        node = stack.pop()
        node.text = node.text.strip()

    def data(content: str) -> None:
        stack[-1].text += content

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, data
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise NotWellFormed(error.lineno, expat.errors.messages[error.code]) from error
    return top.children[0]


def suggestion(name: str, known: Iterable[str]) -> str:
    """ "; did you mean X?" where something close is known."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""
