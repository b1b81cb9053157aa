"""Whether the next plan compares everything that is saved with what the org was told, or only what moved."""

from __future__ import annotations

from sqlalchemy import Connection

from state import meta

_COMPARED_UNDER = (
    "push.mapping"  # in `meta`: what everything was last compared under; gone: the next plan does it again
)


def compare_everything(tx: Connection) -> None:
    """The next plan does: what was written may not be what would be written now."""
    meta.drop(tx, _COMPARED_UNDER)


def is_due(tx: Connection, under: str) -> bool:
    """Whether the plan under way compares everything, because `under` (what is written, and which targets) is not what it was
    then. It counts as done."""
    if meta.get(tx, _COMPARED_UNDER) == under:
        return False
    meta.put(tx, _COMPARED_UNDER, under)
    return True
