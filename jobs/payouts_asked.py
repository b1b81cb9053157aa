"""Which payouts a person asks for: a word that no payout can have is said, not answered with an empty list."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from jobs.configuration import suggest
from jobs.refusals import Unusable
from jobs.schema import LOOKS
from state import meta, payouts, payouts_listed

if TYPE_CHECKING:
    from jobs.app import App

STATUSES = (payouts.UNSENT, payouts.SENT, "SystemCalculated", *payouts.APPROVED, *payouts.FINAL)


def require_known(
    app: App, tx: Connection, *, program: str | None, period: str | None, status: str | None
) -> None:
    """Raises Unusable, with what was probably meant."""
    if program is not None:
        _require(program, payouts_listed.programs_known(tx), f'there is no program "{program}" in the store')
    if period is not None:
        known = payouts_listed.periods_known(tx, program)
        said = f'{program} has no period "{period}"' if program else f'no program has a period "{period}"'
        _require(period, known, said)
    if status is not None:
        known = {*STATUSES, *payouts_listed.statuses_known(tx), *_choices(app, tx)}
        _require(status, known, f'there is no status "{status}"')


def _require(word: str, known: Collection[str], said: str) -> None:
    if word in known:
        return
    plain = next((one for one in known if one.lower() == word.lower()), None)
    meant = f'did you mean "{plain}"?' if plain is not None else suggest(word, sorted(known))
    some = sorted(known)
    listed = ", ".join(some) if len(some) <= 24 else f"{some[0]} to {some[-1]}"
    raise Unusable(said, meant or (f"there are: {listed}" if some else "rebates status"))


def _choices(app: App, tx: Connection) -> Collection[str]:
    """The values of the status field in the org, as it showed them last."""
    target = app.mapping.push.get("payout")
    if target is None:
        return ()
    looks = json.loads(meta.get(tx, LOOKS) or "null") or {}
    values: list[str] = looks.get(f"{target.object}.{target.reads.get('status')}", {}).get("values", [])
    return values
