"""Standings computed again from the org's own rows: plain dictionaries and fractions, nothing shared with the engine.

Written for the two example programs only, from their text: retail-2026 (monthly, retrospective) and parts-2026
(quarterly, stepped).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

RETAIL = [("Silver", Fraction(10_000), Fraction(5, 100)), ("Gold", Fraction(50_000), Fraction(15, 100))]
PARTS = [
    ("Base", Fraction(0), Fraction(2, 100)),
    ("Plus", Fraction(25_000), Fraction(4, 100)),
    ("Premier", Fraction(100_000), Fraction(6, 100)),
]


@dataclass(frozen=True)
class Expected:
    """What one member has earned in one period."""

    amount: Fraction
    tier: str | None
    rebate: Fraction  # rounded half away from zero to the cent


def cents(value: Fraction) -> Fraction:
    sign = -1 if value < 0 else 1
    return Fraction(sign * ((abs(value) * 100 + Fraction(1, 2)).__floor__()), 100)


def retail(amount: Fraction) -> Expected:
    tier, rate = None, Fraction(0)
    for name, threshold, share in RETAIL:
        if amount >= threshold:
            tier, rate = name, share
    return Expected(amount, tier, cents(amount * rate))


def parts(amount: Fraction) -> Expected:
    tier, rebate = None, Fraction(0)
    for number, (name, threshold, share) in enumerate(PARTS):
        if amount < threshold:
            break
        tier = name
        end = PARTS[number + 1][1] if number + 1 < len(PARTS) else amount
        rebate += (min(amount, end) - threshold) * share
    return Expected(amount, tier, cents(rebate))


def expected_standings(
    accounts: list[dict[str, Any]],
    products: list[dict[str, Any]],
    orders: list[dict[str, Any]],
    lines: list[dict[str, Any]],
) -> dict[tuple[str, str, str], Expected]:
    """(account id, program, period) → what it must be. Rows as the org has them; deleted ones left out."""
    kind = {row["Id"]: row["Type"] for row in accounts}
    family = {row["Id"]: row["Family"] for row in products}
    order = {row["Id"]: row for row in orders if row["StatusCode"] == "Activated"}
    sums: dict[tuple[str, str, str], Fraction] = defaultdict(Fraction)
    for line in lines:
        of = order.get(line["OrderId"])
        if of is None:
            continue
        day = date.fromisoformat(of["EffectiveDate"])
        if day.year != 2026:
            continue
        account, what = of["AccountId"], family.get(line["Product2Id"])
        amount = Fraction(line["TotalPrice"])
        if kind[account] == "Channel Partner / Reseller" and what in ("Skin care", "Make-up"):
            sums[account, "retail-2026", f"2026-{day.month:02}"] += amount
        if kind[account] == "Distributor" and what not in ("Core deposit", "Freight") and what is not None:
            sums[account, "parts-2026", f"2026-Q{(day.month + 2) // 3}"] += amount
    return {key: (retail if key[1] == "retail-2026" else parts)(amount) for key, amount in sums.items()}
