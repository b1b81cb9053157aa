"""Since when a scheduler has had a job: what a job that never ran is measured by."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from state import meta


def note(tx: Connection, job: str, rhythm: str | None, now: datetime) -> None:
    """A scheduler has the job in this rhythm; the first time counts, and with another rhythm it begins anew."""
    if since(tx, job, rhythm) is None:
        meta.put(tx, _key(job), f"{now.isoformat()} {rhythm}")


def since(tx: Connection, job: str, rhythm: str | None) -> datetime | None:
    """None: no scheduler ever had it, in this rhythm."""
    at, _, known = (meta.get(tx, _key(job)) or "").partition(" ")
    return datetime.fromisoformat(at) if at and known == str(rhythm) else None


def _key(job: str) -> str:
    return f"schedule.first_seen.{job}"
