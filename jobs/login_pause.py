"""After a refused login nobody asks again for a quarter of an hour, by schedule or by hand: repeated failures lock the
user out. A login that works, `rebates doctor` included, ends the pause at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from connector import limits
from connector.errors import AuthenticationFailed
from jobs.refusals import LoginPaused
from state import meta

if TYPE_CHECKING:
    from jobs.app import App

KEY = "login.refused"  # in `meta`: when and with which code
PAUSE = timedelta(seconds=limits.LOGIN_PAUSE_SECONDS)


def note_refused(tx: Connection, refused: AuthenticationFailed, now: datetime) -> None:
    """The pause begins."""
    meta.put(tx, KEY, f"{now.isoformat()} {refused.code}")


def note_worked(tx: Connection) -> None:
    """The login was accepted."""
    meta.drop(tx, KEY)


def is_noted(tx: Connection) -> bool:
    """Whether a refusal is written down that no accepted login has followed."""
    return meta.get(tx, KEY) is not None


def pause(tx: Connection, now: datetime) -> tuple[datetime, str] | None:
    """Since when the org is not asked, and the code of its refusal; None: it may be asked."""
    said = meta.get(tx, KEY)
    if said is None:
        return None
    since, _, code = said.partition(" ")
    at = datetime.fromisoformat(since)
    # A clock that was set back must not make the pause longer than it is.
    return (at, code) if timedelta(0) <= now - at < PAUSE else None


@contextmanager
def minding_the_login(app: App) -> Iterator[None]:
    """Around whatever logs in. Raises LoginPaused; writes a refusal down, also that of a dry run."""
    if not app.login_again:
        with app.store.read() as tx:
            found = pause(tx, app.clock.now())
        if found is not None:
            since, code = found
            raise LoginPaused(
                f"the org refused the login at {since:%H:%M:%S} UTC ({code}) and is not asked again before "
                f"{since + PAUSE:%H:%M:%S} UTC: repeated failures lock the user out",
                "find out why with `rebates doctor`; a login that works there ends the pause. To try at once: --login-again",
            )
    try:
        yield
    except AuthenticationFailed as refused:
        with app.store.transaction() as tx:
            note_refused(tx, refused, app.clock.now())
        raise
