"""The first back end: a formula worked out on the values of one record (validation rules)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from emulator.formula_functions import FUNCTIONS, Value, arithmetic, call, compare
from emulator.formula_syntax import Binary, Call, FieldRef, Literal, Node, Unary

Look = Callable[[tuple[str, ...]], Value]


@dataclass(frozen=True)
class Moment:
    """A record being saved: its values after and before the save, and when."""

    value: Look
    prior: Look | None  # None: the record is being created
    now: datetime
    today: date


def evaluate(node: Node, moment: Moment) -> Value:
    """The value of a formula. Raises ArithmeticError where Salesforce shows `#Error!`."""
    match node:
        case Literal(value=value):
            return value if value != "" else None
        case FieldRef(path=path):
            return moment.value(path)
        case Unary(op="!", operand=operand):
            return not evaluate(operand, moment)
        case Unary(operand=operand):
            number = evaluate(operand, moment)
            return -number if isinstance(number, Decimal) else None
        case Binary():
            return _binary(node, moment)
        case Call():
            return _call(node, moment)
    raise AssertionError(node)


def _binary(node: Binary, moment: Moment) -> Value:
    if node.op == "&&":
        return bool(evaluate(node.left, moment)) and bool(evaluate(node.right, moment))
    if node.op == "||":
        return bool(evaluate(node.left, moment)) or bool(evaluate(node.right, moment))
    left, right = evaluate(node.left, moment), evaluate(node.right, moment)
    if node.op == "&" or (node.op == "+" and (isinstance(left, str) or isinstance(right, str))):
        return f"{left or ''}{right or ''}" or None
    if node.op in ("=", "<>", "<", ">", "<=", ">="):
        return compare(node.op, left, right)
    return arithmetic(node.op, left, right)


def _case(args: tuple[Node, ...], moment: Moment) -> Value:
    subject = evaluate(args[0], moment)
    for at in range(1, len(args) - 1, 2):
        if compare("=", subject, evaluate(args[at], moment)):
            return evaluate(args[at + 1], moment)
    return evaluate(args[-1], moment)


def _greatest(args: tuple[Node, ...], moment: Moment, pick: Callable[[list[Decimal]], Decimal]) -> Value:
    numbers = [evaluate(arg, moment) for arg in args]
    known = [number for number in numbers if isinstance(number, Decimal)]
    return pick(known) if len(known) == len(numbers) else None


def _prior(ref: Node, moment: Moment) -> Value:
    """Assumed: of a record being created, PRIORVALUE is the value itself."""
    assert isinstance(ref, FieldRef)
    return (moment.prior or moment.value)(ref.path)


def _call(node: Call, moment: Moment) -> Value:
    args = node.args
    if node.name in FUNCTIONS:
        return call(node.name, [evaluate(arg, moment) for arg in args])
    lazy: dict[str, Callable[[], Value]] = {
        "AND": lambda: all(evaluate(arg, moment) for arg in args),
        "OR": lambda: any(evaluate(arg, moment) for arg in args),
        "NOT": lambda: not evaluate(args[0], moment),
        "IF": lambda: evaluate(args[1] if evaluate(args[0], moment) else args[2], moment),
        "CASE": lambda: _case(args, moment),
        "MAX": lambda: _greatest(args, moment, max),
        "MIN": lambda: _greatest(args, moment, min),
        "ISBLANK": lambda: evaluate(args[0], moment) in (None, ""),
        "ISNULL": lambda: evaluate(args[0], moment) in (None, ""),
        "ISPICKVAL": lambda: compare("=", evaluate(args[0], moment), evaluate(args[1], moment)),
        "TODAY": lambda: moment.today,
        "NOW": lambda: moment.now,
        "ISNEW": lambda: moment.prior is None,
        "PRIORVALUE": lambda: _prior(args[0], moment),
        "ISCHANGED": lambda: (
            moment.prior is not None and evaluate(args[0], moment) != _prior(args[0], moment)
        ),
    }
    if node.name in ("BLANKVALUE", "NULLVALUE"):
        value = evaluate(args[0], moment)
        return evaluate(args[1], moment) if value in (None, "") else value
    return lazy[node.name]()
