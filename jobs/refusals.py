"""What the jobs themselves refuse to do, with the next command and the exit code that the command line uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Refused(Exception):
    """We will not do this: what, why, and what to do instead."""

    code = "refused"
    exit_code = 1

    def __init__(self, message: str, hint: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: Mapping[str, Any] = details


class Unusable(Refused):
    """Configuration, mapping, program or argument: a person must change it first."""

    code = "unusable"
    exit_code = 2


class AnotherRun(Refused):
    """Another process holds the lock."""

    code = "locked"
    exit_code = 6


class SlotTaken(AnotherRun):
    """Somebody ran this slot, or runs it now: there is nothing left to do for it."""


class Paused(Refused):
    """An operator stopped everything with `rebates pause`."""

    code = "paused"
    exit_code = 1


class LoginPaused(Refused):
    """The org refused the login a moment ago."""

    code = "login_paused"
    exit_code = 4


class TooSurprising(Refused):
    """A fuse: this would change more than is ever usual."""

    code = "fuse"
    exit_code = 1


class BrokenPromise(Refused):
    """A check of the store failed."""

    code = "verify"
    exit_code = 1


class TookTooLong(Refused):
    """A scheduled run is over its time: what was done is saved."""

    code = "too_long"
    exit_code = 1


class Interrupted(Refused):
    """Asked to stop (SIGTERM, Ctrl-C): the batch at hand was finished and saved."""

    code = "interrupted"
    exit_code = 130

    def __init__(self) -> None:
        super().__init__("stopped as asked; what was done is saved", "the next run goes on from here")
