"""A program whose terms were valid once and are not by the rules of this version of ours: who it was, and when.

Nothing is computed with it. It stands for its program where that is named, shown and left as it was: a program that went on
without one would be taken for removed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from rebates import assemble, toml_text
from rebates.program import Program
from rebates.reader import Reader
from rebates.tiers import named

NO_DAY = date(2000, 1, 1)


class Outdated(Program):
    """A program that is not checked: whatever reads it must not count on its terms."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tiers", named(self.tiers))


def outdated(text: str) -> Outdated | None:
    """What can still be read of a program's text; None where it does not even say whose it is."""
    try:
        raw = toml_text.read(text)
    except toml_text.NotToml:
        return None
    key = raw.get("key")
    if not isinstance(key, str):
        return None
    try:
        found = assemble.program(Reader().section(raw, "program", ()), [], Outdated)
        if found.key == key and found.periods():
            return found
    except (
        ValueError,
        KeyError,
        TypeError,
        OverflowError,
    ):  # a time zone that is gone, a table of another form
        pass
    return Outdated(key, (), NO_DAY, NO_DAY)


def superseded(one: Program, by: Iterable[Program]) -> bool:
    """Whether a later correction holds for all its days, so that its own terms do not matter any more."""
    return any(
        other.key == one.key and other.amendment == "latest" and other.effective > one.effective
        for other in by
    )
