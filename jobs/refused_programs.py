"""Programs that `program try` can compute and the store cannot yet: refused by name, never computed wrong.

A refused program keeps the standings of its last accepted version; the others go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from jobs import own_currency
from jobs.calculator import is_chained
from rebates.amendments import why_not_added
from rebates.frames import Frame, why_out_of
from rebates.outdated import Outdated
from rebates.program import Program
from rebates.sequence import clashes, comes_after, exclude_each_other, lined_up
from state import frames
from state.judging import NotExpressible, require_expressible


@dataclass(frozen=True)
class RefusedProgram:
    """A program that a sync leaves alone, and why."""

    key: str
    reason: str
    by_try: bool = True  # whether `program try` computes it

    def __str__(self) -> str:
        way = (
            "`rebates program try` computes it from files"
            if self.by_try
            else "`rebates program check` says so beforehand"
        )
        return f"program {self.key!r} is not computed: {self.reason}; its standings stay as they were ({way})"


def sort_out_in(tx: Connection, given: Iterable[Program]) -> tuple[list[Program], list[RefusedProgram]]:
    """The programs that the store computes exactly as they are held against what it has settled, and whose records the org
    takes; and the others."""
    given = list(given)
    return sort_out(given, out_of_frame(tx, given) | own_currency.in_inactive(tx, given))


def out_of_frame(tx: Connection, given: Iterable[Program]) -> dict[str, str]:
    """Programs whose files contradict what was settled, with the reason."""
    given = list(given)
    if not contradictions(given, frames.closed(tx)):
        return {}
    return contradictions(given, frames.settled(tx))


def contradictions(given: Iterable[Program], settled: Mapping[str, Frame]) -> dict[str, str]:
    """The same, by what is known to be settled."""
    held = ((one.key, why_out_of(settled[one.key], one)) for one in given if one.key in settled)
    return {key: reason for key, reason in held if reason is not None}


def sort_out(
    given: Iterable[Program], contradicting: Mapping[str, str] | None = None
) -> tuple[list[Program], list[RefusedProgram]]:
    """The programs that can be computed exactly, and the others with the reason.

    `contradicting`: those that contradict what was settled (`out_of_frame`), or the org.
    """
    given = list(given)
    apart = clashes(given)
    clashing = {**(contradicting or {}), **apart}
    accepted: list[Program] = []
    refused: list[RefusedProgram] = []
    for program in given:
        reason = why_refused(program) or clashing.get(program.key)
        if reason is None:
            accepted.append(program)
        else:
            tried = (
                program.key not in apart
                and not isinstance(program, Outdated)
                and why_not_added((*program.earlier, program)) is None
            )
            refused.append(RefusedProgram(program.key, reason, by_try=tried))
    return _in_sequence(_whole_groups(accepted, refused, given), refused, given), refused


def _whole_groups(
    accepted: list[Program], refused: list[RefusedProgram], given: list[Program]
) -> list[Program]:
    """Those accepted without the rivals of a refused one: its standings stay, and theirs cannot be held against them."""
    out = {one.key for one in refused}
    lost = [program for program in given if program.key in out]
    going: list[Program] = []
    for program in accepted:
        rival = next((other.key for other in lost if exclude_each_other(program, other)), None)
        if rival is None:
            going.append(program)
        else:
            reason = f"it and {rival} exclude each other, and {rival} is not computed: both would pay"
            refused.append(RefusedProgram(program.key, reason))
    return going


def _in_sequence(
    accepted: list[Program], refused: list[RefusedProgram], given: list[Program]
) -> list[Program]:
    """Those accepted, each knowing what comes before it; without what comes before it, a program is refused, too."""
    out = {one.key for one in refused}
    going: list[Program] = []
    for program in sorted(accepted, key=lambda one: (one.stacking.order, one.key)):
        before = [other for other in given if comes_after(program, other)]
        lost = [other.key for other in before if other.key in out]
        if lost:
            reason = f"it is paid on what {lost[0]} leaves, which is not computed"
        else:
            going.append(program)
            continue
        out.add(program.key)
        refused.append(RefusedProgram(program.key, reason))
    return [program for program in lined_up(accepted) if program.key not in out]


def _meets_others(program: Program) -> bool:
    return any(
        version.hierarchy.is_shared
        or version.stacking.mode == "sequential"
        or (version.growth is not None and version.growth.baseline != "fixed")
        for version in (program, *program.earlier)
    )


def why_refused(program: Program) -> str | None:
    """What in a program the store would get wrong; None: nothing."""
    if isinstance(program, Outdated):
        return (
            "the terms that were in force are not valid any more by the rules of this version (mend its file: `rebates "
            "program check FILE` names the line)"
        )
    try:
        require_expressible(program)
    except NotExpressible as error:
        return str(error)
    apart = why_not_added((*program.earlier, program))
    if apart is not None:
        return apart
    reasons = (
        (
            program.hierarchy.is_shared and is_chained(program),
            'pay = "share" is divided period by period: what is settled over several periods (a window, a minimum '
            "payout, a cap over the program) has no owner among the members",
        ),
        (
            program.limits.budget is not None and is_chained(program),
            "a budget together with what is settled over several periods (a window, a minimum payout, a cap over the "
            "program): what the others left of it in each period is not known there",
        ),
        (
            program.settlement.late_lines == "ignore" and is_chained(program),
            'late_lines = "ignore" together with what is settled over several periods (a window, a minimum payout, a cap '
            "over the program): what a line that came too late did to a settled period cannot be kept out of those after it",
        ),
        (
            bool(program.hierarchy.unpaid_groups),
            f"nobody says which account is paid for {' and '.join(program.hierarchy.unpaid_groups)} "
            '([hierarchy.payees], or pay = "share")',
        ),
        (
            bool(program.hierarchy.crowded_groups),
            f"every account of {' and '.join(program.hierarchy.crowded_groups)} stands for another group already; "
            "name a payee in [hierarchy.payees]",
        ),
        (
            program.stacking.mode == "sequential" and program.settlement.window != "period",
            'stacking = "sequential" with a window over several periods: what was paid on a line belongs to no single period',
        ),
        (
            program.amendment == "as_of" and program.effective > program.starts and not program.earlier,
            'amendment = "as_of" from a day within the program: the file with the terms before it (the same key) is '
            "missing",
        ),
        (
            bool(program.earlier) and _meets_others(program),
            'amendment = "as_of" together with shared rebates, sequential stacking or growth on past sales: what was '
            "counted on the earlier terms cannot be told apart there",
        ),
    )
    return next((reason for wrong, reason in reasons if wrong), None)
