"""Fuses: what would change more than is ever usual is not done, however many processes worked it out.

Each counts what it would do; here the counts are added up for the whole org, before anything is saved for good.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from jobs.refusals import TooSurprising
from mappings.model import PushTarget
from state import acknowledged, meta
from state.payloads import payload_hash

if TYPE_CHECKING:
    from jobs.app import App

FEW = 5  # clearing this many accounts is never a surprise
COUNTED = "fuses.counted"  # in `meta`: of shares that were saved while their run is not over


def require_usual(app: App, tx: Connection, found: Mapping[str, int]) -> None:
    """Raises TooSurprising when `found`, and what shares of this run have saved before, is too much together."""
    together = Counter(found) + Counter(json.loads(meta.get(tx, COUNTED) or "{}"))
    _guard_mass_clear(app, tx, together["cleared"])
    _guard_storm(app, together["tasks"])


def remember(tx: Connection, found: Mapping[str, int]) -> None:
    """Shares are being saved: what they count stays counted until the run is whole, over a crash too."""
    together = Counter(found) + Counter(json.loads(meta.get(tx, COUNTED) or "{}"))
    meta.put(tx, COUNTED, json.dumps(together, sort_keys=True))


def forget(tx: Connection) -> None:
    """The run is whole."""
    meta.drop(tx, COUNTED)


def emptied(target: PushTarget) -> dict[str, None]:
    """What is written onto an account that has no standing any more."""
    return {name: None for name in target.fields if name not in target.volatile and name != "Id"}


def _guard_mass_clear(app: App, tx: Connection, cleared: int) -> None:
    """A real period end clears a few accounts; a short read or a lost program clears most."""
    if cleared <= FEW or app.allow_mass_clear:
        return
    target = app.mapping.push["account"]
    shown = acknowledged.count(tx, target.object, besides=payload_hash(emptied(target)))
    if cleared > shown * app.settings.push.clear_share:
        raise TooSurprising(
            f"this would clear the rebate fields of {cleared} of {shown} accounts. That is usual when a program ends; "
            "more often the orders came back short or a program file is gone. Nothing was changed",
            "look with `rebates sync --dry-run`; if it is right: `rebates sync --allow-mass-clear`",
            cleared=cleared,
            shown=shown,
        )


def _guard_storm(app: App, count: int) -> None:
    limit = app.settings.alerts.max_tasks
    if count > limit and not app.allow_many_tasks:
        raise TooSurprising(
            f"this run would make {count} new tasks; [alerts] max_tasks is {limit}. A changed rule can do that. "
            "Nothing was changed",
            "look with `rebates sync --dry-run`; if it is right: `rebates sync --allow-many-tasks`",
            tasks=count,
        )
