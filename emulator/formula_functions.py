"""What each formula function does to plain values; both back ends call these, so they cannot disagree.

Values: number `Decimal`, text `str` (blank is None), boolean `bool`, `date`, aware `datetime`, None for blank.
Source: Salesforce help, "All Formula Operators and Functions". An error in a formula field shows `#Error!`
and reads as null over the API; here that is `ArithmeticError`.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, InvalidOperation
from html import escape

Value = Decimal | str | bool | date | datetime | None

# Assumed: forty digits, more than the eighteen a field can hold.
PRECISE = Context(prec=40, rounding=ROUND_HALF_UP)


@dataclass(frozen=True)
class Function:
    """`args`: one letter each, n number, t text, b boolean, d date, m datetime, x any; `?` after it: may be left out."""

    args: str
    result: str
    body: Callable[..., Value]
    blanks: bool = False  # called even when an argument is blank

    @property
    def least(self) -> int:
        return len(self.args.replace("?", "")) - self.args.count("?")

    @property
    def kinds(self) -> str:
        return self.args.replace("?", "")


def plain_text(number: Decimal) -> str:
    """A number as TEXT() writes it: no exponent, no trailing zeros."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain_text(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, date):
        return value.isoformat()
    return value or ""


def rounded(number: Decimal, places: int) -> Decimal:
    """Half away from zero; negative places round to tens, hundreds, …"""
    step = Decimal(1).scaleb(-places)
    return PRECISE.multiply((number / step).quantize(Decimal(1), ROUND_HALF_UP, PRECISE), step)


def _whole(number: Decimal, mode: str) -> Decimal:
    return number.quantize(Decimal(1), mode, PRECISE)


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation as error:
        raise ArithmeticError(f"not a number: {text!r}") from error
    if not number.is_finite():
        raise ArithmeticError(f"not a number: {text!r}")
    return number


def _is_number(text: str | None) -> bool:
    try:
        _number(text or "")
    except ArithmeticError:
        return False
    return True


def _date(year: Decimal, month: Decimal, day: Decimal) -> date:
    try:
        return date(int(year), int(month), int(day))
    except ValueError as error:
        raise ArithmeticError(str(error)) from error


def add_months(day: date, months: Decimal) -> date:
    """The last day of a month stays the last day (Source: ADDMONTHS)."""
    index = day.year * 12 + day.month - 1 + int(months)
    year, month = divmod(index, 12)
    last = monthrange(year, month + 1)[1]
    was_last = day.day == monthrange(day.year, day.month)[1]
    return date(year, month + 1, last if was_last else min(day.day, last))


def _day_of(value: Value) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise ArithmeticError(str(error)) from error


def _instant_of(value: Value) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        moment = datetime.fromisoformat(str(value).replace(" ", "T"))
    except ValueError as error:
        raise ArithmeticError(str(error)) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _find(needle: str, text: str, start: Decimal = Decimal(1)) -> Decimal:
    return Decimal(text.find(needle, max(int(start) - 1, 0)) + 1)


def _hyperlink(url: str | None, shown: str | None, target: str | None = "_blank") -> str:
    return f'<a href="{escape(url or "")}" target="{escape(target or "_blank")}">{escape(shown or "")}</a>'


def _image(url: str | None, alternative: str | None) -> str:
    return f'<img src="{escape(url or "")}" alt="{escape(alternative or "")}" border="0"/>'


def _modulus(number: Decimal, divisor: Decimal) -> Decimal:
    if not divisor:
        raise ArithmeticError("division by zero")
    return number - divisor * _whole(number / divisor, ROUND_FLOOR)


