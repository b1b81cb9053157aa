"""Which of an account's standings is copied onto the account itself. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from jobs.views import Shown


def primary(candidates: Iterable[tuple[Shown, date]]) -> Shown | None:
    """The standing that a rep can do most about today, of those whose period is open.

    Near its next tier first; then by score (extra rebate per unit still to be bought and day left), as partners'
    systems rank opportunities; then the larger rebate; then the program's key, so that it never flickers.
    """
    running = [
        (shown, today) for shown, today in candidates if shown.period.start <= today < shown.period.end
    ]
    if not running:
        return None
    return min(running, key=lambda item: _rank(*item))[0]


def score(uplift: Decimal | None, to_next: Decimal | Fraction | None, days_left: int) -> Fraction:
    """Extra rebate per unit still to be bought, per day left; zero when there is nothing to reach."""
    if not uplift or not to_next or to_next <= 0 or days_left <= 0:
        return Fraction(0)
    return Fraction(uplift) / Fraction(to_next) / days_left


def _priced(quantity: Decimal, document: Mapping[str, Any]) -> Fraction | None:
    """A missing quantity at the average price so far, as the package's Opportunity_Score__c has it: only so can it be set
    against what is missing in money."""
    bought, paid = Decimal(document["qualifying_quantity"]), Decimal(document["qualifying_amount"])
    return Fraction(quantity) * Fraction(paid) / Fraction(bought) if bought > 0 and paid > 0 else None


def _rank(shown: Shown, today: date) -> tuple[bool, Fraction, Decimal, str]:
    document = shown.document
    uplift = Decimal(document["uplift"]) if document["uplift"] is not None else None
    missing = Decimal(document["to_next_tier"]) if document["to_next_tier"] is not None else None
    in_units = missing is not None and document["ladder"]["qualifier"] == "quantity"
    to_next = _priced(missing, document) if missing is not None and in_units else missing
    return (
        document["status"] != "near_next_tier",
        -score(uplift, to_next, shown.period.days_left(today)),
        -Decimal(document["rebate"]),
        shown.program.key,
    )
