"""One run of planning: what it needs to know, what it put into the outbox, and saved standings made ready to show.

`planning` decides about records and `alerting` about tasks and bells; both work on this.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from jobs.views import Shown
from mappings.model import PushTarget
from rebates.program import Program
from state import outbox, people, postings, standings
from state.outbox import Wanted

if TYPE_CHECKING:
    from jobs.app import App

CELLS_AT_ONCE = 1_000


@dataclass
class Planning:
    """What planning needs of one run."""

    app: App
    tx: Connection
    org_id: str
    now: datetime
    programs: dict[str, Program]
    targets: dict[str, PushTarget]
    run_pk: int
    sequence: Callable[[int], int] | None = None  # where other processes enqueue at the same time
    counts: dict[str, int] = field(default_factory=dict)
    unusual: Counter[str] = field(default_factory=Counter)  # what the fuses look at

    def enqueue(self, target: str, wanted: Sequence[Wanted]) -> None:
        """Put rows into the outbox and count those that were new."""
        if wanted:
            added = outbox.enqueue(self.tx, wanted, now=self.now, sequence=self.sequence)
            self.counts[target] = self.counts.get(target, 0) + added

    def shown(self, rows: Iterable[standings.StandingView]) -> Iterator[Shown]:
        """Saved standings with all that is needed to show them; accounts that are gone are left out."""
        for some in batched_rows(rows, CELLS_AT_ONCE):
            members = people.members(self.tx, {row.cell.member_pk for row in some})
            settled = postings.settled(self.tx, {row.cell for row in some})
            for row in some:
                program = self.programs.get(row.program)
                member = members[row.cell.member_pk]
                period = program.period_of(row.start) if program else None
                if program is not None and period is not None and not member.gone:
                    paid = settled.get(row.cell)
                    yield Shown(row, json.loads(row.document), program, period, member, paid)


def batched_rows(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of at most `size`."""
    batch: list[Any] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
