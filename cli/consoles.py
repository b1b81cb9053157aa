"""The console that every result goes through. What it shows may come from anybody: an order number, a name, a reason.

So it never reads a text as markup: `PO [/7]` is a number like any other. Our own styles are said with `cli.output.styled`.
Nor does a text command the terminal: what would clear the screen, or turn an amount around, is shown as `\\x1b`.
"""

from __future__ import annotations

import re
from typing import Any

from rich.console import Console
from rich.text import Text

# C0 and C1 but tab and line ends; and what turns the order of letters around, in which a number can read as another
_COMMANDS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\r(?!\n)")


def visible(text: str) -> str:
    """The text with its control characters written out: `\\x1b`."""
    return _COMMANDS.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


class Plain(Console):
    """A console that shows texts as they are, in tables, titles and lines."""

    def render_str(self, text: str, **how: Any) -> Text:
        """Every text that is printed comes through here, the cells of tables, too."""
        return super().render_str(
            visible(text), **{**how, "markup": False, "emoji": False, "highlight": False}
        )
