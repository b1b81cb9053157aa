"""What the calculator works with and what it finds: a program as it stands in the store, and one standing of it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
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
            or (
                version.growth is not None
                and (
                    version.growth.new_members != "none"
                    or version.growth.looks_within(version.starts, version.ends)
                )
            )
            for version in (*self.program.earlier, self.program)
        )

    def joined_within(self, period: Period, joined: date | None) -> bool:
        """Whether a member joined within the days that a period is compared with, so that its sales are no baseline."""
        growth = self.program.growth
        return growth is not None and growth.joined_within(period, self.program.starts, joined) is not None

    def period_before(self, period: Period) -> int | None:
        place = bisect_left(self._starts, period.start)
        return self.rows[self._starts[place - 1]] if place else None

    @cached_property
    def _starts(self) -> list[date]:
        return sorted(self.rows)

    def period_after(self, period: Period) -> int | None:
        return self.rows.get(period.end)
