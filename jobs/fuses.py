"""Fuses: what would change more than is ever usual is not done, however many processes worked it out.

Each counts what it would do; here the counts are added up for the whole org, before anything is saved for good.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from jobs.refusals import TooSurprising
from mappings.model import PushTarget
from rebates.money import text
from state import acknowledged, meta, postings
from state.payloads import payload_hash
from state.totals import from_e6

if TYPE_CHECKING:
    from jobs.app import App
    from jobs.settled_changes import Corrections

FEW = 5  # clearing this many accounts is never a surprise
FEW_CORRECTIONS = 20  # nor are so many late changes of settled amounts in one run
ADVICE = (
    "look with `rebates sync --dry-run --allow-many-corrections`, or `rebates program diff OLD NEW --store`; if "
    "it is right: the same sync without --dry-run"
)
COUNTED = "fuses.counted"  # in `meta`: of shares that were saved while their run is not over


def require_usual(app: App, tx: Connection, found: Mapping[str, int]) -> None:
    """Raises TooSurprising when `found`, and what shares of this run have saved before, is too much together."""
    together = Counter(found) + Counter(json.loads(meta.get(tx, COUNTED) or "{}"))
    _guard_mass_clear(app, tx, together["cleared"])
    _guard_storm(app, together["tasks"])


def require_few_corrections(
    app: App, tx: Connection, corrected: Corrections, *, by_new_rules: bool = False
) -> None:
    """Raises TooSurprising when too much of what a program settled would be settled otherwise: late lines move some of it,
    a mistyped rate or a renamed product family moves most, and what was made for finance cannot be taken back.

    `corrected`: program → standings of closed periods that come to another amount, those that had none there, too. What
    other terms or a changed account move is held against the money, too: a few large partners can be most of it. A merge
    moves it together with its payouts. `by_new_rules`: everything is computed again by a version with other rules, so that none
    of it tells what moved it, and all of it is held against the money.
    """
    if app.allow_many_corrections:
        return
    for program, cells in corrected.items():
        periods = {cell.period_pk for cell in cells}
        count, (settled, money_e6) = len(cells), postings.settled_in(tx, periods)
        closed = f"{len(periods)} closed period{'' if len(periods) == 1 else 's'}"
        if count > FEW_CORRECTIONS and count > settled * app.settings.payouts.correct_share:
            raise TooSurprising(
                f"this would correct {count} amounts of {program} in {closed}, where {settled} were settled. Late orders correct a few; a "
                "changed program, product family or account type, or a new version of ours (CHANGELOG.md), can correct most. "
                "Nothing of it was booked",
                ADVICE,
                program=program,
                corrections=count,
                settled=settled,
            )
        otherwise_e6 = sum(
            abs(one.amount_e6)
            for one in cells.values()
            if (not one.cause.is_merge if one.cause else by_new_rules)
        )
        share = Decimal(str(app.settings.payouts.correct_share))
        if settled > FEW_CORRECTIONS and otherwise_e6 > money_e6 * share:
            raise TooSurprising(
                f"{'newer rules of ours, ' if by_new_rules else ''}other terms of {program}, or changed accounts, would move {text(from_e6(otherwise_e6))} of the "
                f"{text(from_e6(money_e6))} that it settled in {closed}. Nothing of it was booked",
                ADVICE,
                program=program,
                corrections=count,
                settled=settled,
            )


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
            _mend_first(app)
            + "look with `rebates sync --dry-run --allow-mass-clear`; if it is right: the same without --dry-run",
            cleared=cleared,
            shown=shown,
        )


def _mend_first(app: App) -> str:
    """The program files that are not valid now: nobody should let through what a wrong line in one of them does."""
    broken = [str(path) for path, _ in app.programs.broken]
    if not broken:
        return ""
    named = ", ".join(broken)
    return f"mend {named} first, not valid now (`rebates program check FILE` names the line); else "


def _guard_storm(app: App, count: int) -> None:
    limit = app.settings.alerts.max_tasks
    if count > limit and not app.allow_many_tasks:
        raise TooSurprising(
            f"this run would make {count} new tasks; [alerts] max_tasks is {limit}. A changed rule can do that. "
            "Nothing was changed",
            "look with `rebates sync --dry-run --allow-many-tasks`; if it is right: the same without --dry-run",
            tasks=count,
        )
