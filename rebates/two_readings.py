"""Numbers that two habits read differently: `10.000` is ten where a point stands before the decimals, ten thousand where it
stands between thousands. Nobody can tell which was meant, so nobody guesses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from rebates.money import minor_units
from rebates.problems import Path, Problem, problem

_GROUP = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}")
_DECIMALS = 3
# Prices of a unit may be finer than the smallest coin, and some of these are quantities: only zeros are no decimals there.
FINE = {"per_unit", "reference", "price", "each_above", "per", "max_measure", "targets", "growth"}


def could_be_thousands(raw: object) -> bool:
    """`10.000` and `1.500`; not `0.150`, which no thousand begins with, nor `1234.500`."""
    return isinstance(raw, str) and _GROUP.fullmatch(raw.strip()) is not None


def both(raw: str) -> tuple[str, str]:
    """A number as each of the two habits reads it: thousands, decimals."""
    whole, _, decimals = raw.strip().partition(".")
    rest = decimals.rstrip("0")
    return f"{whole}{decimals}", f"{whole}.{rest}" if rest else whole


def refused(amounts: Iterable[tuple[Path, str]], values: Mapping[str, Any]) -> list[Problem]:
    """Problems of a program's amounts (place and text) that could be thousands. In a currency with three decimals such a
    number is an amount like any other."""
    if minor_units(str(values.get("currency", "USD"))) == _DECIMALS:
        return []
    found = []
    for path, raw in amounts:
        of = measured(values, path)
        if of not in ("amount", "quantity"):
            continue  # a ratio, which is no amount
        fine = of == "quantity" or bool(FINE & set(path))
        if could_be_thousands(raw) and (not fine or raw.strip().endswith("000")):
            thousands, decimals = both(raw)
            words = f"{raw!r} is {thousands} to some and {decimals} to others"
            found.append(problem(path, words, f'write "{thousands}" or "{decimals}"'))
    return found


def measured(values: Mapping[str, Any], path: Path) -> str:
    """What the value at a place is measured in: that of its qualifier or gate, where it is a threshold; else an amount."""
    if path[0] == "gates":
        return str(values["gates"][path[1]].get("of", "amount"))
    if not {"threshold", "until"} & set(path):
        return "amount"
    several = {entry.get("name"): entry.get("of", "amount") for entry in values.get("qualifiers", ())}
    if several:
        return str(several.get(path[-1], next(iter(several.values()))))
    return "growth" if "growth" in values else str(values.get("qualifier", "amount"))