FUNCTIONS: dict[str, Function] = {
    "ABS": Function("n", "n", lambda n: abs(n)),
    "CEILING": Function("n", "n", lambda n: _whole(n, ROUND_CEILING if n > 0 else ROUND_FLOOR)),
    "FLOOR": Function("n", "n", lambda n: _whole(n, ROUND_DOWN)),
    "MCEILING": Function("n", "n", lambda n: _whole(n, ROUND_CEILING)),
    "MFLOOR": Function("n", "n", lambda n: _whole(n, ROUND_FLOOR)),
    "MOD": Function("nn", "n", _modulus),
    "ROUND": Function("nn", "n", lambda n, places: rounded(n, int(places))),
    "SQRT": Function("n", "n", lambda n: PRECISE.sqrt(n)),
    "VALUE": Function("t", "n", _number),
    "LEN": Function("t", "n", lambda t: Decimal(len(t or "")), blanks=True),
    "FIND": Function("ttn?", "n", _find),
    "YEAR": Function("d", "n", lambda d: Decimal(d.year)),
    "MONTH": Function("d", "n", lambda d: Decimal(d.month)),
    "DAY": Function("d", "n", lambda d: Decimal(d.day)),
    "WEEKDAY": Function("d", "n", lambda d: Decimal(d.isoweekday() % 7 + 1)),
    "DATE": Function("nnn", "d", _date),
    "DATEVALUE": Function("x", "d", _day_of),
    "DATETIMEVALUE": Function("x", "m", _instant_of),
    "ADDMONTHS": Function("dn", "d", add_months),
    "TEXT": Function("x", "t", _text, blanks=True),
    "UPPER": Function("t", "t", lambda t: t.upper()),
    "LOWER": Function("t", "t", lambda t: t.lower()),
    "TRIM": Function("t", "t", lambda t: t.strip()),
    "LEFT": Function("tn", "t", lambda t, n: t[: max(int(n), 0)]),
    "RIGHT": Function("tn", "t", lambda t, n: t[len(t) - max(int(n), 0) :] if int(n) < len(t) else t),
    "MID": Function("tnn", "t", lambda t, at, n: t[max(int(at), 1) - 1 :][: max(int(n), 0)]),
    "SUBSTITUTE": Function("ttt", "t", lambda t, old, new: t.replace(old, new) if old else t),
    "BR": Function("", "t", lambda: "\n"),
    "HYPERLINK": Function("ttt?", "t", _hyperlink, blanks=True),
    "IMAGE": Function("ttn?n?", "t", lambda url, alternative, *_size: _image(url, alternative), blanks=True),
    "CASESAFEID": Function("t", "t", lambda t: t),
    "CONTAINS": Function("tt", "b", lambda t, part: (part or "") in (t or ""), blanks=True),
    "BEGINS": Function("tt", "b", lambda t, part: (t or "").startswith(part or ""), blanks=True),
    "REGEX": Function("tt", "b", lambda t, form: re.fullmatch(form or "", t or "") is not None, blanks=True),
    "ISNUMBER": Function("t", "b", _is_number, blanks=True),
}


def call(name: str, args: list[Value]) -> Value:
    """One function of the table; a blank argument gives a blank, but for the functions that look at blanks."""
    function = FUNCTIONS[name]
    if not function.blanks and any(arg is None for arg in args):
        return None
    value = function.body(*args)
    return None if value == "" else value


def arithmetic(op: str, left: Value, right: Value) -> Value:
    """+ - * / ^ on numbers, days and instants. Raises ArithmeticError on a division by zero."""
    if left is None or right is None:
        return None
    if isinstance(left, Decimal) and isinstance(right, Decimal):
        return _numbers(op, left, right)
    if isinstance(left, date) and isinstance(right, date):
        if op != "-" or isinstance(left, datetime) != isinstance(right, datetime):
            raise ArithmeticError("days can only be subtracted from days")
        apart = left - right
        return PRECISE.divide(Decimal(apart // timedelta(microseconds=1)), Decimal(86_400_000_000))
    if op == "+" and isinstance(left, str) and isinstance(right, str):
        return left + right
    if op == "+" and isinstance(left, Decimal):
        left, right = right, left
    if isinstance(left, date) and isinstance(right, Decimal) and op in "+-":
        return _moved(left, right if op == "+" else -right)
    raise ArithmeticError(f"no {op} for these values")


def _numbers(op: str, left: Decimal, right: Decimal) -> Decimal:
    if op == "+":
        return PRECISE.add(left, right)
    if op == "-":
        return PRECISE.subtract(left, right)
    if op == "*":
        return PRECISE.multiply(left, right)
    if op == "/":
        return PRECISE.divide(left, right)
    return PRECISE.power(left, right)


def _moved(when: date, days: Decimal) -> date:
    try:
        if isinstance(when, datetime):
            return when + timedelta(microseconds=int(days * 86_400_000_000))
        return when + timedelta(days=int(days))
    except OverflowError as error:
        raise ArithmeticError(str(error)) from error


def compare(op: str, left: Value, right: Value) -> bool:
    """= and <> see blank text and null as one; an order with a blank in it is false (Assumed)."""
    left, right = left if left != "" else None, right if right != "" else None
    if op == "=":
        return left == right
    if op == "<>":
        return left != right
    if left is None or right is None:
        return False
    below: bool = left < right  # type: ignore[operator]
    above: bool = left > right  # type: ignore[operator]
    return {"<": below, ">": above, "<=": not above, ">=": not below}[op]
