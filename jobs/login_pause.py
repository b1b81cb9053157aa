"""After a refused login nobody asks again for a quarter of an hour, by schedule or by hand: repeated failures lock the
user out. A login that works, `rebates doctor` included, ends the pause at once."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from connector import limits
from connector.errors import AuthenticationFailed
from jobs.again import again
from jobs.refusals import LoginPaused
from state import meta
from state.errors import StoreError

if TYPE_CHECKING:
    from jobs.app import App
    from state.store import Store

KEY = "login.refused"  # in `meta`: when and with which code
PAUSE = timedelta(seconds=limits.LOGIN_PAUSE_SECONDS)


def note_refused(tx: Connection, refused: AuthenticationFailed, now: datetime) -> None:
    """The pause begins."""
    meta.put(tx, KEY, f"{now.isoformat()} {refused.code}")


def note_worked(tx: Connection) -> None:
    """The login was accepted: the pause is over, and so is the rest of this host's helpers."""
    meta.drop(tx, KEY)
    meta.drop(tx, _of_this_host())


def is_noted(tx: Connection) -> bool:
    """Whether a refusal is written down, of a run or of a helper of this host, that no accepted login has followed."""
    return meta.get(tx, KEY) is not None or meta.get(tx, _of_this_host()) is not None


def note_helper_refused(tx: Connection, code: str, now: datetime) -> None:
    """What this host logs in with does not lead to the org of the store. The leader's own login is another host's: its
    runs go on, and only the helpers of this host rest."""
    meta.put(tx, _of_this_host(), f"{now.isoformat()} {code}")


def helper_rests(tx: Connection, now: datetime) -> bool:
    """Whether a helper of this host was refused a moment ago."""
    return pause(tx, now, key=_of_this_host()) is not None


def _of_this_host() -> str:
    return f"{KEY}@{socket.gethostname()}"


def pause(tx: Connection, now: datetime, *, key: str = KEY) -> tuple[datetime, str] | None:
    """Since when the org is not asked, and the code of its refusal; None: it may be asked."""
    said = meta.get(tx, key)
    if said is None:
        return None
    since, _, code = said.partition(" ")
    at = datetime.fromisoformat(since)
    # A clock that was set back must not make the pause longer than it is.
    return (at, code) if timedelta(0) <= now - at < PAUSE else None


def require_over(app: App) -> None:
    """Before any login, whichever command needs it: raises LoginPaused while the org is not to be asked."""
    if not app.login_again and (found := noted(app)) is not None:
        raise _paused(*found)


def noted(app: App) -> tuple[datetime, str] | None:
    """The pause that the store knows of. Who can do without a store can also do without one that is in trouble."""
    with suppress(*_passed_over(app)), _looked_into(app) as store:
        if store is not None:
            with store.read() as tx:
                return pause(tx, app.clock.now())
    return None


@contextmanager
def minding_the_login(app: App, *, at_once: bool = True) -> Iterator[None]:
    """Around whatever logs in: writes a refusal down, also that of a dry run, and that a login worked.

    `at_once`: it logs in for certain, so that LoginPaused is raised before it begins; any other hears it when it asks.
    """
    if at_once and not app.login_again:
        with app.store.read() as tx:
            found = pause(tx, app.clock.now())
        if found is not None:
            raise _paused(*found)
    try:
        yield
    except AuthenticationFailed as refused:
        with suppress(StoreError), _looked_into(app) as store:  # what counts is the refusal
            if store is not None:
                with store.transaction() as tx:
                    note_refused(tx, refused, app.clock.now())
        raise
    if app.logged_in:
        with suppress(*_passed_over(app)), _looked_into(app) as store:
            if store is not None:
                again(app, _end, store)


def _paused(since: datetime, code: str) -> LoginPaused:
    return LoginPaused(
        f"the org refused the login at {since:%H:%M:%S} UTC ({code}) and is not asked again before "
        f"{since + PAUSE:%H:%M:%S} UTC: repeated failures lock the user out",
        "find out why with `rebates doctor`; a login that works there ends the pause. To try at once: --login-again "
        "(or `rebates pull --login-again`)",
    )


def _end(store: Store) -> None:
    with store.read() as tx:
        over = is_noted(tx)
    if over:
        with store.transaction() as tx:
            note_worked(tx)


def _passed_over(app: App) -> tuple[type[Exception], ...]:
    return () if app.store_is_open else (StoreError,)


@contextmanager
def _looked_into(app: App) -> Iterator[Store | None]:
    """The store of the command, or for a moment the one that there is: nobody makes one for this."""
    from state.store import Store

    if app.store_is_open:
        yield app.store
    elif not app.has_store:
        yield None
    else:
        store = Store.open(app.settings.state.url, upgrade=False)
        try:
            yield store
        finally:
            store.close()
