"""Text templates of a push: `{member.name}: {standing.to_next_tier:money} to {standing.next_tier}`."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

from mappings.model import Placeholder, Verbatim
from mappings.vocabulary import Kind
from rebates.money import unit

FORMATS: dict[str, frozenset[Kind]] = {  # name -> kinds of values it can show
    "money": frozenset({"amount", "qualifier"}),
    "qualifier": frozenset({"qualifier"}),  # money or units, as the program counts
    "number": frozenset({"amount", "quantity", "qualifier", "rate", "int"}),
    "percent": frozenset({"rate"}),
    "date": frozenset({"day", "moment"}),
    "days": frozenset({"int"}),
}

_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CNY": "CN¥", "INR": "₹"}
_PLACEHOLDER = re.compile(r"([A-Za-z_]\w*\.[A-Za-z_]\w*)(?::(\w+))?")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class TemplateError(ValueError):
    """The text is no template; `offset` and `length` say where in it."""

    def __init__(self, message: str, offset: int, length: int, help: str | None = None) -> None:
        super().__init__(message)
        self.message, self.offset, self.length, self.help = message, offset, max(1, length), help


def parse(text: str) -> tuple[Verbatim | Placeholder, ...]:
    """The pieces of a template. `{{` and `}}` stand for braces. Raises TemplateError."""
    pieces: list[Verbatim | Placeholder] = []
    verbatim = ""
    at = 0
    while at < len(text):
        char = text[at]
        if text[at : at + 2] in ("{{", "}}"):
            verbatim += char
            at += 2
        elif char == "{":
            end = text.find("}", at)
            if end < 0:
                raise TemplateError("a { has no } after it", at, 1, help="write {{ for a brace")
            match = _PLACEHOLDER.fullmatch(text, at + 1, end)
            if match is None:
                raise TemplateError(
                    f'"{text[at : end + 1]}" is not a placeholder',
                    at,
                    end + 1 - at,
                    help="write {group.value} or {group.value:format}, as in {standing.rebate:money}",
                )
            if verbatim:
                pieces.append(Verbatim(verbatim))
                verbatim = ""
            pieces.append(Placeholder(match[1], match[2]))
            at = end + 1
        elif char == "}":
            raise TemplateError("a } has no { before it", at, 1, help="write }} for a brace")
        else:
            verbatim += char
            at += 1
    if verbatim:
        pieces.append(Verbatim(verbatim))
    return tuple(pieces)


def money(amount: Decimal, currency: str | None) -> str:
    """`$4,812`, `$4,812.50`, `KWD 60.005`: minor units are shown when there are any, as many as are paid."""
    rounded = amount.quantize(unit(currency or ""), rounding=ROUND_HALF_UP)
    if rounded == rounded.to_integral_value():
        rounded = rounded.quantize(Decimal(1))
    sign = "-" if rounded < 0 else ""
    if not currency:
        return f"{sign}{abs(rounded):,}"
    symbol = _SYMBOLS.get(currency, f"{currency} ")
    return f"{sign}{symbol}{abs(rounded):,}"


def number(value: Decimal) -> str:
    """`1,250.5`: thousands separated, no trailing zeros."""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def units(value: Decimal) -> str:
    """`1,250 units`, `1 unit`."""
    return f"{number(value)} unit{'' if value == 1 else 's'}"


def percent(fraction: Decimal) -> str:
    """`12.5%` of 0.125."""
    return number((fraction * 100).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)) + "%"


def date_words(iso: str) -> str:
    """`Nov 30, 2026` of an ISO day or instant."""
    year, month, day = iso[:10].split("-")
    return f"{_MONTHS[int(month) - 1]} {int(day)}, {year}"


def days(count: int) -> str:
    """`1 day`, `6 days`."""
    return f"{count} day{'' if count == 1 else 's'}"
