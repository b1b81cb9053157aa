"""What the standings must be, worked out from the org's raw rows with fractions, sharing no code with the product.

Only what the simulator's two programs use: list filters on account type and product family, calendar periods,
retrospective and stepped rates.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

from emulator.org import Org

PROGRAMS = Path(__file__).parent / "programs"


@dataclass(frozen=True)
class True_:
    """One standing as it must be. Amounts exact; `gap` is None at the top."""

    amount: Fraction
    tier: str | None
    rebate: Fraction
    next_tier: str | None
    gap: Fraction | None


Key = tuple[str, str, str]  # program, account id, period


def programs() -> list[dict[str, Any]]:
    return [tomllib.loads(path.read_text("utf-8")) for path in sorted(PROGRAMS.glob("*.toml"))]


def truth(org: Org, rules: list[dict[str, Any]]) -> dict[Key, True_]:
    """Every standing that has at least one line that counts."""
    sums: dict[Key, Fraction] = {}
    query = """
        SELECT a."Id", a."Type", o."EffectiveDate", p."Family", l."TotalPrice"
        FROM "OrderItem" l JOIN "Order" o ON o."Id" = l."OrderId" JOIN "Account" a ON a."Id" = o."AccountId"
        LEFT JOIN "Product2" p ON p."Id" = l."Product2Id"
        WHERE NOT l."IsDeleted" AND NOT o."IsDeleted" AND NOT a."IsDeleted" AND o."StatusCode" = 'Activated'
    """
    for account, kind, day, family, cents in org.storage.rows(query):
        for rule in rules:
            if kind not in rule["members"]["type"]:
                continue
            families = rule.get("counts", {}).get("product.family") or rule.get("counts", {}).get(
                "product", {}
            ).get("family")
            if families is not None and family not in families:
                continue
            when = date.fromisoformat(day)
            if not rule["starts"] <= when <= rule["ends"]:
                continue
            key = (rule["key"], account, period_of(rule, when))
            sums[key] = sums.get(key, Fraction(0)) + Fraction(cents, 100)
    by_key = {rule["key"]: rule for rule in rules}
    return {key: _known(by_key[key[0]], amount) for key, amount in sums.items()}


KNOWN_MAX = 20_000
_standings: dict[int, tuple[dict[str, Any], dict[Fraction, True_]]] = {}  # by rule, which it keeps alive


def _known(rule: dict[str, Any], amount: Fraction) -> True_:
    """`standing`, worked out once for an amount: a history asks for the same ones after every step."""
    _, known = _standings.setdefault(id(rule), (rule, {}))
    found = known.get(amount)
    if found is None:
        if len(known) >= KNOWN_MAX:
            known.clear()
        found = known[amount] = standing(rule, amount)
    return found


def period_of(rule: dict[str, Any], day: date) -> str:
    if rule["period"] == "month":
        return f"{day.year}-{day.month:02d}"
    return f"{day.year}-Q{(day.month + 2) // 3}"


def first_day(period: str) -> str:
    year, part = period.split("-")
    return f"{year}-{3 * int(part[1:]) - 2:02d}-01" if part.startswith("Q") else f"{year}-{part}-01"


def standing(rule: dict[str, Any], amount: Fraction) -> True_:
    """The tier that an amount reaches, what it pays, and what is missing for the next one."""
    bounds = [Fraction(tier["threshold"]) for tier in rule["tiers"]]
    rates = [Fraction(tier["rate"].rstrip("%")) / 100 for tier in rule["tiers"]]
    names = [tier["name"] for tier in rule["tiers"]]
    at = sum(1 for bound in bounds if amount >= bound) - 1
    if at < 0:
        pay = Fraction(0)
    elif rule["method"] == "retrospective":
        pay = amount * rates[at]
    else:
        tops = [*bounds[1 : at + 1], amount]
        pay = sum((min(amount, tops[n]) - bounds[n]) * rates[n] for n in range(at + 1))
    top = at + 1 >= len(bounds)
    return True_(
        amount, names[at] if at >= 0 else None, half_up(pay),
        None if top else names[at + 1], None if top else bounds[at + 1] - amount,
    )  # fmt: skip


def half_up(value: Fraction) -> Fraction:
    whole = (abs(value) * 100 + Fraction(1, 2)).__floor__()
    return Fraction(whole if value >= 0 else -whole, 100)
