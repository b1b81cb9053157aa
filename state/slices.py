"""Long lists in parts: a statement takes only so many parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
# Two such lists, and what a statement has besides, are below SQLite's smallest limit (999).
PARAMETERS = 400


def slices(items: Sequence[T], size: int = PARAMETERS) -> Iterator[list[T]]:
    """All of them in their order, at most `size` at once; nothing for none."""
    return (list(items[at : at + size]) for at in range(0, len(items), size))
