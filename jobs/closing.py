"""Closing periods: after the days of grace what a period pays is posted, and whatever changes later is an adjustment.

A correction is told apart, where it can be (`jobs.correction_parts`): what the late lines earn at the tier that was settled,
and what another tier or other terms change about everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from sqlalchemy import Connection

from jobs.calculated import Calculated
from jobs.calculator import is_chained
from jobs.correction_parts import Former, late_part
from jobs.documents import document_from
from jobs.settled_changes import Cause, Causes, Correction
from jobs.settling import Facts, look, withdraw
from rebates.money import to_micro
from rebates.program import Program
from state import postings, rollover
from state.postings import Balance, Booking
from state.standings import Saved
from state.totals import Cell


class Ledger:
    """The postings of one compute; one that does not book (`books`) only works out what it would correct."""

    def __init__(
        self, tx: Connection, programs: Sequence[Program], now: datetime, run_pk: int, *, books: bool = True
    ) -> None:
        self.tx, self.programs, self.now, self.run_pk, self._books = tx, programs, now, run_pk, books
        self._closed = postings.closed(tx)
        self._left_out: dict[int, set[int]] = {}
        self._versions = postings.versions(tx)
        self._causes = Causes(tx, programs) if self._closed else None
        # program → standings of closed periods that come to another amount
        self.corrected = dict[str, dict[Cell, Correction]]()
        self._asked = dict[Cell, int]()  # corrections that were worked out and not booked
        self._rows = {program.key: rollover.periods_of(tx, program.key) for program in programs}

    def correct(self, computed: Sequence[Calculated], saved: Iterable[Saved] = ()) -> list[Calculated]:
        """Standings of closed periods that are worth something else now: the difference is booked in the open period.
        Returns them. `saved`: those that changed, with what they were before."""
        if not self._closed:
            return []
        late = [
            found
            for found in computed
            if found.one.cell.period_pk in self._closed
            and (found.one.program.settlement.late_lines == "adjust" or self._was_left_out(found))
            and not found.standing.incomplete
        ]
        known = postings.balances(self.tx, [found.one.cell for found in late])
        formers, earlier = dict[object, Former](), dict[Cell, Calculated]()
        if any(found.payout is not None for found in late):
            formers = {one.cell: document_from(one.before) for one in saved if one.before is not None}
            earlier = _earlier_in_window(computed)
        booked = [
            self._booking(found, known.get(found.one.cell), formers, earlier.get(found.one.cell))
            for found in late
            # Once it is settled, a program that ignores late lines ignores them here, too.
            if found.one.program.settlement.late_lines == "adjust" or found.one.cell not in known
        ]
        made = [one for one in booked if one.amount_e6 or any(one.parts or ())]
        if self._books:
            postings.correct(self.tx, made, now=self.now, run_pk=self.run_pk)
        else:  # what waits for them makes them wait again: they would be found for ever
            made = [one for one in made if self._asked.get(one.cell) != one.amount_e6]
            self._asked |= {one.cell: one.amount_e6 for one in made}
        booked_for = {one.cell for one in made}
        moved = {one.cell: one.amount_e6 for one in made if one.amount_e6}
        for found in late:
            if found.one.cell in moved and not self._was_left_out(found):
                mine, cell = self.corrected.setdefault(found.one.program.key, {}), found.one.cell
                before = mine[cell].amount_e6 if cell in mine and self._books else 0
                mine[cell] = Correction(before + moved[cell], self._cause(found))
        return [found for found in late if found.one.cell in booked_for]

    def _was_left_out(self, found: Calculated) -> bool:
        """The period was closed by hand while this standing was incomplete."""
        period = found.one.cell.period_pk
        if period not in self._left_out:
            self._left_out[period] = postings.left_out(self.tx, period)
        return found.one.cell.member_pk in self._left_out[period]

    def _cause(self, found: Calculated) -> Cause:
        if self._causes is None:
            return Cause()
        return self._causes.of(found.one.program, found.one.cell.member_pk)

    def close(self, known: Facts) -> int:
        """Settle the periods whose grace has passed and which wait for nothing; returns how many standings."""
        settled = 0
        chained = {program.key: is_chained(program) for program in self.programs}
        for one in list(look(self.tx, self.programs, known, self.now)):
            if one.ready:
                settled += postings.close(
                    self.tx, one.pk, by_payout=chained[one.program], now=self.now, run_pk=self.run_pk
                )
                withdraw(self.tx, one.program, one.period)
        return settled

    def _booking(
        self,
        found: Calculated,
        before: Balance | None,
        formers: Mapping[object, Former],
        earlier: Calculated | None,
    ) -> Booking:
        at = found.standing
        worth = at.rebate if found.payout is None else found.payout.settles
        total = to_micro(worth) - (before.amount_e6 if before else 0)
        version = self._versions[found.one.program.key]
        late: int | None = 0
        if self._cause(found).accounts:
            late = None  # no line came late: orders of other accounts count, or the account's own do no more
        elif total or found.payout is None:
            late = late_part(found, before, version, total, formers, earlier)
        return Booking(
            found.one.cell,
            self._open(found.one.program),
            total,
            None if late is None else (late, total - late),
            to_micro(at.qualifier),
            at.tier,
            version,
        )

    def _open(self, program: Program) -> int:
        """The period that is running; after the program its last."""
        today = program.day_of(self.now)
        rows = self._rows[program.key]
        return next((row.pk for row in rows if row.start <= today < row.end), rows[-1].pk)


def _earlier_in_window(computed: Sequence[Calculated]) -> dict[Cell, Calculated]:
    """The standing of the member's period before, where both are of one window over several periods."""
    found = dict[Cell, Calculated]()
    chained = (one for one in computed if one.payout is not None)
    in_order = sorted(
        chained, key=lambda one: (one.one.program.key, one.one.cell.member_pk, one.one.period.start)
    )
    for before, after in pairwise(in_order):
        program, same_member = after.one.program, before.one.cell.member_pk == after.one.cell.member_pk
        if not same_member or before.one.program.key != program.key:
            continue
        if before.one.period in program.window(after.one.period):
            found[after.one.cell] = before
    return found
