"""Programs that ignore late lines: what a closed period was settled at is what its standings stay at.

The totals of the store know no days of arrival: a late line is in them like any other. So a settled standing is not worked
out again; what is built on it (a sequence, an exclusive group, a budget) takes what was settled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from sqlalchemy import Connection

from jobs.calculated import Calculated, Frame
from rebates.beside import overruled
from rebates.money import from_micro
from rebates.totals import Overruling
from state import postings
from state.totals import Cell, CellTotals

TOO_LATE = "what came after the period was closed does not count"
SETTLED = f"stays as it was settled: {TOO_LATE}"


class Ignoring:
    """What is settled of the programs with `late_lines = "ignore"`. Costs nothing where there is none."""

    def __init__(self, tx: Connection) -> None:
        self.tx = tx
        self._closed: set[int] | None = None
        self._left_out: dict[int, set[int]] = {}

    def kept(self, frame: Frame, cells: Iterable[Cell]) -> dict[Cell, Decimal]:
        """Those of the cells that are settled for ever, with the amount: 0 for who had nothing when the period was closed.

        Who was left out of the closing, because something could not be read, is not settled yet.
        """
        if frame.program.settlement.late_lines != "ignore":
            return {}
        if self._closed is None:
            self._closed = postings.closed(self.tx)
        late = [cell for cell in cells if cell.period_pk in self._closed]
        known = postings.balances(self.tx, late)
        return {
            cell: from_micro(known[cell].amount_e6) if cell in known else Decimal(0)
            for cell in late
            if cell in known or cell.member_pk not in self._left_out_of(cell.period_pk)
        }

    def without_strangers(self, frame: Frame, some: Sequence[CellTotals]) -> list[CellTotals]:
        """Nothing counts of a member whose first line came too late."""
        kept = self.kept(frame, [one.cell for one in some])
        known = postings.balances(self.tx, kept)
        return [
            one._replace(totals={}, by_period={}, missing=(), notes=(TOO_LATE,))
            if one.cell in kept and one.cell not in known
            else one
            for one in some
        ]

    def as_settled(self, frame: Frame, found: Sequence[Calculated]) -> list[Calculated]:
        """The standings, at what was settled where that stays."""
        kept = self.kept(frame, [one.one.cell for one in found])
        return [_at(one, kept.get(one.one.cell, one.standing.rebate)) for one in found]

    def _left_out_of(self, period_pk: int) -> set[int]:
        if period_pk not in self._left_out:
            self._left_out[period_pk] = postings.left_out(self.tx, period_pk)
        return self._left_out[period_pk]


def _at(found: Calculated, amount: Decimal) -> Calculated:
    at = found.standing
    if amount == at.rebate:
        return found
    return found._replace(standing=overruled(at, Overruling("kept", SETTLED, amount), at_next=None))
