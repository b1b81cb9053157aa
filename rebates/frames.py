"""The frame of a program: its periods and its currency. Where something was settled, the frame stays as it was.

A settled amount goes by its program, its period's name and its number, and is in the program's currency. Under other days
of the same name it would not be paid, on days of another name it would be paid twice, in another currency it would be
worth something else.
"""

from __future__ import annotations

from dataclasses import dataclass

from rebates.periods import Period
from rebates.program import Program

NEW_PROGRAM = "put back what was settled; what is new is a new program, with a key of its own"


@dataclass(frozen=True)
class Frame:
    """The closed periods of a program, in order, and the currency that they were closed in."""

    currency: str
    periods: tuple[Period, ...]


def why_out_of(frame: Frame, program: Program) -> str | None:
    """What of a frame a program file contradicts, and the way out; None: nothing.

    Periods may be added on both sides of the closed ones, and those that are not closed may go.
    """
    days = {(one.start, one.end, one.key) for one in program.periods()}
    moved = [one for one in frame.periods if (one.start, one.end, one.key) not in days]
    if moved:
        more = f" (and {len(moved) - 1} more)" if len(moved) > 1 else ""
        return (
            f"{moved[0].key} was settled as {_days(moved[0])}{more}, and the file {_instead(moved[0], program)}; put the "
            "settled periods back: others, for days that are not settled yet, are a new program with a key of its own"
        )
    if frame.periods and frame.currency != program.currency:
        return (
            f"what was settled is in {frame.currency}, and the file says {program.currency}; put {frame.currency} "
            "back: another currency is a new program with a key of its own"
        )
    return None


def _instead(settled: Period, program: Program) -> str:
    """What the file says of the days that were settled."""
    there = [one for one in program.periods() if one.start < settled.end and settled.start < one.end]
    namesake = next((one for one in program.periods() if one.key == settled.key), None)
    if namesake is not None:
        return f"has it as {_days(namesake)}"
    if there:
        return f"has {there[0].key} ({_days(there[0])}) there"
    return f"has no such days: it goes from {program.starts} to {program.ends}"


def _days(period: Period) -> str:
    return f"{period.start} to {period.last_day}"
