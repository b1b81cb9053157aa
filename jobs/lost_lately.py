"""A few records that are gone, night after night: what one night allows is no measure of what a month may take.

Beside the share that may vanish at once (`inventory`): of few records only a part, over thirty days no more than in one
night, and nothing that counts in a period that is settled, until a person says that it was deleted. What the org still
shows and the mapping's own condition leaves out is no mystery and is not counted.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from jobs import lost_rows
from jobs.app import App
from jobs.rereading import IDS_PER_QUERY, shown_after_all
from mappings.model import PullEntity
from state import buried
from state.inventory import Compared

FEW = 5  # so many of a small org may vanish in thirty days without a question
SMALL = 10  # of fewer than fifty records one in so many, and one always
NAMED = 3
LOOK_AT = "sharing, permission set"
ASKED_MAX = 10 * IDS_PER_QUERY  # looked up one by one, however many may vanish


@dataclass(frozen=True)
class LeftOut:
    """Of the `asked` records that the mapping shows no more, those that the org still has: a person saved or deleted them, and
    nothing was lost. `by`: what of the mapping leaves them out."""

    ids: frozenset[str] = frozenset()
    asked: int = 0
    by: str = ""

    def told(self, missing: Collection[str], live: int) -> str:
        """How many of so many records are missing, and what they are as far as it was asked."""
        of, shown = f"{len(missing):,} of {live:,} records are", len(self.ids.intersection(missing))
        if not shown:
            return f"{of} no longer visible"
        if self.asked < len(missing):
            which = "all" if shown == self.asked else f"{shown:,}"
            return (
                f"{of} not shown under the mapping any more: of {self.asked:,} that were looked up, the org has {which}, and only "
                f"{self.by} leaves them out"
            )
        if shown == len(missing):
            return f"{of} left out by {self.by} now, and the org still has them"
        lost = f"{len(missing) - shown:,} of {live:,} records are no longer visible"
        return f"{lost}, and {shown:,} are left out by {self.by}"

    def all_of(self, missing: Collection[str]) -> bool:
        """Whether nothing that was looked up is out of sight."""
        return self.asked > 0 and len(self.ids.intersection(missing)) == min(self.asked, len(missing))


def left_out(app: App, entity: PullEntity, missing: Sequence[str], live: int) -> LeftOut:
    """Those that the org shows, only that they no longer meet the mapping's `where`, or lie in the recycle bin where the
    mapping does not look. Of so many that nothing is taken back anyway, some are looked up: one call tells what they are."""
    found = ["the mapping's `where`"] if entity.where else []
    if entity.deleted == "ignore":
        found.append('the mapping\'s `deleted = "ignore"`')
    if not found or not missing:
        return LeftOut()
    asked = missing
    if len(missing) > max(ASKED_MAX, lost_rows.allowed(app, live)):
        asked = missing[:: -(-len(missing) // IDS_PER_QUERY)]
    anyhow = replace(entity, where=None, deleted="keep")
    shown: set[str] = set()
    for at in range(0, len(asked), IDS_PER_QUERY):
        some = asked[at : at + IDS_PER_QUERY]
        shown |= shown_after_all(app, anyhow, some, until=app.org.server_time())
    return LeftOut(frozenset(shown), len(asked), " or ".join(found))


def alone(tx: Connection, entity: PullEntity, missing: Sequence[str]) -> tuple[str, ...]:
    """Without the lines that went with their orders: those were looked at as orders."""
    if entity.entity != "order_line" or not missing:
        return tuple(missing)
    gone = buried.of_deleted_orders(tx, missing)
    return tuple(one for one in missing if one not in gone)


def require_ordinary(
    app: App,
    tx: Connection,
    entity: PullEntity,
    found: Compared,
    left: Collection[str],
    *,
    accept_missing: bool,
) -> None:
    """Raises Misconfigured where what is `found` to be missing asks for a person; else notes it, with what buries it."""
    name, today = entity.entity, app.local_day()
    if name == "user":  # nobody is buried
        return
    if accept_missing:
        buried.forget(tx, name)
        return
    lost = [one for one in found.missing if one not in left]
    before = buried.lately(tx, name, today)
    if lost and len(lost) + before > allowed_lately(found.live, app.settings.sync.lost_rows_share):
        more = f", and {before:,} more went in the last {buried.LATELY.days} days" if before else ""
        raise lost_rows.vanished(
            entity.object,
            f"{len(lost):,} of {found.live:,} records are no longer visible{more}; nothing was reversed",
            name=name,
            look_at=LOOK_AT,
        )
    if paid := buried.settled(tx, name, lost):
        first = ", ".join(f"{one} in {period}" for one, period in sorted(paid.items())[:NAMED])
        more = f" and {len(paid) - NAMED:,} more" if len(paid) > NAMED else ""
        raise lost_rows.vanished(
            entity.object,
            f"{len(paid):,} of the records that are no longer visible count{'' if len(paid) > 1 else 's'} in settled periods ({first}{more}); "
            "nothing was reversed",
            name=name,
            look_at=LOOK_AT,
        )
    buried.note(tx, name, today, len(lost))


def allowed_lately(live: int, share: float) -> int:
    """Of so many records, so many may go in thirty days without a question."""
    few = min(FEW, max(1, live // SMALL))
    return max(few, int(live * share))
