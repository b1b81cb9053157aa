"""A second, independent implementation of the rules, for tests only.

Plain dictionaries and fractions, written from the rules and not from the engine; it imports nothing of ours.
`program` is what `tomllib` reads; a line is a dict with account, date, quantity, amount and any dotted field.
"""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

F = Fraction
MONTHS = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}
DIGITS = {"JPY": 0, "KWD": 3}


def number(raw):
    text = str(raw).strip()
    return F(text[:-1]) / 100 if text.endswith("%") else F(text)


def half_up(value, digits):
    scaled = abs(value) * 10**digits
    whole = (scaled + F(1, 2)).__floor__()
    return F(whole if value >= 0 else -whole, 10**digits)


def bounds(program, day):
    """First and last day of the period a day is in, or None outside the program."""
    if not program["starts"] <= day <= program["ends"]:
        return None
    kind = program.get("period", "month")
    if kind == "program":
        return program["starts"], program["ends"]
    length = MONTHS[kind]
    fiscal = program.get("fiscal_year_starts", 1)
    index = day.year * 12 + day.month - 1
    index -= (day.month - fiscal) % length
    first = dt.date(index // 12, index % 12 + 1, 1)
    months = index + length
    last = dt.date(months // 12, months % 12 + 1, 1) - dt.timedelta(days=1)
    return max(first, program["starts"]), min(last, program["ends"])


def below(value, bound):
    """Numbers by value, days as their ISO text."""
    try:
        return F(value) < F(bound)
    except ValueError:
        return value < bound


def passes(tests, fields):
    for field, test in tests.items():
        value = fields.get(field)
        if not isinstance(test, dict):
            test = {"in": test if isinstance(test, list) else [test]}
        if "in" in test and value not in test["in"]:
            return False
        if "not_in" in test and value in test["not_in"]:
            return False
        starts = test.get("prefix", "")
        if not str(value or "").startswith(tuple(starts) if isinstance(starts, list) else starts):
            return False
        if "present" in test and test["present"] != (value is not None):
            return False
        for bound, fails in (
            ("at_least", lambda v, b: below(v, b)),
            ("below", lambda v, b: not below(v, b)),
            ("at_most", lambda v, b: below(b, v)),
            ("above", lambda v, b: not below(b, v)),
        ):
            if bound in test and (value is None or fails(value, test[bound])):
                return False
    return True


def counts(table, line):
    for side, tests in (table or {}).items():
        fields = {key.split(".", 1)[1]: value for key, value in line.items() if key.startswith(side + ".")}
        if not passes(tests, fields):
            return False
    return True


def takes(program, account, fields):
    members = dict(program.get("members", {}))
    if "ids" in members and account not in members.pop("ids"):
        return False
    return passes(members, fields)


def payee(program, account, accounts):
    """Who is paid for an account's orders: itself, or with `roll_up = "parent"` somebody above it; None: nobody."""
    if program.get("hierarchy", {}).get("roll_up") != "parent":
        return account if takes(program, account, accounts[account]) else None
    seen, top = [], None
    while account:
        if account in seen:
            return None
        seen.append(account)
        if takes(program, account, accounts[account]):
            if "members" in program:
                return account
            top = account
        account = accounts[account].get("parent_id")
    return top


def rate(rates, currency, day):
    return F([value for start, value in rates[currency] if start <= day][-1])


def in_program_currency(program, line, day, rates):
    own, target = line.get("currency"), program.get("currency", "USD")
    if own in (None, target):
        return F(line["amount"])
    if program.get("currency_policy") == "period_end":
        day = bounds(program, day)[1]
    return F(line["amount"]) * rate(rates, target, day) / rate(rates, own, day)


def sums(lines):
    return {
        "amount": sum((F(each["amount"]) for each in lines), F(0)),
        "quantity": sum((F(each["quantity"]) for each in lines), F(0)),
    }


def reaches(program, tier, value, threshold):
    beyond = tier.get("boundary", program.get("boundary", "reach")) == "exceed"
    return value > threshold if beyond else value >= threshold


def measure_of(tier, totals):
    return totals["quantity"] if "per_unit" in tier else totals["amount"]


def benefit(tier):
    return number(
        tier["rate"] if "rate" in tier else tier["per_unit"] if "per_unit" in tier else tier["amount"]
    )


def pay_all(program, tiers, k, thresholds, axis, paid):
    """The reached tier on everything."""
    tier = tiers[k]
    if "per" in tier:
        return (max(F(0), axis - thresholds[k]) // number(tier["per"])) * (
            benefit(tier) * (number(tier["per"]) if "rate" in tier else 1)
        )
    if "amount" in tier:
        return benefit(tier)
    base = max(F(0), measure_of(tier, paid))
    if "max_measure" in tier:
        base = min(base, number(tier["max_measure"]))
    return base * benefit(tier)


def pay_bands(program, tiers, k, thresholds, axis, paid, axis_name):
    """Every band on its own; a back-to-first tier swallows those below it."""
    cuts = []
    for tier, threshold in zip(tiers, thresholds, strict=True):
        beyond = tier.get("boundary", program.get("boundary", "reach")) == "exceed"
        whole = program.get("whole_units") and threshold > 0 and not beyond
        cuts.append(-((-threshold) // 1) - 1 if whole else threshold)
    begin = 0
    for i in range(k + 1):
        if tiers[i].get("back_to_first"):
            begin, cuts = i, [*cuts[:i], F(0), *cuts[i + 1 :]]
    total = F(0)
    for i in range(begin, k + 1):
        tier = tiers[i]
        end = min(axis, cuts[i + 1]) if i + 1 < len(tiers) else axis
        width = max(F(0), end - cuts[i])
        if "per" in tier:
            total += (width // number(tier["per"])) * (
                benefit(tier) * (number(tier["per"]) if "rate" in tier else 1)
            )
        elif "amount" in tier:
            total += benefit(tier)
        elif width:
            own = "quantity" if "per_unit" in tier else "amount"
            base = width if own == axis_name else max(F(0), paid[own]) * width / axis
            if "max_measure" in tier:
                base = min(base, number(tier["max_measure"]))
            total += base * benefit(tier)
    return total


def rebate(program, lines, baseline=None, target=None):
    """Tier name (or None) and rebate of one member's lines of one period."""
    tiers = program["tiers"]
    common = [each for each in lines if counts(program.get("counts"), each)]
    qualifying = sums([each for each in common if counts(program.get("qualifier_counts"), each)])
    paid = sums([each for each in common if counts(program.get("measure_counts"), each)])
    kind = program.get("qualifier", "amount")
    growth = program.get("growth", {})
    axis_name = {"growth": growth.get("on", "amount"), "attainment": "amount"}.get(kind, kind)
    axis = qualifying[axis_name]
    if program.get("whole_units") and axis_name == "quantity":
        axis = F(axis.__floor__())
        paid = {**paid, "quantity": F(paid["quantity"].__floor__())}
    thresholds = [number(t["threshold"]) for t in tiers]
    base = None
    if kind in ("growth", "attainment"):
        base = F(baseline if kind == "growth" else target)
        if base <= 0:
            return None, F(0)
        thresholds = [t * base for t in thresholds]
    k = -1
    for i, tier in enumerate(tiers):
        if reaches(program, tier, axis, thresholds[i]):
            k = i
    for gate in program.get("gates", []):
        if sums([each for each in common if counts(gate.get("counts"), each)])[gate["of"]] < number(
            gate["at_least"]
        ):
            k = -1
    amount = F(0)
    if k >= 0:
        mode = growth.get("mode", "whole") if kind == "growth" else None
        separate = program.get("qualifier_counts") or program.get("measure_counts")
        if mode == "excess":
            share = (axis - base) / axis if axis else F(0)
            paid = {
                name: axis - base if name == axis_name and not separate else value * share
                for name, value in paid.items()
            }
        if program.get("method") == "stepped" or mode == "banded":
            amount = pay_bands(program, tiers, k, thresholds, axis, paid, "" if separate else axis_name)
        else:
            amount = pay_all(program, tiers, k, thresholds, axis, paid)
    if "max_payout" in program:
        amount = min(amount, number(program["max_payout"]))
    if "guarantee" in program:
        amount = max(amount, number(program["guarantee"]))
    if not common:  # nothing was bought: no guarantee, and no fixed amount from 0
        amount = F(0)
    name = None if k < 0 else tiers[k].get("name", f"Tier {k + 1}")
    return name, half_up(amount, DIGITS.get(program.get("currency", "USD"), 2))


def standings(program, lines, baselines=None, targets=None, accounts=None, rates=None, days=None):
    """(member, first day, last day) -> (tier, rebate), for members that have lines that count in the period.

    `accounts`: fields by account; `rates`: currency -> (first day, rate), oldest first; `days`: the day of each order
    that something is taken back from.
    """
    cells = {}
    for line in lines:
        day = line["date"]
        if program.get("returns") == "original_period":
            day = (days or {}).get(line.get("order.original_order_id"), day)
        period = bounds(program, day)
        fields = {key.split(".", 1)[1]: value for key, value in line.items() if key.startswith("account.")}
        member = payee(program, line["account"], accounts or {line["account"]: fields})
        if (
            period
            and member
            and any(
                counts(program.get("counts"), line) and counts(extra, line)
                for extra in ({}, program.get("measure_counts"))
            )
        ):
            line = line | {"amount": in_program_currency(program, line, day, rates)}
            cells.setdefault((member, *period), []).append(line)
    return {
        key: rebate(program, found, (baselines or {}).get(key[0]), (targets or {}).get(key[0]))
        for key, found in cells.items()
    }
