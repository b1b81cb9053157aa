"""What waits in the outbox, cut into shares of accounts; and what several processes made of theirs, added up."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from connector import limits
from jobs.shard_work import hands
from state import outbox
from state.shards import Shard

if TYPE_CHECKING:
    from jobs.pushed import Pushed
    from jobs.running import Running

WORTH_SHARING = 2 * limits.COMPOSITE_ROWS  # below, cutting costs calls and saves nothing
ROWS_OF_A_SHARE = 4 * limits.COMPOSITE_ROWS  # each share ends with a call that is not full
SHARES_EACH = 4  # so many a process: who is quicker takes more, and little is done twice when one dies


def parts(run: Running, objects: Collection[str]) -> list[dict[str, Any]]:
    """Lanes by share; none when there is too little to share, or nobody to share it with."""
    workers = hands(run.app)
    if workers < 2:
        return []
    with run.app.store.read() as tx:
        rows = outbox.due(tx, objects, now=run.app.clock.now())
    if rows < WORTH_SHARING:
        return []
    count = min(outbox.LANES, max(workers, min(SHARES_EACH * workers, rows // ROWS_OF_A_SHARE)))
    return [{"lanes": list(range(number, outbox.LANES, count))} for number in range(count)]


def gather(shards: Iterable[Shard], *, into: Pushed) -> None:
    """Add what the shards' rows say."""
    for one in shards:
        into.add(one.told)
