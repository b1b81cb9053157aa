"""Computing, saving and planning one share of the accounts: the same for every process that takes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from jobs.calculator import Calculator
from jobs.computing import work_off
from jobs.planning import plan_share
from jobs.refused_programs import sort_out_in
from rebates.program import Program
from state import gaps, rules
from state.instants import moment
from state.totals import Share

if TYPE_CHECKING:
    from jobs.app import App


class ShareWork:
    """What one process needs for all shares that it takes of one compute, in its one transaction.

    `sequence` gives so many numbers of the outbox where several processes enqueue side by side.
    """

    def __init__(
        self,
        app: App,
        tx: Connection,
        run_pk: int,
        given: Mapping[str, Any],
        sequence: Callable[[int], int] | None = None,
    ) -> None:
        self.app, self.tx, self.run_pk, self.sequence = app, tx, run_pk, sequence
        self.now: datetime = moment(given["now"])
        # The leader wrote down which texts are in force before it cut the shares.
        self.everything: list[Program] = app.programs_in_force_read(tx)
        programs, _ = sort_out_in(tx, self.everything)
        missing = gaps.find(tx, date.fromisoformat(given["day"]), programs)
        self.calculator = Calculator(tx, programs, self.now, missing)

    def do(self, given: Mapping[str, Any], advance: Callable[[int], None]) -> dict[str, Any]:
        """Compute, save and plan one share; what came of it."""
        share = share_of(given)
        done = work_off(
            self.tx, self.calculator, now=self.now, run_pk=self.run_pk, share=share, advance=advance
        )
        planned, unusual = plan_share(
            self.app, self.tx, self.everything, done.touched, done.news,
            run_pk=self.run_pk, now=self.now, kept=done.kept, sequence=self.sequence,
        )  # fmt: skip
        return {
            "worked": {
                "standings": done.looked,
                "changed": len(done.touched),
                "incomplete": done.incomplete,
                "events": len(done.news),
            },
            "planned": asdict(planned),
            "unusual": dict(unusual),
        }


def share_of(given: Mapping[str, Any]) -> Share:
    """The accounts that were given."""
    among = given.get("among")
    return Share(given["number"], given["of"], tuple(given["apart"]), None if among is None else tuple(among))


def apart(tx: Connection, programs: list[Program]) -> list[int]:
    """Programs whose members cannot be computed one by one: they share a budget, or what their group earns."""
    pks = rules.installed(tx)
    return [
        pks[program.key]
        for program in programs
        if program.limits.budget is not None or program.hierarchy.is_shared
    ]
