"""Programs that `program try` can compute and the store cannot yet: refused by name, never computed wrong.

A refused program keeps the standings of its last accepted version; the others go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rebates.program import Program
from state.judging import NotExpressible, require_expressible


@dataclass(frozen=True)
class RefusedProgram:
    """A program that a sync leaves alone, and why."""

    key: str
    reason: str

    def __str__(self) -> str:
        return (
            f"program {self.key!r} is not computed: {self.reason}; its standings stay as they were "
            "(`rebates program try` computes it from files)"
        )


def sort_out(given: Iterable[Program]) -> tuple[list[Program], list[RefusedProgram]]:
    """The programs that the store computes exactly, and the others with the reason."""
    accepted: list[Program] = []
    refused: list[RefusedProgram] = []
    for program in given:
        reason = why_refused(program)
        if reason is None:
            accepted.append(program)
        else:
            refused.append(RefusedProgram(program.key, reason))
    return accepted, refused


def why_refused(program: Program) -> str | None:
    """What in a program the store would get wrong; None: nothing."""
    try:
        require_expressible(program)
    except NotExpressible as error:
        return str(error)
    settlement = program.settlement
    reasons = (
        (
            settlement.returns == "original_period",
            'returns = "original_period": the store counts a return on its own day',
        ),
        (program.hierarchy.pay == "share", 'pay = "share" divides a rebate among several accounts'),
        (
            program.stacking.mode == "sequential",
            'stacking = "sequential" pays on what an earlier program left of each line',
        ),
        (
            program.amendment == "as_of" and program.effective > program.starts,
            'amendment = "as_of" from a day within the program needs the earlier terms besides',
        ),
    )
    return next((reason for wrong, reason in reasons if wrong), None)
