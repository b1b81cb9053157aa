"""Payouts that a person deleted in the org: found out, named, and made again only when a person says so.

The money was settled, and finance threw its record away: whether it is owed is not ours to guess.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection

from connector import errors
from jobs import lost_rows
from jobs.person import person
from jobs.refusals import Unusable
from jobs.running import running
from mappings.model import PushTarget
from state import addressees, audit, payouts_gone, people

if TYPE_CHECKING:
    from jobs.app import App

log = structlog.get_logger()


def too_many(
    app: App, tx: Connection, target: PushTarget, missing: Collection[str], known: int
) -> errors.Misconfigured | None:
    """All payouts were asked for and these did not come: they are gone, unless so many are missing at once that somebody
    rather hid them. Those of accounts that are gone went with them."""
    of, lost = addressees.accounts_of(tx, target.object), people.gone(tx)
    alone = sum(of.get(key) not in lost for key in missing)
    if missing:
        log.warning("payouts.gone", payouts=len(missing))
    if alone <= lost_rows.allowed(app, known):
        return None
    return lost_rows.vanished(
        target.object,
        f"{alone:,} of our {known:,} payouts are no longer visible; none was taken for deleted",
        name=target.name,
    )


def make_again(app: App, key: str) -> None:
    """A payout that was deleted in the org is owed after all: the next sync makes it, under the same key."""
    target = app.written("payout")
    if target is None:
        raise Unusable(
            "no payouts are made here",
            'the mapping needs a table [push.payout] that is not `when = "never"`, and [push] targets the word "payout" '
            "(docs/mapping.md)",
        )
    with running(app, "make-payout-again"), app.store.transaction() as tx:
        if payouts_gone.is_rejected(tx, key):
            raise Unusable(
                f"{key!r} was rejected in the org, not deleted, and is still owed",
                "set its status back there: reopened, it is the same payout, and `rebates reconcile` reads it back",
            )
        if not payouts_gone.unplan(tx, target.object, key):
            raise Unusable(
                f"{key!r} is no payout that was deleted in the org",
                "`rebates payouts list --status Deleted` names them; `rebates reconcile` finds those that were deleted since",
            )
        audit.append(
            tx, actor=person(), action="payout to be made again", object=key, detail={}, now=app.clock.now()
        )
