"""What is still open although its period is settled, for `rebates payouts list` and `rebates status`: balances that are
carried, and payouts that finance rejected. Rejecting a payout pays nothing and takes nothing back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from mappings.template import money
from state import owed, payouts_listed
from state.owed import OpenBalance
from state.payouts import REJECTED
from state.payouts_listed import PayoutView


@dataclass(frozen=True)
class Rejected:
    """A payout that was rejected in the org, and what corrections of the same period came since."""

    payout: PayoutView
    later: Decimal = Decimal(0)

    def as_json(self) -> dict[str, Any]:
        one, due = self.payout, self.payout.due
        return {
            "account": one.member, "account_name": one.member_name, "program": due.program, "period": due.period,
            "currency": due.currency, "amount": due.amount, "corrected_since": self.later, "key": one.key, "id": one.sf_id,
        }  # fmt: skip

    @property
    def said(self) -> str:
        one, due = self.payout, self.payout.due
        owes = "still owed" if due.amount > 0 else "still to be taken back"
        what = (
            f"{one.member_name or one.member} {due.program} {due.period}: {money(due.amount, due.currency)}"
        )
        more = ""
        if self.later:
            together = money(due.amount + self.later, due.currency)
            more = f"; the later {money(self.later, due.currency)} counts on it, together they are {together}"
        return (
            f"{what} was rejected in the org, and is {owes}: what is settled stays settled{more}. "
            f"To go on with it, set its status back there ({one.sf_id})"
        )


@dataclass(frozen=True)
class Owed:
    """Everything that is open."""

    balances: list[OpenBalance] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "open_balances": [asdict(one) for one in self.balances],
            "still_owed": [one.as_json() for one in self.rejected],
        }

    def lines(self) -> Iterator[str]:
        """A sentence for each."""
        yield from (one.said for one in self.rejected)
        yield from (said_of(one) for one in self.balances)


def look(tx: Connection, *, program: str | None = None, period: str | None = None) -> Owed:
    """What is open, of one program or period or of all."""
    refused = payouts_listed.listed(tx, program=program, period=period, status=REJECTED)
    later = owed.corrected_since(tx, [one.due.posting_pk for one in refused])
    return Owed(
        owed.open_balances(tx, program=program, period=period),
        [Rejected(one, later.get(one.due.posting_pk, Decimal(0))) for one in refused],
    )


def said_of(one: OpenBalance) -> str:
    """An open balance as a sentence: who has it, and what becomes of it."""
    what = f"{one.account_name or one.account} {one.program} {one.period}: {money(abs(one.amount), one.currency)}"
    if one.amount > 0:
        way = "the next payout has it" if one.follows else "no payout follows: pay it by hand"
        return f"{what} is carried forward; {way}"
    way = "the next payout covers it" if one.follows else "no payout follows: bill it or waive it by hand"
    return f"{what} was paid too much; {way}"
