"""Which kinds of payouts the programs come to: a picklist of the org need not offer the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rebates.program import Program

INVOICES = {"payout.type": ("invoice",)}


def unused(programs: Iterable[Program]) -> Mapping[str, tuple[str, ...]]:
    """By source in the mapping, words that no payout of these programs has."""
    versions = (version for program in programs for version in (*program.earlier, program))
    return {} if any(one.settlement.claw_back == "invoice" for one in versions) else INVOICES
