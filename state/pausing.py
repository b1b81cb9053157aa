"""Everything stopped by a person until a person lets it go on: no run starts, no helper takes work. Both are in the audit
trail, with the name of who asked."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from state import audit, meta

_REASON = "paused"  # in `meta`


def reason(tx: Connection) -> str | None:
    """Why everything is stopped, in the words of whoever did it; None: it is not."""
    return meta.get(tx, _REASON)


def pause(tx: Connection, why: str, *, actor: str, now: datetime) -> None:
    """No run starts from now on. What is running finishes."""
    meta.put(tx, _REASON, why)
    audit.append(tx, actor=actor, action="pause", object="store", detail={"reason": why}, now=now)


def resume(tx: Connection, *, actor: str, now: datetime) -> str | None:
    """Runs may start again. Returns why they might not; None: nothing was paused, and nothing is written down."""
    why = reason(tx)
    if why is not None:
        meta.drop(tx, _REASON)
        audit.append(tx, actor=actor, action="resume", object="store", detail={"reason": why}, now=now)
    return why
