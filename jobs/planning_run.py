"""One run of planning: what it needs to know, what it put into the outbox, and saved standings made ready to show.

`planning` decides about records and `alerting` about tasks and bells; both work on this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from jobs.documents import Kept, document_from
from jobs.views import Shown, View, Views
from mappings.model import PushTarget
from mappings.outbound import Writer
from rebates.periods import Period
from rebates.program import Program
from state import outbox, people, postings, standings
from state.outbox import Wanted
from state.people import Member
from state.totals import Cell

if TYPE_CHECKING:
    from jobs.app import App

CELLS_AT_ONCE = 1_000
MEMBERS_KEPT = 4_000  # accounts that are not asked for twice


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
    kept: Mapping[Cell, Kept] = field(default_factory=dict)  # saved just now: not read back
    sequence: Callable[[int], int] | None = None  # where other processes enqueue at the same time
    counts: dict[str, int] = field(default_factory=dict)
    unusual: Counter[str] = field(default_factory=Counter)  # what the fuses look at
    without_amounts: set[str] = field(default_factory=set)  # accounts in another currency than their standing
    _members: dict[int, Member] = field(default_factory=dict)
    _today: dict[str, date] = field(default_factory=dict)
    _periods: dict[tuple[str, Period], Period] = field(default_factory=dict)

    _writers: dict[str, Writer] = field(default_factory=dict)

    @cached_property
    def views(self) -> Views:
        return Views(self.org_id)

    def record(self, target: str, view: View) -> dict[str, Any]:
        """What is written of a view into a target, whole."""
        writer = self._writers.get(target)
        if writer is None:
            writer = self._writers[target] = Writer(self.targets[target])
        return writer.record(view)

    def enqueue(self, target: str, wanted: Sequence[Wanted]) -> int:
        """Put rows into the outbox; how many of them were new."""
        added = outbox.enqueue(self.tx, wanted, now=self.now, sequence=self.sequence) if wanted else 0
        if added:
            self.counts[target] = self.counts.get(target, 0) + added
        return added

    def today(self, program: Program) -> date:
        """The day that it is where a program lives."""
        known = self._today.get(program.key)
        if known is None:
            known = self._today[program.key] = program.day_of(self.now)
        return known

    def members(self, pks: Collection[int]) -> Mapping[int, Member]:
        """The accounts (and others that were asked for before)."""
        if missing := set(pks) - self._members.keys():
            if len(self._members) > MEMBERS_KEPT:
                self._members, missing = {}, set(pks)
            self._members |= people.members(self.tx, missing)
        return self._members

    def saved(self, cells: Collection[Cell]) -> Iterator[Kept]:
        """Standings as they are saved, in the order of their cells: kept ones, and others from the store."""
        others = {
            row.cell: _read(row)
            for row in standings.find(self.tx, cells=[cell for cell in cells if cell not in self.kept])
        }
        for cell in sorted(cells):
            one = self.kept.get(cell) or others.get(cell)
            if one is not None:
                yield one

    def running(self, day: date, member_pks: set[int]) -> Iterator[Kept]:
        """Saved standings of some accounts whose period holds a day."""
        if self.kept:
            return self.saved(standings.cells_on(self.tx, day, member_pks))
        return map(_read, standings.find(self.tx, on=day, members=member_pks))

    def shown(self, found: Iterable[Kept]) -> Iterator[Shown]:
        """Saved standings with all that is needed to show them; accounts that are gone are left out."""
        for some in batched_rows(found, CELLS_AT_ONCE):
            members = self.members({one.cell.member_pk for one in some})
            settled = postings.settled(self.tx, {one.cell for one in some})
            for cell, key, period, document in some:
                program, member = self.programs.get(key), members[cell.member_pk]
                if program is not None and not member.gone:
                    own = self._periods.get((key, period))
                    if own is None:
                        own = self._periods[key, period] = of_its_own(program, period)
                    yield Shown(cell, document, program, own, member, settled.get(cell))


def _read(row: standings.StandingView) -> Kept:
    return Kept(row.cell, row.program, Period(row.start, row.end, row.period), document_from(row.document))


def of_its_own(program: Program, period: Period) -> Period:
    """The program's period for one as it was saved. A program that is refused has the standings of its last accepted version,
    and so its periods."""
    own = program.own_period(period.start, period.end)
    return own if own is not None else replace(period, zone=program.time_zone)


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
