"""What the calculator works with and what it finds: a program as it stands in the store, and one standing of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from rebates.periods import Period
from rebates.program import Program
from rebates.settle import Payout
from rebates.standing import Standing
from state.baselines import Compared
from state.totals import CellTotals

if TYPE_CHECKING:
    from jobs.group_shares import Groups


class Calculated(NamedTuple):
    """One standing and, where periods hang together, what it comes to as a payout."""

    one: CellTotals
    standing: Standing
    payout: Payout | None


@dataclass(frozen=True)
class Frame:
    """One program in the store, and its day."""

    pk: int
    program: Program
    today: date
    rows: Mapping[date, int]  # first day of a period → its pk
    compared: Compared | None
    groups: Groups | None  # where a group's rebate is shared

    @property
    def reads_accounts(self) -> bool:
        """Whether anything depends on the member's own fields, in any version whose terms still hold for their days."""
        return any(
            version.markets
            or version.proration.by != "none"
            or (version.growth is not None and version.growth.new_members != "none")
            or version.compared_with_itself
            for version in (*self.program.earlier, self.program)
        )

    def period_before(self, period: Period) -> int | None:
        before = [start for start in self.rows if start < period.start]
        return self.rows[max(before)] if before else None

    def period_after(self, period: Period) -> int | None:
        return self.rows.get(period.end)
