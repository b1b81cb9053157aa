"""Amounts that the org's fields cannot hold, or that the mapping has no place for: said by name with every sync, because nothing else would tell.

A standing is shown rounded, and the same at any time. A payout is money: it is not sent with another amount than what was
settled. It is set aside until the field keeps as many decimals as the program's currency has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection

from jobs.planning import push_targets
from mappings.rounding import PAYOUT_AMOUNT, too_fine
from state import payouts, payouts_listed

if TYPE_CHECKING:
    from jobs.app import App

NAMED = 3


class Unwritable(NamedTuple):
    """`payouts`: how many are set aside; `said`: sentences with names."""

    payouts: int
    said: list[str]


NO_TARGET = (
    "copy [push.payout] from the standard mapping (`rebates mapping show standard`); where finance takes them from `rebates payouts list`, give it "
    'when = "never"'
)


def without_target(app: App, tx: Connection, *, counted: bool) -> str | None:
    """Settled amounts that nobody in the org will ever see, because the mapping has no place for them; None: there is one.
    `counted`: how many they are takes a look at all that were ever settled."""
    if "payout" in app.mapping.push or not payouts_listed.some_unsent(tx):
        return None
    nowhere = f"not in the org: {app.mapping.file} has no [push.payout]"
    if not counted:
        return f"settled amounts are {nowhere}"
    count = sum(many for status, _, _, many in payouts_listed.sums(tx) if status == payouts.UNSENT)
    are = "1 settled amount is" if count == 1 else f"{count:,} settled amounts are"
    return f"{are} {nowhere}"


def unwritable(app: App) -> Unwritable:
    """As the fields were when they were last looked at, and the payouts as they were last planned."""
    with app.store.read() as tx:
        targets = push_targets(app, tx)
        waiting = payouts.not_exact(tx) if "payout" in targets else []
        programs = {program.key: program.currency for program in app.programs_in_force(tx)}
        nowhere = without_target(app, tx, counted=False)
    said = [f"{one}: {one.mend}" for one in too_fine(targets.values(), programs)]
    if nowhere is not None:
        said.append(f"{nowhere}: {NO_TARGET}")
    if waiting:
        of = list(dict.fromkeys(f"{program} {period}" for _, program, period in waiting))
        named = ", ".join(of[:NAMED]) + (f" and {len(of) - NAMED} more" if len(of) > NAMED else "")
        target = targets["payout"]
        field = f"{target.object}.{target.written_from(PAYOUT_AMOUNT)}"
        many = "1 payout is" if len(waiting) == 1 else f"{len(waiting):,} payouts are"
        said.append(f"{many} set aside, because {field} cannot hold the amount exactly: {named}")
    return Unwritable(len(waiting), said)
