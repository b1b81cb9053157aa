"""What long work asks of the run it belongs to: may it go on, does it still hold the lease, how long is left."""

from __future__ import annotations

from typing import Protocol


class Pace(Protocol):
    """A run under way is one (`jobs.running.Running`)."""

    def look(self) -> None:
        """Between two steps, inside a transaction, in any thread: raises Interrupted when asked to stop, TookTooLong when
        the time is up."""

    def attend(self) -> None:
        """The same while something outside is waited for, at least every few seconds; and the lease is kept. Not inside a
        transaction."""

    def seconds_left(self) -> float | None:
        """Until the run must end; None: it takes as long as it takes."""


class Unhurried:
    """Work of no run: a command that only looks."""

    def look(self) -> None:
        return

    def attend(self) -> None:
        return

    def seconds_left(self) -> float | None:
        return None
