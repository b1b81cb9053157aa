"""Reading the tables of a mapping file setting by setting: types, closed lists, suggestions."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from mappings.model import Scalar
from mappings.places import Node
from mappings.problems import Finder, did_you_mean

OBJECT_NAME = re.compile(r"[A-Za-z]\w*")

_TYPE_WORDS = {str: "text", bool: "true or false", int: "a whole number", list: "a list", dict: "a table"}


def type_word(value: Any) -> str:
    """What a TOML value is, in an admin's words."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    return _TYPE_WORDS.get(type(value), "a date or time")


class Settings:
    """One table of the file. Every setting is asked for by name; `close` reports those that nobody asked for."""

    def __init__(self, node: Node, finder: Finder) -> None:
        self.node = node
        self.finder = finder
        self._known: set[str] = set()
        self._usable = node.is_table
        if not self._usable:
            finder.error("M006", f"this is {type_word(node.value)} where a table is needed", node.place)

    def __contains__(self, name: str) -> bool:
        return self._usable and name in self.node.value

    def get(self, name: str) -> Node | None:
        self._known.add(name)
        return self.node.value.get(name) if self._usable else None

    def of_type(self, name: str, wanted: type) -> Node | None:
        """The setting when it is there and of the type; a problem is noted when it is of another."""
        node = self.get(name)
        if node is None:
            return None
        if not isinstance(node.value, wanted) or (isinstance(node.value, bool) and wanted is int):
            self.finder.error(
                "M006", f"{name} is {type_word(node.value)} where {_TYPE_WORDS[wanted]} is needed", node.place
            )
            return None
        return node

    def text(self, name: str) -> str | None:
        node = self.of_type(name, str)
        if node is None:
            return None
        if not node.value.strip():
            self.finder.error(
                "M006", f"{name} is empty", node.place, help="leave the setting out, or fill it"
            )
            return None
        return str(node.value)

    def flag(self, name: str, default: bool) -> bool:
        node = self.of_type(name, bool)
        return default if node is None else bool(node.value)

    def choice(
        self, name: str, choices: Collection[str], default: str, instead: Mapping[str, str] | None = None
    ) -> str:
        """`instead`: what somebody may well write that is none of them → the help for it."""
        node = self.of_type(name, str)
        if node is None:
            return default
        if node.value not in choices:
            self.finder.error(
                "M007",
                f'"{node.value}" is not a choice for {name}',
                node.place,
                (instead or {}).get(node.value)
                or did_you_mean(node.value, choices)
                or "one of: " + ", ".join(choices),
            )
            return default
        return str(node.value)

    def texts(self, name: str) -> tuple[Node, ...]:
        """A list of texts, item by item with its place."""
        node = self.of_type(name, list)
        if node is None:
            return ()
        items = []
        for item in node.value:
            if isinstance(item.value, str) and item.value.strip():
                items.append(item)
            else:
                self.finder.error(
                    "M006", f"{name} is a list of texts, and this is {type_word(item.value)}", item.place
                )
        if not node.value:
            self.finder.error("M006", f"{name} is empty", node.place)
        return tuple(items)

    def scalar(self, name: str) -> Scalar | None:
        node = self.get(name)
        return None if node is None else self.scalar_of(node, name)

    def scalar_of(self, node: Node, name: str) -> Scalar | None:
        """Text, true/false or an exact number. A TOML float is refused: it is not exact."""
        value = node.value
        if isinstance(value, (bool, str)):
            return value
        if isinstance(value, int):
            return Decimal(value)
        if isinstance(value, float):
            self.finder.error(
                "M006",
                f"{name} is a number with a point, which TOML does not keep exactly",
                node.place,
                help=f'write it as text: "{node.place.excerpt[node.place.column - 1 :][: node.place.length]}"',
            )
            return None
        self.finder.error("M006", f"{name} is {type_word(value)} where one value is needed", node.place)
        return None

    def scalars(self, name: str) -> dict[str, Scalar] | None:
        """A table of values, `{ "NA" = "north_america" }`."""
        node = self.of_type(name, dict)
        if node is None:
            return None
        if not node.value:
            self.finder.error("M006", f"{name} is empty", node.place)
            return None
        values = {key: self.scalar_of(item, f"{name}.{key}") for key, item in node.value.items()}
        return {key: value for key, value in values.items() if value is not None}

    def object_name(self, table: str) -> str | None:
        """The `object` setting: the table cannot do without it."""
        name = self.text("object")
        if "object" not in self:
            self.finder.error(
                "M008", f"{table} does not say which object", self.node.place, 'add object = "..."'
            )
        elif name is not None and not OBJECT_NAME.fullmatch(name):
            self.finder.error("M009", f'"{name}" is not an object name', self.node.value["object"].place)
        return name

    def fields(self, table: str) -> Node | None:
        """The `fields` table: the last thing that is asked for, so everything else that is there is unknown."""
        fields = self.of_type("fields", dict)
        self.close()
        if fields is None and "fields" not in self:
            self.finder.error("M008", f"{table} has no [{table}.fields]", self.node.place)
        return fields

    def one_origin(self, left: str, origins: Collection[str], known: Collection[str]) -> bool:
        """True when exactly one of `origins` is there. A misspelled setting is probably the missing one, and `close`
        reports it: one problem, one message."""
        found = [name for name in origins if name in self]
        misspelled = self.node.value.keys() - set(known)
        if len(found) > 1 or (not found and not misspelled):
            self.finder.error(
                "M011",
                f"{left} has " + (" and ".join(found) if found else "no source") + ": exactly one is needed",
                self.node.place,
                help="one of: " + ", ".join(origins),
            )
        return len(found) == 1

    def close(self, more: Collection[str] = ()) -> None:
        """Reports unknown settings (M003)."""
        if not self._usable:
            return
        allowed = self._known | set(more)
        for name, node in self.node.value.items():
            if name not in allowed:
                self.finder.error(
                    "M003", f'unknown setting "{name}"', node.key_place, did_you_mean(name, allowed)
                )
