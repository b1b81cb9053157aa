"""Which status closes a task: the org's own list decides, not the English name. Pure.

Task.Status takes any text from the API. A text that is on no list leaves the task open, and nothing refuses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mappings.model import PushTarget
from mappings.problems import Finder, nearest

USUAL = "Completed"
"""What closes a task in an org that was made in English and left as it was."""


@dataclass(frozen=True)
class TaskStatus:
    """One value of the org's list, in its order."""

    name: str
    closed: bool
    default: bool = False


def closing(target: PushTarget, statuses: Sequence[TaskStatus]) -> str:
    """What a task is closed with: the mapping's own, "Completed", or the first that closes one in this org.

    `statuses`: empty where the org does not say; then the mapping's own or "Completed" is believed.
    """
    closed = [one.name for one in statuses if one.closed]
    wished = [name for name in (target.closed_status, USUAL) if name is not None]
    return next((name for name in wished if name in closed), (closed or wished)[0])


def left_open_by(status: str | None, wrote: str, statuses: Sequence[TaskStatus]) -> bool:
    """Whether an open task shows what was meant to close it: one that a person opened again has a status of the list."""
    if status == wrote:
        return True
    return bool(statuses) and status not in {one.name for one in statuses}


def check_closing(target: PushTarget, statuses: Sequence[TaskStatus], finder: Finder) -> None:
    """A status that the mapping names must close a task in this org."""
    named = target.closed_status
    closed = [one.name for one in statuses if one.closed]
    if named is None or not statuses or named in closed:
        return
    near = nearest(named, closed)
    finder.error(
        "M311",
        f'"{named}" closes no task in this org: tasks would stay open',
        target.closed_place.of(named),
        f'did you mean "{near}"?' if near else "closed are: " + ", ".join(closed),
    )
