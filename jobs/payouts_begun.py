"""Payouts that are written from a later day on: what was settled before is not sent to the org unasked.

Whoever finance paid for it from a list would be paid twice. So the first sync that would send earlier amounts stops, and
`[payouts] send_from` says from which period on they are sent: of those that end on that day or later, whenever they
began, so that a year under way is paid for when it is over.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from decimal import Decimal

from jobs.planning_run import Planning
from jobs.refusals import TooSurprising
from rebates.money import money_text
from state import meta, payouts
from state.payouts import Due

BEGUN = "payouts.begun"  # in `meta`: whether payouts were written at the last compute, "yes" or "no"


def note_not_written(planning: Planning) -> None:
    """The mapping has no table for payouts, or they are not among what is written."""
    if meta.get(planning.tx, BEGUN) != "no":
        meta.put(planning.tx, BEGUN, "no")


def begin(planning: Planning, due: Sequence[Due], payees: Collection[int]) -> None:
    """These settled amounts are about to be sent. Raises TooSurprising where payouts were not written before, some were
    settled meanwhile, and nobody has said from when on they are sent. `payees`: members whom somebody can be paid for."""
    tx, begun = planning.tx, meta.get(planning.tx, BEGUN)
    if planning.app.settings.payouts.send_from is None and (
        begun == "no" or (begun is None and not payouts.any_planned(tx))
    ):
        _require_none_of_before(planning, [one for one in due if one.member_pk in payees])
        if any(one.member_pk not in payees and one.posted_at < planning.now for one in due):
            return  # asked once they can be sent: their accounts are deleted just now
    if begun != "yes":
        meta.put(tx, BEGUN, "yes")


def _require_none_of_before(planning: Planning, due: Sequence[Due]) -> None:
    earlier = [one for one in due if one.posted_at < planning.now]
    if not earlier:
        return
    sums: dict[str, Decimal] = {}
    for one in earlier:
        sums[one.currency] = sums.get(one.currency, Decimal(0)) + one.amount
    money = " and ".join(
        f"{money_text(total, currency)} {currency}" for currency, total in sorted(sums.items())
    )
    first, last = min(one.start for one in earlier), max(one.end for one in earlier) - timedelta(days=1)
    many = "1 amount that was" if len(earlier) == 1 else f"{len(earlier)} amounts that were"
    raise TooSurprising(
        f"payouts are written into the org from now on, and with them {many} settled before: {money}, of periods from {first} to "
        f"{last}. Whoever was paid for them otherwise would be paid twice. Nothing was changed",
        f"look with `rebates payouts list --status unsent`; then say in rebates.toml from which period on they are sent: [payouts] "
        f"send_from = {first} sends all of them, {last + timedelta(days=1)} none; periods that end later are sent in any case",
        payouts=len(earlier),
    )
