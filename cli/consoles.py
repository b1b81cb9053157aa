"""The console that every result goes through. What it shows may come from anybody: an order number, a name, a reason.

So it never reads a text as markup: `PO [/7]` is a number like any other. Our own styles are said with `cli.output.styled`.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text


class Plain(Console):
    """A console that shows texts as they are, in tables, titles and lines."""

    def render_str(self, text: str, **how: Any) -> Text:
        """Every text that is printed comes through here, the cells of tables, too."""
        return super().render_str(text, **{**how, "markup": False, "emoji": False, "highlight": False})
