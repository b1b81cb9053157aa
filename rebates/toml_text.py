"""TOML as people write it: a text that no person wrote (a number of thousands of digits, tables in tables in tables) is refused
like any other that cannot be read. `tomllib` alone lets it end whatever reads it, and the files beside it with it."""

from __future__ import annotations

import tomllib
from datetime import date, time
from typing import Any

DEEPEST = 20  # tables and lists in each other; ours are at most six deep
LARGEST = 10**40  # far above any amount


class NotToml(ValueError):
    """What is wrong with the text, with `(at line 3, column 7)` at its end where that is known."""


def read(text: str) -> dict[str, Any]:
    """The values of a text. Raises NotToml."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NotToml(str(error)) from None
    except RecursionError:
        raise NotToml(f"tables or lists stand more than {DEEPEST} deep in each other") from None
    except ValueError:  # a whole number of more digits than Python converts
        raise NotToml("a number has thousands of digits") from None
    _require_usual(found)
    return found


def _require_usual(found: dict[str, Any]) -> None:
    level: list[Any] = [found]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for one in level:
            below += one.values() if isinstance(one, dict) else one
        for value in below:
            if isinstance(value, int) and abs(value) >= LARGEST:
                raise NotToml("a number has more than 40 digits")
        level = [value for value in below if not isinstance(value, str | int | float | date | time)]
    if level:
        raise NotToml(f"tables or lists stand more than {DEEPEST} deep in each other")
