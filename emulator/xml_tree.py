"""XML read with line numbers, so that a deploy can say where it found the mistake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat


class XmlError(ValueError):
    """Not well-formed; `line` and `column` of the place, as a deploy reports them."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line, self.column = line, column


@dataclass
class Element:
    """One element: its name without a namespace, its text, its children, and the line it opens on."""

    tag: str
    line: int
    column: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, tag: str) -> Iterator[Element]:
        return (child for child in self.children if child.tag == tag)

    def first(self, tag: str) -> Element | None:
        return next(self.all(tag), None)

    def get(self, tag: str, default: str = "") -> str:
        """The text of the first child of that name."""
        found = self.first(tag)
        return found.text if found else default

    def flag(self, tag: str) -> bool:
        return self.get(tag).lower() == "true"

    def plain(self) -> list[Any]:
        """The element as JSON keeps it: [tag, line, column, text, children]."""
        return [self.tag, self.line, self.column, self.text, [child.plain() for child in self.children]]

    @classmethod
    def of(cls, plain: list[Any]) -> Element:
        tag, line, column, text, children = plain
        return cls(tag, line, column, text, [cls.of(child) for child in children])

    def json(self) -> Any:
        """The element as the Tooling API shows metadata: repeated children become lists."""
        if not self.children:
            return {"true": True, "false": False}.get(self.text, self.text)
        out: dict[str, Any] = {}
        for child in self.children:
            if child.tag in out:
                known = out[child.tag]
                out[child.tag] = [*known, child.json()] if isinstance(known, list) else [known, child.json()]
            else:
                out[child.tag] = child.json()
        return out


def read_xml(data: bytes) -> Element:
    """The root element. Raises XmlError; entities that a file declares itself are refused."""
    parser = expat.ParserCreate(namespace_separator=" ")
    root = Element("", 0, 0)
    open_elements = [root]

    def start(name: str, _attributes: dict[str, str]) -> None:
        made = Element(name.rpartition(" ")[2], parser.CurrentLineNumber, parser.CurrentColumnNumber + 1)
        open_elements[-1].children.append(made)
        open_elements.append(made)

    def end(_name: str) -> None:
        closed = open_elements.pop()
        closed.text = "" if closed.children else closed.text.strip()

    def text(data: str) -> None:
        open_elements[-1].text += data

    def entity(*_args: Any) -> None:
        raise XmlError("Entity declarations are not allowed", parser.CurrentLineNumber, 1)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise XmlError(
            f"Error parsing file: {expat.errors.messages[error.code]}", error.lineno, error.offset + 1
        ) from error
    return root.children[0]
