"""A standing as one JSON document: what the store keeps, what is compared, and what every screen shows.

Nothing in it changes by itself from day to day (days left is worked out where it is shown), so that an
equal document means that nobody has anything to be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from rebates.explain import explain, payout_steps
from rebates.money import text, to_micro
from rebates.periods import Period
from rebates.program import Program
from rebates.settle import Payout
from rebates.standing import Standing, thresholds_of
from state.standings import StandingRow
from state.totals import Cell


class Kept(NamedTuple):
    """A standing as it was just saved: what planning would otherwise read back."""

    cell: Cell
    program: str  # key
    period: Period  # as it was computed
    document: dict[str, Any]


def document_of(at: Standing, payout: Payout | None = None) -> dict[str, Any]:
    """Everything about a standing but whose it is and when: amounts as exact text.

    `payout` is there where periods hang together: what this one comes to after those before it.
    """
    terms, qualifier = at.working.program, text(at.qualifier)
    tiers = _tiers(at, terms)
    # not the one above: behind a closed gate it is the one that the gate keeps back
    higher = next((tier for tier in tiers if tier["name"] == at.next_tier), None)
    current = tiers[at.tier_number - 1] if at.tier_number else None
    steps = explain(at) if payout is None else (*explain(at), *payout_steps(at, payout))
    document = {
        "status": at.status,
        "tier": at.tier,
        "tier_number": at.tier_number,
        "benefit": current["benefit"] if current else None,
        "currency": terms.currency,
        "qualifying_amount": text(at.qualifying_amount),
        "qualifying_quantity": text(at.qualifying_quantity),
        "qualifier": qualifier,
        "measure": text(at.measure),
        "lines": at.lines,
        "rebate": text(at.rebate),
        "next_tier": at.next_tier,
        "next_threshold": higher["threshold"] if higher else None,
        "next_benefit": higher["benefit"] if higher else None,
        "to_next_tier": _text(at.to_next_tier),
        "rebate_at_next_tier": _text(at.rebate_at_next_tier),
        "uplift": _text(at.uplift),
        "capped": at.capped,
        "incomplete": list(at.incomplete),
        # Names in the order of the alphabet: what is written of it is the same whether it was read back or not.
        "ladder": {
            "currency": terms.currency,
            "qualifier": terms.qualifiers[0].dimension,
            "tiers": tiers,
            "value": qualifier,
        },
        "steps": [step.as_dict() for step in steps],
    }
    if payout is not None:
        document["payout"] = _payout(at, payout)
    return document


def _payout(at: Standing, payout: Payout) -> dict[str, str]:
    amounts = {
        "settled": at.working.inputs.settled,
        "carried_in": at.working.inputs.carried,
        "paid": payout.paid,
        "carried": payout.carried,
        "invoiced": payout.invoiced,
        "waived": payout.waived,
    }
    return {name: text(amount) for name, amount in amounts.items()} | {"reason": payout.reason}


def row_of(cell: Cell, at: Standing, payout: Payout | None = None) -> StandingRow:
    """The row that the store keeps of a standing."""
    return row_with(cell, at, document_of(at, payout))


def row_with(cell: Cell, at: Standing, document: dict[str, Any]) -> StandingRow:
    """The same, with the document at hand."""
    return StandingRow(
        member_pk=cell.member_pk,
        period_pk=cell.period_pk,
        qualifier_e6=to_micro(at.qualifier),
        rebate_e6=to_micro(at.rebate),
        tier=at.tier,
        next_tier=at.next_tier,
        to_next_e6=None if at.to_next_tier is None else to_micro(at.to_next_tier),
        document=text_of(document),
    )


def text_of(document: Mapping[str, Any]) -> str:
    """The document as canonical JSON: names in the order of the alphabet, no blanks."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()


def document_from(text: str) -> dict[str, Any]:
    """The same, read back."""
    found: dict[str, Any] = orjson.loads(text)
    return found


def amounts(document: Mapping[str, Any], *names: str) -> dict[str, Decimal | None]:
    """Named amounts of a document as Decimals."""
    return {name: None if document[name] is None else Decimal(document[name]) for name in names}


def _tiers(at: Standing, terms: Program) -> Sequence[dict[str, Any]]:
    """The tiers as this member has them. A threshold is None where there is nothing to measure it against.

    On a plain ladder all who stand on one tier have the same, which is worked out once and kept with the program.
    """
    if not terms.is_plain:
        return _tiers_of(at, terms)
    known: dict[int, Sequence[dict[str, Any]]] = terms.__dict__.setdefault("_tiers_shown", {})
    if at.tier_number not in known:
        known[at.tier_number] = _tiers_of(at, terms)
    return known[at.tier_number]


def _tiers_of(at: Standing, terms: Program) -> Sequence[dict[str, Any]]:
    return [
        {
            "benefit": tier.benefit_text(terms.currency),
            "name": tier.name,
            "reached": number <= at.tier_number,
            "threshold": _text(threshold),
        }
        for number, (tier, threshold) in enumerate(zip(terms.tiers, thresholds_of(at), strict=True), 1)
    ]


def _text(value: Decimal | None) -> str | None:
    return None if value is None else text(value)
