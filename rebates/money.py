"""Exact numbers, and the only place that rounds or splits them.

Amounts are `Decimal` (or `Fraction` where a division happened on the way). Decimals are worked on under
`exact()`, which raises instead of rounding when digits would be lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, localcontext
from fractions import Fraction
from functools import lru_cache

Exact = Decimal | Fraction

_EXACT = Context(prec=120, traps=[Inexact, InvalidOperation, DivisionByZero])
_ROUNDING = Context(prec=120, rounding=ROUND_HALF_UP, traps=[InvalidOperation, DivisionByZero])

# ISO 4217 minor units that are not 2.
_MINOR_UNITS = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
MICRO = 6  # decimals of the store's scaled integers
_MICRO_UNIT = Decimal(1).scaleb(-MICRO)
_MILLION = Decimal(10) ** MICRO
# Decimal also takes 1_000 and the digits of every script, which no spreadsheet means as a number.
_WRITTEN = re.compile(
    r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf(inity)?|nan)", re.IGNORECASE
)


def exact() -> AbstractContextManager[Context]:
    """A decimal context in which an operation that would round raises `decimal.Inexact`."""
    return localcontext(_EXACT)


def minor_units(currency: str) -> int:
    """Decimals of a currency's smallest coin: USD 2, JPY 0, KWD 3."""
    return _MINOR_UNITS.get(currency.upper(), 2)


@lru_cache(maxsize=256)
def unit(currency: str) -> Decimal:
    """The smallest amount that can be paid in a currency: USD 0.01."""
    return Decimal(1).scaleb(-minor_units(currency))


def rounded(value: Exact, step: Decimal) -> Decimal:
    """`value` to a multiple of `step` (a power of ten), half away from zero. The only rounding here."""
    if type(value) is not Decimal:
        steps = fraction(value) / Fraction(step)
        whole = (abs(steps.numerator) * 2 + steps.denominator) // (steps.denominator * 2)
        value = _ROUNDING.multiply(Decimal(-whole if steps < 0 else whole), step)
    return value.quantize(step, context=_ROUNDING)


def round_money(value: Exact, currency: str) -> Decimal:
    """An amount as it is paid: half up at the currency's minor unit."""
    return rounded(value, unit(currency))


def shown(value: Exact) -> Decimal:
    """A total for display: Decimals as they are, a fraction to six decimals."""
    # `type() is`: an instance check of Fraction goes through an abstract base class, which costs as much as the rest
    return value if type(value) is Decimal else plain(rounded(value, _MICRO_UNIT))


def plain(value: Decimal) -> Decimal:
    """Without trailing zeros behind the point and without exponent: `1E+3` becomes `1000`."""
    if value == value.to_integral_value():
        return value.quantize(Decimal(1), context=_ROUNDING)
    return value.normalize(_ROUNDING)


def text(value: Exact) -> str:
    """Digits as people and JSON see them: never in scientific notation."""
    digits = str(value if type(value) is Decimal else shown(value))
    return digits if "E" not in digits else format(shown(value), "f")


def money_text(value: Exact, currency: str) -> str:
    """An amount with at least its currency's decimals: `4900.00`; more only where it has more."""
    found = shown(value)
    in_coins = found.quantize(unit(currency), context=_ROUNDING)
    return format(in_coins if in_coins == found else plain(found), "f")


def units_text(value: Exact) -> str:
    """A quantity in words: `1 unit`, `2.5 units`."""
    return f"{text(value)} unit{'' if abs(value) == 1 else 's'}"


def fraction(value: Decimal | Fraction | int) -> Fraction:
    """The same number, safe to divide."""
    return value if type(value) is Fraction else Fraction(value)


def from_micro(value: int) -> Decimal:
    """Millionths as the store keeps them, as an amount."""
    return _ROUNDING.divide(Decimal(value), _MILLION)


def to_micro(value: Decimal) -> int:
    """An amount in millionths; `ValueError` when that would lose digits."""
    scaled = value.scaleb(MICRO, _ROUNDING)
    whole = int(scaled)
    if whole != scaled:
        raise ValueError(f"{value} has more than {MICRO} decimals")
    return whole


def _as_written(raw: str) -> str:
    """How a number with separators or digits of another script is written here; empty where that is not clear."""
    with suppress(InvalidOperation):
        meant = Decimal(raw.replace(" ", "").replace("'", "").replace("\N{RIGHT SINGLE QUOTATION MARK}", ""))
        return f": write {text(meant)}" if meant.is_finite() and abs(meant.adjusted()) <= 30 else ""
    return ": a point before the decimals, nothing between thousands" if "," in raw else ""


def parse_number(raw: object) -> Decimal:
    """A finite number from text, int or Decimal. Floats are refused: they are not what was written."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | Decimal):
        raise ValueError(f"{raw!r} is not a number in text or whole digits")
    if isinstance(raw, str):
        raw = raw.strip()
        if not _WRITTEN.fullmatch(raw):
            raise ValueError(f"{raw!r} is not a number{_as_written(raw)}")
    try:
        value = Decimal(raw)
    except InvalidOperation:  # an exponent beyond all bounds
        raise ValueError(f"{raw!r} has more digits than an amount can have") from None
    if not value.is_finite():
        raise ValueError(f"{raw!r} is not a finite number")
    if abs(value.adjusted()) > 30:
        raise ValueError(f"{raw!r} has more digits than an amount can have")
    return value


class Percentage(Decimal):
    """A rate that was written with its percent sign: nobody has to ask whether it was meant as one."""


def parse_rate(raw: object) -> Decimal:
    """`"15%"` or `"0.15"` as 0.15."""
    if isinstance(raw, str) and raw.strip().endswith("%"):
        return Percentage(parse_number(raw.strip()[:-1]).scaleb(-2, _ROUNDING))
    return parse_number(raw)


def percent(rate: Exact) -> str:
    """0.15 as `15%`."""
    return f"{text(plain(shown(fraction(rate) * 100)))}%"


def share_out(total: Decimal, weights: Sequence[Exact], currency: str) -> list[Decimal]:
    """Split `total` by weight in whole minor units; odd units go to the largest remainders, ties to the first.

    The shares add up to `total` exactly. Weights are not negative and not all zero.
    """
    step = unit(currency)
    if total != rounded(total, step):
        raise ValueError(f"{total} is not a whole number of {step} {currency}")
    exact_weights = [fraction(weight) for weight in weights]
    whole = sum(exact_weights, Fraction(0))
    if whole <= 0 or any(weight < 0 for weight in exact_weights):
        raise ValueError("weights must not be negative, and one must be above zero")
    steps = int(abs(total) / step)
    exact_shares = [steps * weight / whole for weight in exact_weights]
    floors = [share.numerator // share.denominator for share in exact_shares]
    by_remainder = sorted(range(len(floors)), key=lambda i: (floors[i] - exact_shares[i], i))
    for i in by_remainder[: steps - sum(floors)]:
        floors[i] += 1
    sign = -1 if total < 0 else 1
    return [step * count * sign for count in floors]
